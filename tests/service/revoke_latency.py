#!/usr/bin/python3
"""How long a revoke takes until every replica refuses the token, and that none takes it then.

    tests/service/revoke_latency.py [--revocations 500] [--rate 200] [SETUP...]

starts PostgreSQL, Redis, three mintd and HAProxy on loopback, and prints a line for each way in
which replicas hear of a revoke: by their poll alone, by PostgreSQL's NOTIFY, and by Redis as well;
and one for a mintd alone on its embedded registry. Credentials are minted at a constant rate
meanwhile. Tokens that each replica knows are revoked one after the other; right behind each
acknowledgement the token is tried on every replica. The exit code is 1 if one took it, if a replica
was not waited for, or if a request of the load failed."""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from daemon import MINT, clean_environment, wait_until  # noqa: E402
from fleet import Fleet  # noqa: E402
from revoking import Site  # noqa: E402
from under_load import FleetUnderLoad  # noqa: E402

BATCH = 50  # tokens that are made and used at once
TRIES = 2  # of a revoked token on each replica
SETUPS = {}


def setup(function):
    """Declares a setup: a context that gives the address of all replicas, and the replicas."""
    SETUPS[function.__name__.replace("_", "-")] = contextlib.contextmanager(function)
    return function


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


@setup
def poll_alone(folder):
    with fleet_of(folder, redis=None) as fleet, without_notify(fleet.postgres):
        yield fleet.address, fleet.replicas


@setup
def notify(folder):
    with fleet_of(folder, redis=None) as fleet:
        yield fleet.address, fleet.replicas


@setup
def notify_and_redis(folder):
    with fleet_of(folder) as fleet:
        yield fleet.address, fleet.replicas


@setup
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


@dataclass
class Found:
    """What came of the revokes of a setup."""

    answered_ms: list = field(default_factory=list)
    spread_ms: list = field(default_factory=list)  # from the commit on, until seen by the last
    not_everywhere: int = 0
    taken: int = 0
    minted: int = 0
    failed: int = 0

    @property
    def is_well(self):
        return not (self.taken or self.failed or self.not_everywhere)


def quantiles(values):
    """p50, p99 and the largest."""
    ordered = sorted(values)
    return [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99, 1)]


def revoke(site, token, found):
    answer = site.revoke(token)
    assert answer.status == 200, answer
    applied = answer.json["applied"]
    found.taken += sum(len(site.who_mints(token)) for _ in range(TRIES))
    found.answered_ms.append(answer.took_s * 1000)
    found.not_everywhere += not applied["everywhere"]
    found.spread_ms.append(applied["milliseconds"])


def measure(name, revocations, rate):
    """What is found in a setup."""
    found = Found()
    with tempfile.TemporaryDirectory(prefix="mintd-revoke-") as folder, \
            SETUPS[name](Path(folder)) as (address, replicas):
        site = Site(address, replicas)
        load = Load(site, address, rate)
        try:
            for first in range(0, revocations, BATCH):
                for token in site.make_tokens(min(BATCH, revocations - first)):
                    revoke(site, token, found)
        finally:
            found.minted, found.failed = load.end()
    return found


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
    print(f"{'':18}  {'revokes':>7}  {'answered after, ms':^24}  {'on the last replica, ms':^23}"
          f"  {'taken':>5}  {'load':>15}\n{'':18}  {'':7}  {'p50':>8}{'p99':>8}{'max':>8}"
          f"  {'p50':>7}{'p99':>8}{'max':>8}  {'after':>5}  {'minted':>8} failed")
    failed = 0
    for name in given.setups or SETUPS:
        found = measure(name, given.revocations, given.rate)
        failed += not found.is_well
        print(f"{name:18}  {len(found.answered_ms):7}  ",
              *(f"{value:8.1f}" for value in quantiles(found.answered_ms)), "  ",
              *(f"{value:7.0f} " for value in quantiles(found.spread_ms)),
              f" {found.taken:5}  {found.minted:8} {found.failed:6}", sep="", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
