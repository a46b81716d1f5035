"""The real mintd, started and ended by the tests, each one in a folder of its own."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "build"
MINTD = Path(os.environ.get("MINTD", BUILD / "mintd"))
MINT = Path(os.environ.get("MINT", BUILD / "mint"))

ISSUER = "https://mint.test"
# A sanitizer build is slow to start; nothing here waits longer for anything.
PATIENCE_S = 30

SANITIZER = re.compile(r"(Address|Leak|Thread)Sanitizer|runtime error:|check failed")
SECRET = re.compile(r"[a-z0-9]+_(?:svc|opr)_[0-9a-zA-Z]{60}|eyJ[\w-]+\.[\w-]+\.[\w-]{20}")


def wait_until(condition, what, patience_s=PATIENCE_S):
    """Polls until `condition()` is true and returns what it gave."""
    deadline = time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {patience_s} s in vain for {what}"
        time.sleep(0.005)
    return value


def clean_environment(**extra):
    """The environment without settings of mintd and mint, and with sanitizers that stop."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("MINTD_", "MINT_"))}
    kept.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    return {**kept, **extra}


def flags_of(settings):
    """{"header_timeout": "1s"} as --header-timeout 1s; None leaves a flag out."""
    return [word for name, value in settings.items() if value is not None
            for word in (f"--{name.replace('_', '-')}", str(value))]


def run_mintd(*arguments, env=None, timeout=PATIENCE_S):
    """Runs a mintd that is to end by itself."""
    return subprocess.run([MINTD, *map(str, arguments)], env=clean_environment(**(env or {})),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, check=False)


def log_findings(log):
    """What may stand in no log: sanitizer reports, failed checks, secrets, other than JSON."""
    found = [line for line in log.splitlines() if SANITIZER.search(line) or SECRET.search(line)]
    for line in log.splitlines():
        try:
            assert isinstance(json.loads(line), dict)
        except (ValueError, AssertionError):
            found.append(f"no JSON object: {line!r}")
    return found


class Daemon:
    """One `mintd serve` and its data; `restart` keeps the data."""

    # Gives the URL of a new registry, for those that say nothing of theirs; None: in their folder.
    new_registry = None

    def __init__(self, folder, **settings):
        if Daemon.new_registry and "registry" not in settings:
            settings["registry"] = Daemon.new_registry()
        self.folder = Path(folder)
        self.settings = {"data_dir": self.folder / "data", "listen": "127.0.0.1:0",
                         "ops_listen": "127.0.0.1:0", "operator_token_file": self.folder / "token",
                         "issuer": ISSUER, "workers": 2, "log_format": "json",
                         "log_level": "debug", "connections": 1000,
                         "idle_timeout": "10m", **settings}
        self.process = None
        self.ready = None
        self.starts = 0

    @property
    def data(self):
        return Path(self.settings["data_dir"])

    @property
    def store_flags(self):
        """What tells a command where the daemon's data is."""
        return flags_of({"data_dir": self.data, "registry": self.settings.get("registry")})

    @property
    def operator_token(self):
        return Path(self.settings["operator_token_file"]).read_text(encoding="ascii").strip()

    @property
    def address(self):
        return self.ready["listen"]

    @property
    def ops(self):
        return self.ready["ops"]

    @property
    def log_path(self):
        return self.folder / f"log.{self.starts}"

    @property
    def log(self):
        """What this start of the daemon wrote to its standard error so far."""
        return self.log_path.read_text(encoding="utf-8")

    def log_lines(self, word, count=1):
        """Waits for so many lines with the word; they are written a little later than the reply."""
        def lines():
            found = [line for line in self.log.splitlines() if word in line]
            return found if len(found) >= count else None
        return wait_until(lines, f"{count} lines of the log with {word}")

    def start(self, env=None):
        assert self.process is None
        self.starts += 1
        self.folder.mkdir(exist_ok=True)
        ready_file = self.folder / "ready"
        ready_file.unlink(missing_ok=True)
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [MINTD, "serve", "--init", "--ready-file", ready_file, *flags_of(self.settings)],
                env=clean_environment(**(env or {})), cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        wait_until(lambda: ready_file.exists() or self.process.poll() is not None, "mintd to serve")
        if not ready_file.exists():
            self.process = None
            raise AssertionError(f"mintd did not start:\n{self.log}")
        self.ready = json.loads(ready_file.read_text(encoding="utf-8"))
        assert self.ready["pid"] == self.process.pid
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, patience_s=PATIENCE_S):
        """Waits for the end of a daemon that was told to end; it must be a clean one."""
        status = self.process.wait(patience_s)
        self.process = None
        assert status == 0, f"mintd ended with {status}:\n{self.log[-3000:]}"
        self.check_log()

    def stop(self):
        if self.process:
            self.signal(signal.SIGTERM)
            self.wait()

    def kill(self):
        """As a power cut would for the process: no goodbye."""
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def check_log(self):
        found = log_findings(self.log)
        assert not found, "in the log: " + "\n".join(found[:20])

    def end(self):
        """For fixtures: stops it if it runs, and leaves no process behind whatever happens."""
        try:
            self.stop()
        finally:
            if self.process:
                self.kill()
