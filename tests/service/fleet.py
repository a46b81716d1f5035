"""Several mintd on one registry, and one of them that hangs."""

import contextlib
import signal
import sqlite3
import time
from pathlib import Path

from daemon import Daemon, wait_until


class Fleet:
    """So many replicas; the first one makes the registry. `registry`: another URL than that of a
    SQLite file which they share."""

    def __init__(self, folder, count, registry=None, **settings):
        first = folder / "replica-0" / "data"
        shared = {"registry": registry or f"sqlite:{first}/registry.db",
                  "master_key_file": first / "master.key", **settings}
        self.replicas = [Daemon(folder / f"replica-{number}", **shared) for number in range(count)]

    def start(self):
        for replica in self.replicas:
            replica.start()
        return self

    def end(self):
        for replica in self.replicas:
            replica.end()


def is_at_rest(process):
    """Whether no thread of it runs any more; the signal comes to each at a time of its own."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/stat")
    return all(thread.read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "T"
               for thread in threads)


def is_writable(path):
    """Whether the others can change something: nobody keeps the lock of the registry's file."""
    with contextlib.closing(sqlite3.connect(path, timeout=0.3, isolation_level=None)) as registry:
        try:
            registry.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True


def hang(replica):
    """Stops a replica on SQLite wherever it stands, but in no change of its own: the lock of a file
    is taken from nobody, as that of PostgreSQL is (test_postgres.py), so all would hang with it."""
    registry = replica.settings["registry"].removeprefix("sqlite:")
    for _ in range(100):
        replica.signal(signal.SIGSTOP)
        wait_until(lambda: is_at_rest(replica.process), "the replica to stop")
        if is_writable(registry):
            return
        replica.signal(signal.SIGCONT)
        time.sleep(0.3)
    raise AssertionError("the replica is always in a change")
