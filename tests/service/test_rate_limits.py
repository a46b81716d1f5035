"""A rate limit that replicas share over Redis, and divide among them without it."""

import http.client
import threading
import time

import pytest

from api import Client, Org, credentials_path, metric
from daemon import wait_until
from fleet import Fleet
from under_load import Redis

RATE, BURST, HOLD_S, SECONDS = 200, 40, 0.5, 2


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    redis = Redis(tmp_path_factory.mktemp("redis"))
    yield redis.start()
    redis.end()


@pytest.fixture(scope="module")
def trio(tmp_path_factory, redis):
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), 3, redis=f"unix:{redis.socket}", workers=1,
                  log_requests="false")
    try:
        fleet.start()
        for replica in fleet.replicas:
            wait_until(lambda: metric(replica, "mintd_replicas") == 3, "the others")
            wait_until(lambda: metric(replica, "mintd_redis_connections") == 1, "Redis")
        yield fleet.replicas
    finally:
        fleet.end()


class Limited:
    """A service with a limit, and how much of it was minted."""

    def __init__(self, daemon, rate=RATE, burst=BURST):
        operator = Client(daemon.address, daemon.operator_token)
        org = Org(operator)
        self.path = credentials_path(org.name, org.project()["name"])
        self.service = org.service(
            "issuer", policy={"rateLimit": {"perSecond": rate, "burst": burst}})
        self.minted, self.statuses, self.lock = 0, set(), threading.Lock()

    def mint_at(self, daemon):
        return Client(daemon.address, self.service.token).post(self.path)

    def press(self, daemon, until):
        """Asks as fast as it can, until then."""
        connection = http.client.HTTPConnection(daemon.address, timeout=20)
        headers = {"Authorization": f"Bearer {self.service.token}"}
        while time.monotonic() < until:
            connection.request("POST", self.path, b"", headers)
            answer = connection.getresponse()
            answer.read()
            with self.lock:
                self.minted += answer.status == 200
                self.statuses.add(answer.status)
            if answer.status == 429:
                assert int(answer.headers["Retry-After"]) >= 1
                assert answer.headers["RateLimit"].startswith('"service";r=0;t=')
                time.sleep(0.001)

    def press_all(self, daemons, seconds=SECONDS):
        """The same at each of them; gives how much was minted, and in how many seconds."""
        self.minted, start = 0, time.monotonic()
        threads = [threading.Thread(target=self.press, args=(daemon, start + seconds))
                   for daemon in daemons]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.statuses == {200, 429}, self.statuses
        return self.minted, time.monotonic() - start


def most(seconds, bursts=2):
    """What mint/quota.h allows."""
    return bursts * BURST + RATE * (seconds + HOLD_S)


@pytest.mark.parametrize("count", [3, 1], ids=["spread", "all on one"])
def test_one_limit_for_all(trio, count):
    limited = Limited(trio[0])
    minted, seconds = limited.press_all(trio[:count])
    assert 0.8 * RATE * SECONDS <= minted <= most(seconds), minted
    assert sum(metric(replica, "mintd_quota_slices_total") for replica in trio) > 0


def test_what_one_has_used_another_lacks(trio):
    """The burst is gone, whoever asks next; and in a while it is there again, whoever asks."""
    limited = Limited(trio[0], rate=1, burst=10)
    passed = [limited.mint_at(trio[0]).status for _ in range(12)].count(200)
    assert passed >= 9
    time.sleep(0.1)
    replies = [limited.mint_at(replica) for replica in trio[1:]]
    # Each learns it with its first question.
    assert [limited.mint_at(replica).status for replica in trio[1:]] == [429, 429], replies
    for reply in replies:
        assert reply.headers["RateLimit-Policy"] == '"service";q=10;w=10'


def test_few_are_never_refused(trio):
    """Load below the limit, all of it at one, with others that mint now and then."""
    limited = Limited(trio[0])
    until = time.monotonic() + 2
    clients = [Client(replica.address, limited.service.token) for replica in trio]
    for i in range(1000):
        if time.monotonic() > until:
            break
        clients[0].ok("POST", limited.path)
        if i % 20 == 0:
            clients[1 + i // 20 % 2].ok("POST", limited.path)
        time.sleep(1.5 / RATE)


def test_without_redis(trio, redis):
    """Each goes by its share; and when Redis is back it has forgotten what was used."""
    limited = Limited(trio[0])
    limited.press_all(trio, seconds=0.5)
    redis.end()
    minted, seconds = limited.press_all(trio)
    assert 0.8 * RATE * SECONDS <= minted <= most(seconds, bursts=3), minted
    minted, seconds = limited.press_all(trio[:1])
    assert minted <= BURST / 3 + RATE / 3 * seconds + 1, minted
    assert minted >= 0.8 * RATE / 3 * SECONDS, minted
    redis.start()
    for replica in trio:
        wait_until(lambda: metric(replica, "mintd_redis_connections") == 1, "Redis")
    minted, seconds = limited.press_all(trio)
    assert 0.8 * RATE * SECONDS <= minted <= most(seconds, bursts=3), minted


def test_a_restart_while_it_is_pressed(trio, redis):
    limited = Limited(trio[0])
    restarts = threading.Thread(target=lambda: [(time.sleep(0.3), redis.end(), redis.start())
                                                for _ in range(3)])
    restarts.start()
    minted, seconds = limited.press_all(trio)
    restarts.join()
    assert 0.6 * RATE * SECONDS <= minted <= most(seconds, bursts=2 + 3 * 2), minted


@pytest.mark.parametrize("spoil", ["garbage", "1e300", "nan", "list"])
def test_garbage_in_the_counter(trio, redis, spoil):
    limited = Limited(trio[0], rate=50, burst=10)
    limited.press_all(trio[:1], seconds=0.2)
    key = f"mintd:q:{limited.service.info['id']}"
    if spoil == "list":
        redis.cli("DEL", key)
        redis.cli("LPUSH", key, "1")
    else:
        redis.cli("SET", key, spoil)
    minted, seconds = limited.press_all(trio[:1], seconds=1.2)
    assert 5 <= minted <= 3 * 10 + 50 * (seconds + HOLD_S), minted


def test_the_counter_ends_by_itself(trio, redis):
    limited = Limited(trio[0], rate=1000, burst=10)
    limited.mint_at(trio[0])
    service_id = limited.service.info["id"]
    wait_until(lambda: service_id not in redis.cli("KEYS", "*"), "the key to end", 10)
