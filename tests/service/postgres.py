"""Real PostgreSQL servers, each in a folder of its own, reached by a socket there."""

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PATIENCE_S = 30

numbers = itertools.count(1)


def program(name):
    """Debian keeps the server's programs off the path, one folder a version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")) or [shutil.which(name)]
    assert found[-1], f"there is no {name}: deps/install --tests brings it"
    return str(found[-1])


def as_server(command):
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """One server. Settings are those of postgresql.conf: Postgres(max_connections=5)."""

    def __init__(self, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="mintd-postgres-", dir="/tmp"))
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.data = self.folder / "data"
        self.port = free_port()
        self.settings = {"fsync": "off", "listen_addresses": "127.0.0.1", "port": self.port,
                         "unix_socket_directories": self.folder, "shared_buffers": "16MB",
                         "autovacuum": "off", "max_wal_size": "64MB", "wal_keep_size": "64MB",
                         **settings}
        self.process = None

    def run(self, *command):
        ran = subprocess.run(as_server(list(map(str, command))), capture_output=True, text=True,
                             timeout=PATIENCE_S, check=False, cwd="/")
        assert ran.returncode == 0, (command, ran.stdout, ran.stderr)
        return ran.stdout

    def create(self):
        self.run(program("initdb"), "-D", self.data, "-U", "mint", "-A", "trust", "-E", "UTF8",
                 "--locale=C", "--no-sync", "--no-instructions")
        return self.start()

    def start(self):
        assert self.process is None
        flags = [word for name, value in self.settings.items()
                 for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                as_server([program("postgres"), "-D", str(self.data), *flags]), cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + PATIENCE_S
        while not self.is_ready():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return self

    def is_ready(self):
        command = [program("pg_isready"), "-q", "-h", self.folder, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    @property
    def log(self):
        return (self.folder / "log").read_text(encoding="utf-8")[-3000:]

    def stop(self, how=signal.SIGQUIT):
        """SIGQUIT is pg_ctl's immediate: no goodbye; SIGINT its fast."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait(PATIENCE_S)
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def signal_all(self, number):
        """To the server and all that it started: SIGSTOP pauses it whole."""
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True,
                                  text=True, check=False).stdout.split()
        for pid in [self.process.pid, *map(int, children)]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def sql(self, statement, database="postgres"):
        """The rows as text, a line each, columns apart by |."""
        return self.run(program("psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p",
                        self.port, "-U", "mint", "-d", database, "-c", statement).strip()

    def database(self):
        """A new one's URL."""
        name = f"mint{next(numbers)}"
        self.sql(f"CREATE DATABASE {name} STRATEGY file_copy")
        return self.url(name)

    def url(self, name):
        return f"postgresql://mint@127.0.0.1:{self.port}/{name}"

    def standby(self, **settings):
        """Another server that follows this one."""
        other = Postgres(**settings)
        self.run(program("pg_basebackup"), "-h", self.folder, "-p", self.port, "-U", "mint", "-D",
                 other.data, "-R", "--no-sync", "-c", "fast", "-X", "stream")
        return other.start()
