"""Several mintd on one registry."""

from daemon import Daemon


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
