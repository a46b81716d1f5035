"""The documents say what the programs do: those made from tables, and the page that users know."""

import pathlib
import re
import subprocess

import pytest

from api import unpack
from daemon import MINT, clean_environment, run_mintd

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page, command", [
    ("SETTINGS.md", ["config", "--markdown"]), ("PERMISSIONS.md", ["roles"])])
def test_page_is_what_mintd_prints(page, command):
    assert (ROOT / "deploy" / page).read_text(encoding="utf-8") == run_mintd(*command).stdout


# ---- Rill's page on service tokens, typed from its first example to its last

EXAMPLES = ROOT / "tests" / "data" / "service_tokens.console"

SERVICE_TOKEN = re.compile(r"rill_svc_[0-9a-zA-Z]{60}")
JWT = re.compile(r"eyJ[\w-]+\.([\w-]+)\.[\w-]{86}")
MASKS = [(SERVICE_TOKEN, "rill_svc_[TOKEN_HERE]"), (JWT, "[JWT]"),
         (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "[ID]"),
         (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ \(\d+s ago\)"), "[TIME]")]


def is_unfinished(command):
    return command.endswith("\\\n") or command.count("'") % 2


def read_examples():
    """[mark, command, output] of each command in the file."""
    steps = []
    for line in EXAMPLES.read_text(encoding="utf-8").splitlines(keepends=True):
        if steps and is_unfinished(steps[-1][1]):
            steps[-1][1] += line
        elif line.startswith(("> ", "$ ", "= ")):
            steps.append([line[0], line[2:], ""])
        elif steps and not line.startswith("#"):
            steps[-1][2] += line
    return steps


class Reader:
    """Types the examples as they are; only what stands in <> is filled in, and the host."""

    def __init__(self, daemon, folder):
        (folder / "rill").symlink_to(MINT.resolve())
        environment = clean_environment(
            MINT_URL=f"http://{daemon.address}", MINT_TOKEN=daemon.operator_token,
            MINT_ORG="my-org", HOME="/nonexistent")
        self.environment = {**environment, "PATH": f"{folder}:{environment['PATH']}"}
        self.filled = {"https://api.rilldata.com": f"http://{daemon.address}",
                       "<org-name>": "my-org", "<project-name>": "my-project"}

    def type(self, command):
        for placeholder, value in self.filled.items():
            command = command.replace(placeholder, value)
        ran = subprocess.run(["bash", "-c", command], env=self.environment, capture_output=True,
                             text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
        assert ran.returncode == 0, (command, ran)
        for token in SERVICE_TOKEN.findall(ran.stdout):
            self.filled["<service-token>"] = token
        return ran.stdout


def readable(output):
    """What is new in each run masked, and the attributes of a credential told."""
    for payload in JWT.findall(output):
        [attributes] = re.findall(r'"attr":(\{[^}]*\})', unpack(payload).decode("utf-8"))
        output += f"\nattr {attributes}\n"
    for pattern, mask in MASKS:
        output = pattern.sub(mask, output)
    return output.rstrip("\n")


def test_examples_of_the_page_work_as_printed(make_daemon, tmp_path):
    reader = Reader(make_daemon(brand="rill"), tmp_path)
    examples = read_examples()
    assert [mark for mark, _, _ in examples].count("$") == 15
    for mark, command, expected in examples:
        output = readable(reader.type(command))
        assert mark == ">" or output == expected.rstrip("\n"), command
