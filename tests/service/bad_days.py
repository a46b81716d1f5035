#!/usr/bin/python3
"""Bad days of a fleet, each under load: what failed, and whether a revoked token was accepted.

    tests/service/bad_days.py [--seconds 4] [DAY...]

starts PostgreSQL, Redis, three mintd and HAProxy on loopback, and prints a line a day. The exit
code is 1 if anything was wrong: a revoked token accepted after the acknowledgement, or later than
lease and margin after its commit; a good token told 401; or a failure on a day that must have
none."""

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import outages  # noqa: E402
from daemon import wait_until  # noqa: E402
from under_load import FleetUnderLoad, Load  # noqa: E402

DAYS = {}


def day(fails=()):
    """Declares a bad day: a context in which it lasts. `fails`: the statuses that may come of it;
    for requests with known tokens none else."""
    def declare(function):
        name = function.__name__.replace("_", "-")
        DAYS[name] = (contextlib.contextmanager(function), frozenset(fails))
        return function
    return declare


@day()
def a_good_day(_fleet, _seconds):
    yield


@day()
def redis_killed(fleet, _seconds):
    fleet.redis.end()
    yield
    fleet.redis.start()


@day()
def redis_paused(fleet, _seconds):
    fleet.redis.signal(signal.SIGSTOP)
    yield
    fleet.redis.signal(signal.SIGCONT)


@contextlib.contextmanager
def repeated(action, every_s):
    """The action again and again, in a thread."""
    stop = threading.Event()

    def run():
        while not stop.wait(every_s):
            action()
    thread = threading.Thread(target=run)
    thread.start()
    yield
    stop.set()
    thread.join()


@day()
def redis_flushed(fleet, _seconds):
    with repeated(lambda: fleet.redis.cli("FLUSHALL"), 0.1):
        yield


def overwrite(fleet, value_of):
    keys = fleet.redis.cli("KEYS", "*").split()
    for i, key in enumerate(keys):
        fleet.redis.cli("-x", "SET", key, text=value_of(keys, i))


@day()
def redis_garbage(fleet, _seconds):
    with repeated(lambda: overwrite(fleet, lambda _keys, i: "garbage" * (i % 50)), 0.1):
        yield


SWAP = """
local keys = redis.call('KEYS', '*')
local values = {}
for i, key in ipairs(keys) do values[i] = redis.call('GET', key) end
for i, key in ipairs(keys) do redis.call('SET', key, values[i % #keys + 1]) end
"""


@day()
def redis_entries_swapped(fleet, _seconds):
    """Each key holds what was sealed for another one."""
    with repeated(lambda: fleet.redis.cli("EVAL", SWAP, 0), 0.1):
        yield


@day()
def redis_entries_of_yesterday(fleet, _seconds):
    """Entries that were true are put back again and again."""
    kept = {}

    def replay():
        for key in fleet.redis.cli("KEYS", "*").split():
            value = fleet.redis.cli("--no-raw", "DUMP", key)
            kept.setdefault(key, value)
        for key, value in kept.items():
            fleet.redis.cli(text=f"RESTORE {key} 0 {value} REPLACE\n")
    with repeated(replay, 0.05):
        yield


@day()
def redis_restarted_empty(fleet, seconds):
    for _ in range(max(2, int(seconds))):
        fleet.redis.end()
        fleet.redis.start()
        time.sleep(0.5)
    yield


@day()
def redis_full(fleet, _seconds):
    fleet.redis.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
    fleet.redis.cli("CONFIG", "SET", "maxmemory", "1")
    yield
    fleet.redis.cli("CONFIG", "SET", "maxmemory", "0")


@day()
def redis_slow(fleet, _seconds):
    """Each answer comes 200 ms late."""
    with repeated(lambda: fleet.redis.cli("CLIENT", "PAUSE", "200", "ALL"), 0.01):
        yield


@day()
def registry_killed(fleet, _seconds):
    fleet.postgres.stop()
    yield
    fleet.postgres.start()


@day()
def registry_paused(fleet, _seconds):
    fleet.postgres.signal_all(signal.SIGSTOP)
    yield
    fleet.postgres.signal_all(signal.SIGCONT)


@day()
def registry_out_of_connections(fleet, _seconds):
    """All connections are cut, and others have taken every place."""
    program = ["psql", "-h", str(fleet.postgres.folder), "-p", str(fleet.postgres.port),
               "-U", "mint", "-d", "postgres", "-c"]
    hogs = [subprocess.Popen([*program, "SELECT pg_sleep(600)"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL) for _ in range(45)]
    time.sleep(0.3)
    with contextlib.suppress(AssertionError):
        fleet.postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                           " WHERE datname LIKE 'mint%'")
    yield
    for hog in hogs:
        hog.send_signal(signal.SIGINT)  # psql cancels: a server that sleeps sees no client go
        hog.wait(10)


# HAProxy closes a client's connection when the one to the replica dies that it had used before.
CUT = ("RemoteDisconnected", "ConnectionResetError")


@day(fails=CUT)
def replica_killed(fleet, _seconds):
    daemon = fleet.replicas[1]
    daemon.kill()
    yield
    fleet.start_replica(daemon)


@day(fails=(502, 503, 504))
def replica_paused(fleet, seconds):
    """For longer than the lease; what it had taken on waits, and HAProxy gives up on some."""
    daemon = fleet.replicas[1]
    daemon.signal(signal.SIGSTOP)
    time.sleep(max(0, fleet.lease_s + 1 - seconds))
    yield
    daemon.signal(signal.SIGCONT)


@day(fails=CUT)
def redis_and_a_replica_killed(fleet, _seconds):
    fleet.redis.end()
    fleet.replicas[2].kill()
    yield
    fleet.redis.start()
    fleet.start_replica(fleet.replicas[2])


def faketime():
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return str(found[0]) if found else None


@day(fails=CUT)
def clocks_apart(fleet, _seconds):
    """One replica is a minute ahead, one a minute behind."""
    for daemon, offset in ((fleet.replicas[0], "+60s"), (fleet.replicas[2], "-60s")):
        daemon.kill()
        fleet.start_replica(daemon, LD_PRELOAD=faketime(), FAKETIME=offset,
                            FAKETIME_DONT_FAKE_MONOTONIC="1")
    time.sleep(fleet.lease_s + fleet.margin_s)  # nobody waits for the killed any more
    yield
    for daemon in (fleet.replicas[0], fleet.replicas[2]):
        daemon.kill()
        fleet.start_replica(daemon)


def wrong_of(name, findings, fleet):
    """What must not have been, as a list of sentences."""
    allowed = DAYS[name][1]
    bound_s = fleet.lease_s + fleet.margin_s + 0.1
    found = []
    if findings.after_acknowledgement_s:
        found.append("a revoked token was accepted after the acknowledgement")
    if findings.after_commit_s > bound_s:
        found.append("a revoked token was accepted for too long")
    if findings.good_refused:
        found.append("a good token was told 401")
    bad = {code: count for code, count in findings.failed.items() if code not in allowed}
    if bad:
        found.append(f"requests failed: {bad}")
    if findings.new_failed and 503 not in allowed and not name.startswith("registry"):
        found.append("new tokens were told 503, though the registry was there")
    return found


def live(name, fleet, load, seconds):
    """Lives through the day; gives what was found."""
    lasts, _ = DAYS[name]
    load.take_findings()
    time.sleep(0.5)
    with lasts(fleet, seconds):
        time.sleep(seconds)
    wait_until(fleet.is_well, "the fleet to be well again")
    time.sleep(1.5)
    return load.take_findings()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("days", nargs="*", metavar="DAY", help=f"of {', '.join(DAYS)}; all")
    parser.add_argument("--seconds", type=float, default=4, help="how long each lasts")
    parser.add_argument("--lease", type=int, default=6, help="of the replicas, in seconds")
    parser.add_argument("--scorecard", action="store_true",
                        help="instead: outages of Redis and the registry, with their figures")
    parser.add_argument("--load", type=float, default=0.25, metavar="PART",
                        help="of the capacity, with --scorecard: 0.5 where nothing else runs")
    given = parser.parse_args()
    unknown = set(given.days) - set(DAYS)
    if unknown:
        parser.error(f"there is no day {', '.join(unknown)}")
    days = given.days or [name for name in DAYS if name != "clocks-apart" or faketime()]
    if not faketime() and not given.days:
        print("clocks-apart is left out: there is no libfaketime (package faketime)")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="mintd-bad-days-") as folder:
        if given.scorecard:
            return 1 if outages.scorecard(folder, given.load) else 0
        fleet = FleetUnderLoad(folder, lease_s=given.lease)
        try:
            fleet.start()
            with Load(fleet) as load:
                for name in days:
                    findings = live(name, fleet, load, given.seconds)
                    wrong = wrong_of(name, findings, fleet)
                    failed += bool(wrong)
                    print(f"{name:28} {findings}", *(f"\n    WRONG: {what}" for what in wrong),
                          flush=True)
        finally:
            fleet.end()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
