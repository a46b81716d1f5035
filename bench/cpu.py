"""What a process has cost."""

import contextlib
import os
import subprocess
from pathlib import Path


def cpu_seconds(pid):
    """Of the process and all that it started."""
    pids, seconds = [pid], 0
    for one in pids:
        pids += map(int, subprocess.run(["pgrep", "-P", str(one)], capture_output=True, text=True,
                                        check=False).stdout.split())
        with contextlib.suppress(FileNotFoundError):  # it has ended
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(") ", 1)[1].split()
            seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds
