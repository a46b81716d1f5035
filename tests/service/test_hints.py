"""Replicas that share a Redis hear of each other's changes at once, and do without it as well."""

import concurrent.futures

import pytest

from api import Client, Org, credentials_path
from daemon import wait_until
from fleet import Fleet
from under_load import Redis


@pytest.fixture
def redis(tmp_path):
    redis = Redis(tmp_path)
    yield redis.start()
    redis.end()


@pytest.fixture
def pair(tmp_path, redis):
    """Two replicas on one SQLite file, which tells nobody of changes, and that poll seldom."""
    fleet = Fleet(tmp_path, 2, poll="10s", lease="30s", redis=f"unix:{redis.socket}")
    try:
        yield fleet.start().replicas
    finally:
        fleet.end()


def clients_of(redis):
    return [line for line in redis.cli("CLIENT", "LIST").splitlines() if "name=mintd" in line]


def test_a_revoke_is_heard_of_at_once(pair, redis):
    one, two = pair
    wait_until(lambda: len([c for c in clients_of(redis) if "sub=1" in c]) == 2, "both to listen")
    org = Org(Client(one.address, one.operator_token))
    service = org.service("issuer")
    path = credentials_path(org.name, org.project()["name"])
    there = Client(two.address, service.token)
    there.ok("POST", path)
    applied = org.operator.ok("DELETE", f"/v1/services/tokens/{service.token_id}")["applied"]
    there.refused(401, "POST", path)
    assert applied["everywhere"] and len(applied["replicas"]) == 2, applied
    assert applied["milliseconds"] < 5000, applied


def test_many_revokes(pair, redis):
    """What is applied while a report is under way is reported behind it, not at the next poll."""
    wait_until(lambda: len([c for c in clients_of(redis) if "sub=1" in c]) == 2, "both to listen")
    org = Org(Client(pair[0].address, pair[0].operator_token))
    service = org.service("issuer")
    tokens = [service.issue_token() for _ in range(40)]

    def revoke(number):
        client = Client(pair[0].address, org.operator.token)
        return [client.ok("DELETE", f"/v1/services/tokens/{token['id']}")["applied"]
                for token in tokens[number::4]]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        receipts = [receipt for some in threads.map(revoke, range(4)) for receipt in some]
    assert all(receipt["everywhere"] for receipt in receipts)
    assert max(receipt["milliseconds"] for receipt in receipts) < 5000, receipts


def test_redis_that_is_not_there(make_daemon):
    """A warning, no more."""
    daemon = make_daemon(redis="redis://127.0.0.1:1")
    daemon.log_lines('"redis"')
    Org(Client(daemon.address, daemon.operator_token)).service("issuer")


def test_garbage_on_the_channel(pair, redis):
    one, _ = pair
    wait_until(lambda: clients_of(redis), "somebody to listen")
    for word in ("", "garbage", "0" * 100000):
        redis.cli("-x", "PUBLISH", "mintd:changes", text=word)
    Org(Client(one.address, one.operator_token)).service("issuer")
