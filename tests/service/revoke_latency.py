#!/usr/bin/python3
"""How long a revoke takes until every replica refuses the token, and that none takes it then.

    tests/service/revoke_latency.py [--revocations 500] [--rate 200] [SETUP...]

starts PostgreSQL, Redis, three mintd and HAProxy on loopback, and prints a line for each way in
which replicas hear of a revoke: by their poll alone, by PostgreSQL's NOTIFY, and by Redis as well;
and one for a mintd alone on its embedded registry. Credentials are minted at a constant rate
meanwhile. Tokens that each replica knows are revoked one after the other; right behind each
acknowledgement the token is tried on every replica. The exit code is 1 if one took it, if a replica
was not waited for, if a request of the load failed, or if the p99 of the answers is above 50 ms,
with the embedded registry above 5 ms. A revoke is synced to the disk before it is answered, so
beside each the disk is asked alone, for as much as a revoke writes; what its p99 is above a
millisecond is added to the limit."""

import argparse
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from daemon import MINT, clean_environment, wait_until  # noqa: E402
from fleet import Fleet  # noqa: E402
from revoking import Site  # noqa: E402
from under_load import FleetUnderLoad  # noqa: E402

BATCH = 50  # tokens that are made and used at once
TRIES = 2  # of a revoked token on each replica
SYNC_BYTES, LOG_BYTES = 8 * 4096, 4 * 1024 * 1024  # what a revoke writes, and of SQLite's log
GOOD_DISK_MS = 1  # the p99 of a sync
SETUPS, LIMITS_MS = {}, {}


def setup(limit_ms=None):
    """Declares a setup: a context that gives the address of all replicas, and the replicas; and
    how long an answer may take, where it does not wait for a poll."""
    def declare(function):
        name = function.__name__.replace("_", "-")
        SETUPS[name], LIMITS_MS[name] = contextlib.contextmanager(function), limit_ms
        return function
    return declare


@contextlib.contextmanager
def fleet_of(folder, **settings):
    fleet = FleetUnderLoad(folder, lease_s=30, durable=True, **settings)
    try:
        yield fleet.start()
    finally:
        fleet.end()


@contextlib.contextmanager
def without_notify(postgres):
    """Stops the server's processes that would tell the replicas."""
    def listening():
        return postgres.sql("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN %'").split()

    def signal_all(number):
        for pid in pids:
            os.kill(int(pid), number)
    wait_until(lambda: len(listening()) == 3, "every replica to listen")
    pids = listening()
    signal_all(signal.SIGSTOP)
    yield
    signal_all(signal.SIGCONT)


@setup()
def poll_alone(folder):
    with fleet_of(folder, redis=None) as fleet, without_notify(fleet.postgres):
        yield fleet.address, fleet.replicas


@setup(limit_ms=50)
def notify(folder):
    with fleet_of(folder, redis=None) as fleet:
        yield fleet.address, fleet.replicas


@setup(limit_ms=50)
def notify_and_redis(folder):
    with fleet_of(folder) as fleet:
        yield fleet.address, fleet.replicas


@setup(limit_ms=5)
def embedded(folder):
    fleet = Fleet(folder, 1, workers=1, log_level="info", log_requests="false")
    try:
        [daemon] = fleet.start().replicas
        yield daemon.address, [daemon]
    finally:
        fleet.end()


class Load:
    """mint bench, at a constant rate from beginning to end."""

    def __init__(self, site, address, rate):
        self.process = subprocess.Popen(
            [MINT, "bench", "--project", site.project, "--rate", str(rate), "--duration", "12h",
             "--connections", "8", "--warmup", "0s", "--timeout", "30s", "--format", "json"],
            env=clean_environment(MINT_URL=f"http://{address}", MINT_TOKEN=site.service.token,
                                  MINT_ORG=site.org.name, HOME="/nonexistent"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def end(self):
        """How many credentials were minted, and how many requests failed."""
        self.process.send_signal(signal.SIGINT)
        result = json.loads(self.process.communicate(timeout=60)[0])
        return result["good"], sum(result["errors"].values())


class Disk:
    """The control: as much is written and synced as for a revoke, over and over in one file, as
    SQLite does with its log."""

    def __init__(self, folder):
        self.descriptor = os.open(folder / "control", os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self.descriptor, bytes(LOG_BYTES), 0)
        os.fsync(self.descriptor)
        self.offsets = itertools.cycle(range(0, LOG_BYTES, SYNC_BYTES))

    def sync_ms(self):
        data = os.urandom(SYNC_BYTES)
        begun = time.monotonic()
        os.pwrite(self.descriptor, data, next(self.offsets))
        os.fdatasync(self.descriptor)
        return (time.monotonic() - begun) * 1000

    def close(self):
        os.close(self.descriptor)


@dataclass
class Found:
    """What came of the revokes of a setup."""

    limit_ms: float = None
    answered_ms: list = field(default_factory=list)
    disk_ms: list = field(default_factory=list)
    spread_ms: list = field(default_factory=list)  # from the commit on, until seen by the last
    not_everywhere: int = 0
    taken: int = 0
    minted: int = 0
    failed: int = 0

    @property
    def is_well(self):
        return not (self.taken or self.failed or self.not_everywhere)

    @property
    def allowed_ms(self):
        """The limit of the p99, with this disk."""
        return self.limit_ms + max(0, quantiles(self.disk_ms)[1] - GOOD_DISK_MS)

    @property
    def is_soon(self):
        return self.limit_ms is None or quantiles(self.answered_ms)[1] <= self.allowed_ms


def quantiles(values):
    """p50, p99 and the largest."""
    ordered = sorted(values)
    return [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99, 1)]


def revoke(site, token, disk, found):
    found.disk_ms.append(disk.sync_ms())
    answer = site.revoke(token)
    assert answer.status == 200, answer
    applied = answer.json["applied"]
    found.taken += sum(len(site.who_mints(token)) for _ in range(TRIES))
    found.answered_ms.append(answer.took_s * 1000)
    found.not_everywhere += not applied["everywhere"]
    found.spread_ms.append(applied["milliseconds"])


def measure(name, revocations, rate):
    """What is found in a setup."""
    found = Found(LIMITS_MS[name])
    with tempfile.TemporaryDirectory(prefix="mintd-revoke-") as folder, \
            contextlib.closing(Disk(Path(folder))) as disk, \
            SETUPS[name](Path(folder)) as (address, replicas):
        site = Site(address, replicas)
        load = Load(site, address, rate)
        try:
            for first in range(0, revocations, BATCH):
                for token in site.make_tokens(min(BATCH, revocations - first)):
                    revoke(site, token, disk, found)
        finally:
            found.minted, found.failed = load.end()
    return found


def line_print(name, found):
    print(f"{name:16}{len(found.answered_ms):7}",
          *("{:8.1f}{:7.1f}{:7.1f}".format(*quantiles(times))
            for times in (found.answered_ms, found.disk_ms)),
          "{:6.0f}{:6.0f}{:6.0f}".format(*quantiles(found.spread_ms)),
          f"{found.taken:7}  {found.minted:7} {found.failed:6}", sep="", flush=True)
    if not found.is_well:
        print("    WRONG: a token was taken, a replica not waited for, or a request failed")
    if not found.is_soon:
        print(f"    WRONG: a p99 of {found.allowed_ms:.1f} ms is allowed")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("setups", nargs="*", metavar="SETUP", help=f"of {', '.join(SETUPS)}; all")
    parser.add_argument("--revocations", type=int, default=500)
    parser.add_argument("--rate", type=int, default=200, help="credentials a second meanwhile")
    given = parser.parse_args()
    unknown = set(given.setups) - set(SETUPS)
    if unknown:
        parser.error(f"there is no setup {', '.join(unknown)}")
    print(f"{'':16}{'':7}  {'answered after, ms':^20}  {'the disk alone, ms':^20}"
          f"  {'last replica, ms':^16}  {'taken':>5}  {'load':>14}\n"
          f"{'':16}revokes" + f"  {'p50':>6}{'p99':>7}{'max':>7}" * 2 +
          f"  {'p50':>4}{'p99':>6}{'max':>6}  after  {'minted':>7} failed")
    failed = 0
    for name in given.setups or SETUPS:
        found = measure(name, given.revocations, given.rate)
        failed += not (found.is_well and found.is_soon)
        line_print(name, found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
