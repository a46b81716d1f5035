"""Outages of Redis and of the registry under a constant load, each judged by a figure that must
hold; tests/service/bad_days.py --scorecard prints them."""

import contextlib
import http.client
import itertools
import json
import math
import operator
import random
import signal
import statistics
import subprocess
import threading
import time
from functools import partial
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


def rate_of(result):
    return f"{result['goodPerSecond']:.0f}"


def p99s_of(result):
    return [second["p99Microseconds"] / 1000 for second in result["overTime"]]


def maxima_of(result):
    return [second["maxMicroseconds"] / 1000 for second in result["overTime"]]


@contextlib.contextmanager
def bystander(stage):
    """A Redis that mintd does not use."""
    folder = stage.folder / "bystander"
    folder.mkdir()
    redis = Redis(folder).start()
    try:
        yield redis
    finally:
        redis.end()


class Running:
    """A load at a constant rate until it is ended; it counts its own seconds."""

    def __init__(self, stage, rate, warm=WARM_PERCENT):
        begun = metric(stage.daemon, "mintd_credentials_total")
        self.load = stage.load(12 * 3600, "--rate", rate, warm=warm)
        wait_until(lambda: metric(stage.daemon, "mintd_credentials_total") > begun, "the load")
        self.start = time.monotonic()

    def sleep_until(self, second):
        time.sleep(max(0.0, self.start + second - time.monotonic()))

    def sleep(self, seconds):
        """Until the middle of a second, which is so many after this one; gives its number."""
        second = int(time.monotonic() - self.start) + seconds
        self.sleep_until(second + 0.5)
        return second

    def end(self):
        self.load.send_signal(signal.SIGINT)
        return json.loads(self.load.communicate(timeout=60)[0])


def redis_restarts(folder, part, rounds=20):
    """13: Redis is killed and restarted again and again; and in turn one that mintd does not use,
    for starting programs takes time from all who run: what that costs is added to the limit."""
    with Stage(folder, lease_s=30) as stage, bystander(stage) as other:
        running = Running(stage, stage.rate(part))
        for number in range(2 * rounds):
            running.sleep_until(1 + 2 * number)
            killed = other if number % 2 else stage.redis
            killed.end()
            killed.start()
        running.sleep_until(4 * rounds + 1)
        result = running.end()
    p99s = p99s_of(result)[:4 * rounds]
    quiet, after, control = (statistics.median(of)
                             for of in (p99s[0::2], p99s[1::4], p99s[3::4]))
    yield (failed_of(result) == 0 and after <= 3 * quiet + max(0, control - quiet),
           f"13 Redis killed and restarted x {rounds} at {rate_of(result)}/s: {failed_of(result)} "
           f"of {result['due']} failed; p99 of the second after {after:.2f} ms, of that after the "
           f"same with a Redis that is not used {control:.2f} ms ({after / control:.2f} x), else "
           f"{quiet:.2f} ms ({after / quiet:.2f} x; medians)")


def silence(stage, running, seconds):
    """Redis is silent for so long: the second in which that began, how long the breaker took to
    open and after how many questions in vain, and how many came after it."""
    look = partial(metric, stage.daemon)
    wait_until(lambda: look("mintd_redis_connections") and not look("mintd_redis_resting"), "Redis")
    begun = running.sleep(3)
    before = look("mintd_shared_failed_total")
    start = time.monotonic()
    stage.redis.signal(signal.SIGSTOP)
    wait_until(lambda: look("mintd_redis_resting"), "the breaker", 10)
    opened_ms = (time.monotonic() - start) * 1000
    asked = look("mintd_shared_failed_total")
    running.sleep(seconds)
    later = look("mintd_shared_failed_total")
    stage.redis.signal(signal.SIGCONT)
    return begun, opened_ms, asked - before, later - asked


def redis_silent(folder, part, seconds=30, rounds=6):
    """14: Redis holds its connections and answers nothing, at last for long. The slowest of the two
    seconds around each beginning is held against that of the two before."""
    with Stage(folder, lease_s=30) as stage:
        running = Running(stage, stage.rate(part))
        lasting = [2] * (rounds - 1) + [seconds]
        found = [silence(stage, running, lasts) for lasts in lasting]
        result = running.end()
    maxima, p99s = maxima_of(result), p99s_of(result)
    begun = [one[0] for one in found]
    silent = [max(maxima[second:second + 2]) for second in begun]
    control = [max(maxima[second - 2:second]) for second in begun]
    rest = statistics.median(p99s[begun[-1] + 2:begun[-1] + seconds])
    allowed = REST_AFTER * (REDIS_MS + 1)  # a timer counts whole milliseconds
    after = sum(one[3] for one in found)
    yield (failed_of(result) == 0 and max(silent) <= max(control) + allowed and after == 0,
           f"14 Redis silent x {rounds}, at last for {seconds} s, at {rate_of(result)}/s: "
           f"{failed_of(result)} of {result['due']} failed; around its start the slowest took "
           f"{max(silent):.1f} ms (median {statistics.median(silent):.1f}), before that "
           f"{max(control):.1f} ms (at most {allowed} ms more); the breaker opened within "
           f"{max(one[1] for one in found):.0f} ms, after {max(one[2] for one in found):.0f} "
           f"questions in vain, and {after:.0f} came after it; p99 of the long time after "
           f"{rest:.2f} ms, else {statistics.median(p99s[:begun[0]]):.2f} ms")


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


def crowd(stage, seconds, rate):
    """The registry hangs while many new tokens ask: the load's result, and who asked."""
    strangers = Strangers(stage)
    stage.postgres.signal_all(signal.SIGSTOP)
    with strangers, stage.load(seconds, "--rate", rate, warm=100) as load:
        result = json.loads(load.stdout.read())
    stage.postgres.signal_all(signal.SIGCONT)
    wait_until(lambda: stage.status_of(stage.services[0].token) == 200, "mintd to mint")
    return result, strangers


def in_turns(stage, seconds, rate, pairs):
    """One load through pairs of turns, in one of which the registry hangs, by lot the first or the
    second: its result, and for each pair the p99s of the calm and of the hung one's seconds."""
    is_hung = [hangs for _ in range(pairs) for hangs in random.sample((False, True), 2)]
    running = Running(stage, rate, warm=100)
    for number, hangs in enumerate(is_hung):
        if hangs:
            stage.postgres.signal_all(signal.SIGSTOP)
        running.sleep_until((number + 1) * seconds)
        if hangs:
            stage.postgres.signal_all(signal.SIGCONT)
    result = running.end()
    p99s = p99s_of(result)
    turns = [p99s[number * seconds:(number + 1) * seconds] for number in range(2 * pairs)]
    return result, [(turns[first + is_hung[first]], turns[first + is_hung[first + 1]])
                    for first in range(0, 2 * pairs, 2)]


def ratio_of(pairs):
    """By how much the second turns are slower than the first: of the medians of their seconds, the
    geometric mean over the pairs. And the most that is not exceeded in 95 % of all the ways to swap
    the turns within their pairs: what this machine makes of turns that do not differ."""
    each = [math.log(statistics.median(second) / statistics.median(first))
            for first, second in pairs]
    chances = sorted(statistics.mean(map(operator.mul, each, signs))
                     for signs in itertools.product((1, -1), repeat=len(each)))
    return math.exp(statistics.mean(each)), math.exp(chances[int(0.95 * len(chances))])


def medians_of(pairs):
    """Of the seconds of all first and of all second turns."""
    return [statistics.median(itertools.chain(*turns)) for turns in zip(*pairs)]


def registry_hung(folder, part, seconds=10, pairs=8):
    """17: PostgreSQL takes connections and answers nothing, in half of the turns of one load. The
    p99 may rise by a tenth, or by what chance makes of the same turns."""
    with Stage(folder, lease_s=30, cache_entries=1000, registry_timeout="1s") as stage:
        rate = stage.rate(part, warm=100)
        result, turns = in_turns(stage, seconds, rate, pairs)
        crowded, strangers = crowd(stage, seconds, rate)
    (calm, hung), (ratio, chance) = medians_of(turns), ratio_of(turns)
    failed = failed_of(result) + failed_of(crowded)
    yield (failed == 0 and ratio <= max(1.1, chance) and
           0 < strangers.most <= QUEUE_MAX and strangers.statuses <= {503},
           f"17 registry hung for {seconds} s x {pairs} at {rate}/s: {failed} failed for a cached "
           f"token; p99 {hung:.2f} ms, in the turns between {calm:.2f} ms (in pairs {ratio:.2f} x; "
           f"chance makes up to {chance:.2f} x of the same turns; medians of seconds); with "
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
