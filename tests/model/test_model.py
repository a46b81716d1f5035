"""The model of the revocation protocol keeps its promises, and Spin finds each mistake in it.

   python3 tests/model/test_model.py [-DNAME...]   checks one configuration and prints the figures
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

MODEL = Path(__file__).with_name("revocation.pml")
MISTAKES = re.findall(r"(?m)^ \*   ([A-Z_]+)  ", MODEL.read_text().split("mistake that must")[1])
DEPTH_MAX = 100000
MEMORY_MB = 900


def search(*defines, depth=DEPTH_MAX):
    """Builds the checker of the model with these, and returns what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        def run(*command):
            done = subprocess.run(command, cwd=folder, text=True, timeout=300,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}"
            return done.stdout
        run("spin", "-a", *defines, str(MODEL))
        run("cc", "-O1", "-w", "-DSAFETY", "-DNOFAIR", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB}",
            "-o", "pan", "pan.c")
        return run("./pan", f"-m{depth}", "-w22")


def number(pattern, output):
    return int(float(re.search(pattern, output)[1]))


def is_complete(output):
    """Nothing was left out for want of depth, memory or because something was found."""
    return not re.search(r"(?i)not completed|too small|out of memory|aborted", output)


@pytest.mark.parametrize("defines", [["-DLEASE=2"], ["-DLEASE=1", "-DRESTORE"]], ids=" ".join)
def test_promises_are_kept(defines):
    output = search(*defines)
    assert is_complete(output), output
    assert number(r"errors: (\d+)", output) == 0, output
    assert number(r"(\S+) states, stored", output) > 1000000, "that is not the whole model"
    unreached = re.findall(r"revocation\.pml:\d+, state \d+, (.*)", output)
    assert set(unreached) <= {'"-end-"'}, output


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_found(mistake):
    more = ["-DLEASE=1", "-DRESTORE"] if mistake == "NO_EPOCH" else []
    output = search(f"-D{mistake}", *more)
    assert number(r"errors: (\d+)", output) == 1, output
    assert "assertion violated" in output, output


def test_mistakes_are_there():
    assert len(MISTAKES) == 14
    assert all(re.search(rf"(?m)^#(el)?if.*\b{mistake}\b", MODEL.read_text())
               for mistake in MISTAKES)


def test_search_cut_short_is_noticed():
    assert not is_complete(search("-DLEASE=1", depth=100))


if __name__ == "__main__":
    print(search(*sys.argv[1:]))
