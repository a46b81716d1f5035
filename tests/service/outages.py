"""Outages of Redis and of the registry under a constant load, each judged by a figure that must
hold; tests/service/bad_days.py --scorecard prints them."""

import contextlib
import http.client
import json
import signal
import statistics
import subprocess
import threading
import time
from pathlib import Path

from api import Client, Org, credentials_path, metric
from daemon import MINT, Daemon, clean_environment, wait_until
from postgres import Postgres
from under_load import Redis, Threads

TOKENS = 64
CACHE_ENTRIES = 16  # so that most of the tokens are looked up each time
WARM_PERCENT = 80  # of the load is one token's, which stays in the process
REDIS_MS, REST_AFTER = 20, 3  # --redis-timeout, and so many late answers open the breaker
QUEUE_MAX = 64


class Stage:
    """PostgreSQL, Redis and one mintd with one worker, and services whose rate limits are counted
    in Redis, but never reached."""

    def __init__(self, folder, lease_s, **settings):
        self.folder, self.lease_s = Path(folder), lease_s
        self.folder.mkdir()
        self.postgres, self.redis = Postgres(), Redis(self.folder)
        self.settings = {"workers": 1, "log_requests": "false", "log_level": "info",
                         "lease": f"{lease_s}s", "cache_entries": CACHE_ENTRIES,
                         "registry_queue": QUEUE_MAX, "redis_timeout": f"{REDIS_MS}ms",
                         "redis": f"unix:{self.redis.socket}", **settings}
        self.daemon = None

    def __enter__(self):
        self.postgres.create()
        self.redis.start()
        self.daemon = Daemon(self.folder / "mintd", registry=self.postgres.database(),
                             **self.settings).start()
        operator = Client(self.daemon.address, self.daemon.operator_token)
        self.org = Org(operator)
        self.project = self.org.project()["name"]
        self.path = credentials_path(self.org.name, self.project)
        limit = {"rateLimit": {"perSecond": 1000000, "burst": 1000000}}
        self.services = [self.org.service("issuer", policy=limit) for _ in range(TOKENS)]
        tokens = "".join(f"{service.token}\n" for service in self.services)
        (self.folder / "tokens").write_text(tokens, encoding="ascii")
        wait_until(lambda: metric(self.daemon, "mintd_redis_connections") == 1, "Redis")
        return self

    def __exit__(self, *_):
        for end in (self.daemon.end, self.redis.end, self.postgres.remove):
            with contextlib.suppress(OSError):
                end()

    def load(self, seconds, *flags, warm=WARM_PERCENT):
        """`mint bench` with the tokens, under way."""
        return subprocess.Popen(
            [MINT, "bench", "--url", f"http://{self.daemon.address}", "--org", self.org.name,
             "--project", self.project, "--tokens", self.folder / "tokens", "--warm", str(warm),
             "--duration", f"{seconds}s", "--warmup", "0s", "--verify", "0", "--connections", "8",
             "--format", "json", *map(str, flags)],
            env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)

    def rate(self, part, **kwargs):
        """That part of what it can do at the most while Redis is away, a second."""
        self.redis.end()
        with self.load(3, **kwargs) as load:
            rate = int(json.loads(load.stdout.read())["goodPerSecond"] * part)
        self.redis.start()
        wait_until(lambda: metric(self.daemon, "mintd_redis_connections") == 1, "Redis")
        return rate

    def status_of(self, token):
        connection = http.client.HTTPConnection(self.daemon.address, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", self.path, b"", {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def unknown_token(self):
        """One that is good, and was never looked up."""
        return self.services[0].issue_token()["token"]


def failed_of(result):
    return sum(result["errors"].values())


def p99s_of(result):
    return [second["p99Microseconds"] / 1000 for second in result["overTime"]]


def maxima_of(result):
    return [second["maxMicroseconds"] / 1000 for second in result["overTime"]]


def redis_restarts(folder, part, rounds=20):
    """13: Redis is killed and restarted again and again."""
    with Stage(folder, lease_s=30) as stage:
        rate = stage.rate(part)
        begun = metric(stage.daemon, "mintd_credentials_total")
        with stage.load(2 * rounds + 1, "--rate", rate) as load:
            wait_until(lambda: metric(stage.daemon, "mintd_credentials_total") > begun, "the load")
            start = time.monotonic()
            for number in range(rounds):
                time.sleep(max(0.0, start + 1 + 2 * number - time.monotonic()))
                stage.redis.end()
                stage.redis.start()
            result = json.loads(load.stdout.read())
    p99s = p99s_of(result)
    quiet, after = statistics.median(p99s[0::2]), statistics.median(p99s[1::2])
    yield (failed_of(result) == 0 and after <= 3 * quiet,
           f"13 Redis killed and restarted x {rounds} at {rate}/s: {failed_of(result)} of "
           f"{result['due']} failed; p99 of the second after {after:.2f} ms, else {quiet:.2f} ms "
           f"({after / quiet:.2f} x; medians)")


def redis_silent(folder, part, seconds=30):
    """14: Redis holds its connections and answers nothing."""
    with Stage(folder, lease_s=30) as stage:
        rate = stage.rate(part)
        with stage.load(5, "--rate", rate) as load:
            quiet = json.loads(load.stdout.read())
        before = metric(stage.daemon, "mintd_shared_failed_total")
        with stage.load(seconds + 1, "--rate", rate) as load:
            time.sleep(0.5)
            stage.redis.signal(signal.SIGSTOP)
            start = time.monotonic()
            wait_until(lambda: metric(stage.daemon, "mintd_redis_resting") == 1, "the breaker", 10)
            opened = (time.monotonic() - start) * 1000
            asked = metric(stage.daemon, "mintd_shared_failed_total")
            time.sleep(max(0.0, start + seconds - time.monotonic()))
            later = metric(stage.daemon, "mintd_shared_failed_total")
            stage.redis.signal(signal.SIGCONT)
            result = json.loads(load.stdout.read())
    before_ms, slowest_ms = max(maxima_of(quiet)), max(maxima_of(result)[:2])
    rest = statistics.median(p99s_of(result)[2:]) / statistics.median(p99s_of(quiet))
    allowed = REST_AFTER * REDIS_MS
    yield (failed_of(result) == 0 and slowest_ms <= before_ms + allowed + REDIS_MS and
           later == asked,
           f"14 Redis silent for {seconds} s at {rate}/s: {failed_of(result)} of {result['due']} "
           f"failed; around its start the slowest took {slowest_ms:.1f} ms, before that "
           f"{before_ms:.1f} ms (at most {allowed} ms more); the breaker opened within "
           f"{opened:.0f} ms, after {asked - before:.0f} questions in vain, and "
           f"{later - asked:.0f} came after it; p99 of the time after {rest:.2f} x")


def registry_down(folder, part, lease_s=10):
    """16: PostgreSQL is stopped for most of a lease, then for longer."""
    with Stage(folder, lease_s, cache_entries=1000) as stage:
        rate = stage.rate(part, warm=100)
        unknown = [stage.unknown_token() for _ in range(3)]
        assert stage.status_of(stage.services[0].token) == 200
        statuses = []
        stage.postgres.stop()
        start = time.monotonic()
        with stage.load(int(0.8 * lease_s), "--rate", rate, warm=100) as load:
            time.sleep(1)
            statuses += [stage.status_of(token) for token in unknown]
            result = json.loads(load.stdout.read())
        time.sleep(max(0.0, start + 1.1 * lease_s - time.monotonic()))
        late = stage.status_of(stage.services[0].token)
        stage.postgres.start()
        wait_until(lambda: stage.status_of(unknown[0]) == 200, "mintd to mint again")
    yield (failed_of(result) == 0 and set(statuses) == {503} and late == 503,
           f"16 registry down for {0.8 * lease_s:.0f} s of a lease of {lease_s} s at {rate}/s: "
           f"{failed_of(result)} of {result['due']} failed for a cached token; new tokens were "
           f"told {sorted(set(statuses))}; after the lease the cached one {late}")


class Strangers(Threads):
    """New tokens that keep asking, so that look-ups wait for the registry; and how many at most."""

    def __init__(self, stage, threads=100):
        super().__init__()
        self.stage, self.most, self.statuses = stage, 0, set()
        tokens = [stage.unknown_token() for _ in range(threads)]
        self.threads = [threading.Thread(target=self.ask, args=(token,)) for token in tokens]
        self.threads.append(threading.Thread(target=self.watch))

    def ask(self, token):
        while not self.stopping.wait(0.5):
            self.statuses.add(self.stage.status_of(token))

    def watch(self):
        while not self.stopping.wait(0.2):
            self.most = max(self.most, metric(self.stage.daemon, "mintd_registry_queued"))


def registry_hung(folder, part, seconds=10, tries=3):
    """17: PostgreSQL takes connections and answers nothing. It is so in turns, and what other
    programs on the machine do only adds: the lower quartile of the seconds' p99 counts."""
    quiet_ms, hung_ms, failed = [], [], 0
    with Stage(folder, lease_s=30, cache_entries=1000, registry_timeout="1s") as stage:
        rate, operator = stage.rate(part, warm=100), stage.org.operator
        for _ in range(tries):
            with stage.load(seconds, "--rate", rate, warm=100) as load:
                quiet = json.loads(load.stdout.read())
            stage.postgres.signal_all(signal.SIGSTOP)
            with stage.load(seconds, "--rate", rate, warm=100) as load:
                hung = json.loads(load.stdout.read())
            stage.postgres.signal_all(signal.SIGCONT)
            wait_until(lambda: operator.get(stage.org.path).status == 200, "the registry")
            failed += failed_of(hung)
            quiet_ms += p99s_of(quiet)
            hung_ms += p99s_of(hung)
        strangers = Strangers(stage)
        stage.postgres.signal_all(signal.SIGSTOP)
        with strangers, stage.load(seconds, "--rate", rate, warm=100) as load:
            crowded = json.loads(load.stdout.read())
        stage.postgres.signal_all(signal.SIGCONT)
        failed += failed_of(crowded)
        wait_until(lambda: stage.status_of(stage.services[0].token) == 200, "mintd to mint")
    before, after = (statistics.quantiles(seen, n=4)[0] for seen in (quiet_ms, hung_ms))
    yield (failed == 0 and after <= 1.1 * before and 0 < strangers.most <= QUEUE_MAX and
           strangers.statuses <= {503},
           f"17 registry hung for {seconds} s x {tries} at {rate}/s: {failed} failed for a cached "
           f"token, p99 {after:.2f} ms, in between {before:.2f} ms ({after / before:.2f} x); with "
           f"{len(strangers.threads) - 1} new tokens asking (told {sorted(strangers.statuses)}) at "
           f"most {strangers.most:.0f} look-ups waited, of {QUEUE_MAX}")


LINES = (redis_restarts, redis_silent, registry_down, registry_hung)


def scorecard(folder, part):
    """Prints a line for each, at that part of the capacity; gives how many did not hold."""
    wrong = 0
    for line in LINES:
        for holds, words in line(Path(folder) / line.__name__, part):
            wrong += not holds
            print(words, "" if holds else "\n    WRONG", flush=True)
    return wrong
