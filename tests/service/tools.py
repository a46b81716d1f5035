"""Programs of others that the tests run, and a place for what those install."""

import fcntl
import json
import subprocess
from contextlib import contextmanager

from daemon import MINTD


@contextmanager
def cache_folder(name):
    """A folder beside the programs where what it needs is kept; one at a time."""
    folder = MINTD.resolve().parent / "tools" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def run(command, questions=None, **options):
    ran = subprocess.run(command, input=questions and json.dumps(questions), text=True,
                         capture_output=True, timeout=180, check=False, **options)
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    return ran.stdout
