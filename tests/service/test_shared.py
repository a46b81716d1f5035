"""The shared cache in Redis: what one replica has looked up serves the others, and no more."""

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from api import Client, Org, credentials_path, metric
from daemon import run_mintd, wait_until
from fleet import Fleet
from under_load import Redis

README = Path(__file__).resolve().parents[2] / "README.md"
HITS = 'mintd_cache_hits_total{tier="%s"}'


@pytest.fixture
def redis(tmp_path):
    redis = Redis(tmp_path)
    yield redis.start()
    redis.end()


@pytest.fixture
def pair(tmp_path, redis):
    fleet = Fleet(tmp_path, 2, redis=f"unix:{redis.socket}", workers=1)
    try:
        fleet.start()
        for replica in fleet.replicas:
            wait_until(lambda: metric(replica, "mintd_redis_connections") == 1, "Redis")
        yield fleet.replicas
    finally:
        fleet.end()


class Story:
    """Services that mint at one replica, and are then to mint at another."""

    def __init__(self, daemon, count=8, **fields):
        self.operator = Client(daemon.address, daemon.operator_token)
        self.org = Org(self.operator)
        self.path = credentials_path(self.org.name, self.org.project()["name"])
        self.services = [self.org.service("issuer", **fields) for _ in range(count)]
        for service in self.services:
            service.client.ok("POST", self.path)

    def mint_at(self, daemon):
        for service in self.services:
            Client(daemon.address, service.token).ok("POST", self.path)


def keys_of(redis):
    return redis.cli("KEYS", "*").split()


def test_a_cold_replica_asks_redis_first(pair, redis):
    one, two = pair
    story = Story(one)
    wait_until(lambda: len(keys_of(redis)) == len(story.services) + 1, "the entries")
    before = metric(two, HITS % "registry")
    story.mint_at(two)
    assert metric(two, HITS % "l2") == len(story.services)
    assert metric(two, HITS % "registry") == before
    story.mint_at(two)
    assert metric(two, HITS % "l2") == len(story.services), "L1 has them now"


def test_nothing_there_can_be_read(pair, redis):
    one, _ = pair
    story = Story(one, count=1)
    wait_until(lambda: len(keys_of(redis)) == 2, "the entries")
    kept = "".join(redis.cli("--no-raw", "GET", key) for key in keys_of(redis))
    for secret in (story.org.name, story.services[0].name, story.services[0].token, "issuer"):
        assert secret not in kept


def test_what_was_cut_is_refused(pair, redis):
    """An entry of before is put back, as somebody who can write to Redis would."""
    one, two = pair
    story = Story(one)
    wait_until(lambda: len(keys_of(redis)) == len(story.services) + 1, "the entries")
    kept = {key: redis.cli("--no-raw", "DUMP", key) for key in keys_of(redis)}
    for service in story.services:
        story.operator.ok("DELETE", f"/v1/services/tokens/{service.token_id}")
    for key, value in kept.items():
        assert "OK" in redis.cli(text=f"RESTORE {key} 0 {value} REPLACE\n")
    for service in story.services:
        for daemon in (one, two):
            Client(daemon.address, service.token).refused(401, "POST", story.path)
    assert metric(two, HITS % "l2") == 0


def test_an_earlier_state_is_restored(pair, redis):
    """What is lost with it is void everywhere, though other changes get its numbers."""
    one, two = pair
    live, backup = sqlite3.connect(one.data / "registry.db"), sqlite3.connect(":memory:")
    with closing(live), closing(backup):
        story = Story(one, count=1)
        story.mint_at(two)
        live.backup(backup)
        [epoch] = live.execute("SELECT log_epoch FROM rev_counter").fetchone()
        lost = story.org.service("issuer")
        lost.client.ok("POST", story.path)
        wait_until(lambda: len(keys_of(redis)) == 3, "the entries")
        backup.backup(live)
        for number in range(9):
            story.operator.call("POST", "/v1/orgs?wait=0", {"name": f"after-{number}"})
        wait_until(lambda: live.execute("SELECT log_epoch FROM rev_counter").fetchone() != (epoch,),
                   "another epoch")
        wait_until(lambda: any("restored" in daemon.log for daemon in pair), "a line of it")
        for daemon in pair:
            client = Client(daemon.address, lost.token)
            wait_until(lambda: client.call("POST", story.path).status == 401,
                       "what is lost to be refused")
            story.mint_at(daemon)


def test_a_restore_is_said(pair, redis):
    """By the operator, who may know it before anybody notices."""
    one, two = pair
    story = Story(one)
    wait_until(lambda: len(keys_of(redis)) == len(story.services) + 1, "the entries")
    story.mint_at(two)
    shared, asked = metric(two, HITS % "l2"), metric(two, HITS % "registry")
    said = run_mintd("registry", "restored", *one.store_flags)
    assert said.returncode == 0 and "another epoch" in said.stdout, said
    wait_until(lambda: metric(two, "mintd_cache_entries") == 0, "it to be heard")
    story.mint_at(two)
    assert metric(two, HITS % "l2") == shared and metric(two, HITS % "registry") > asked


def spoil_garbage(redis):
    for i, key in enumerate(keys_of(redis)):
        redis.cli("-x", "SET", key, text="garbage" * i)


def spoil_swap(redis):
    keys = keys_of(redis)
    dumps = [redis.cli("--no-raw", "DUMP", key) for key in keys]
    for key, value in zip(keys, dumps[1:] + dumps[:1]):
        redis.cli(text=f"RESTORE {key} 0 {value} REPLACE\n")


@pytest.mark.parametrize("spoil", [spoil_garbage, spoil_swap,
                                   lambda redis: redis.cli("FLUSHALL"), Redis.end],
                         ids=["garbage", "swapped", "flushed", "killed"])
def test_without_what_was_there(pair, redis, spoil):
    one, two = pair
    story = Story(one)
    wait_until(lambda: len(keys_of(redis)) == len(story.services) + 1, "the entries")
    spoil(redis)
    story.mint_at(two)
    assert metric(two, HITS % "l2") == 0
    assert metric(two, HITS % "registry") >= len(story.services)


def test_another_master_key_s_entries(pair, redis, make_daemon):
    """They are none of this fleet's, whatever they are called."""
    one, _ = pair
    story = Story(one, count=1)
    stranger = make_daemon(redis=f"unix:{redis.socket}", workers=1)
    other = Story(stranger, count=1)
    other.mint_at(stranger)
    story.mint_at(one)


def test_a_role_that_is_taken_away(pair, redis):
    one, two = pair
    story = Story(one, count=1)
    story.mint_at(two)
    service = story.services[0]
    story.operator.ok("DELETE", f"{service.path}/role")
    for daemon in (one, two):
        Client(daemon.address, service.token).refused(403, "POST", story.path)


def redis_part(daemon):
    reply = Client(daemon.ops).get("/readyz")
    assert (reply.status, reply.json["status"]) == (200, "ready")
    return reply.json["redis"]


def test_readyz_tells_of_redis(pair, redis, make_daemon):
    one, _ = pair
    assert redis_part(one) == {"ok": True, "state": "ok"}
    assert redis_part(make_daemon()) == {"ok": True, "state": "off"}
    redis.end()
    away = wait_until(lambda: not (part := redis_part(one))["ok"] and part, "readyz to notice")
    assert away["state"] == "away" and "does not answer" in away["reason"]
    redis.start()
    wait_until(lambda: redis_part(one) == {"ok": True, "state": "ok"}, "readyz to notice")


def test_the_readme_s_redis_user_is_enough(tmp_path, redis):
    [words] = [line.split() for line in README.read_text(encoding="utf-8").splitlines()
               if line.startswith("ACL SETUSER")]
    assert redis.cli(*[word.replace("PASSWORD", "secret") for word in words]) == "OK"
    redis.cli("ACL", "SETUSER", "default", "off")
    fleet = Fleet(tmp_path, 2, redis=f"redis+unix://mintd:secret@{redis.socket}", workers=1)
    try:
        one, two = fleet.start().replicas
        for daemon in (one, two):
            wait_until(lambda: metric(daemon, "mintd_redis_connections") == 1, "Redis")
        story = Story(one, policy={"rateLimit": {"perSecond": 1000}})
        story.mint_at(two)
        assert metric(two, HITS % "l2") > 0
        wait_until(lambda: story.mint_at(one) or metric(one, "mintd_quota_slices_total"), "slices")
        for daemon in (one, two):
            story.operator.ok("DELETE", story.services.pop().path)
            assert metric(daemon, "mintd_quota_failed_total") == 0
            assert '"NOPERM' not in daemon.log and "permissions" not in daemon.log
    finally:
        fleet.end()


def test_a_silent_redis_is_left_alone(pair, redis):
    one, _ = pair
    story = Story(one)
    redis.signal(signal.SIGSTOP)
    for _ in range(3):  # a new token is looked up, and Redis asked first
        Client(one.address, story.org.service("issuer").token).ok("POST", story.path)
    wait_until(lambda: metric(one, "mintd_redis_resting") == 1, "the breaker", 5)
    assert "too slowly" in redis_part(one)["reason"]
    redis.signal(signal.SIGCONT)
    wait_until(lambda: redis_part(one)["ok"], "Redis to be used again")


def test_entries_end(tmp_path, redis):
    fleet = Fleet(tmp_path, 1, redis=f"unix:{redis.socket}", workers=1, redis_ttl="1s")
    try:
        [one] = fleet.start().replicas
        wait_until(lambda: metric(one, "mintd_redis_connections") == 1, "Redis")
        Story(one, count=2)
        wait_until(lambda: keys_of(redis), "an entry", 5)
        time.sleep(1.2)
        assert not keys_of(redis)
    finally:
        fleet.end()
