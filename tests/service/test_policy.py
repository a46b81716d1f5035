"""A service's policy: what its tokens may do less than its roles say."""

import time

import pytest

from api import Client, credentials_path
from daemon import wait_until


@pytest.fixture
def minting(org, project):
    """minting(policy): a service of that policy, and a function that tries to mint with it."""
    def make(**policy):
        service = org.service("issuer", policy=policy)
        return service, lambda body=None: service.mint(project["name"], body)
    return make


def attributes(service, project, body=None):
    return list(service.credential(project["name"], body).claims["attr"].items())


def test_longest_life(minting):
    """The server's default gives way to it, a request does not."""
    service, mint = minting(maxTtlSeconds=60)
    assert [mint({"ttl_seconds": ttl}).json["ttlSeconds"] for ttl in (0, 59, 60)] == [60, 59, 60]
    reply = mint({"ttl_seconds": 61})
    assert reply.status == 400 and "policy" in reply.message
    assert service.info["policy"] == {"maxTtlSeconds": 60}


@pytest.mark.parametrize("body, added", [
    ({"attributes": {"user": 1}}, [("user", 1)]), ({"attributes": {}}, []),
    ({"user_id": "u"}, None),
    ({"attributes": {"tenant": "a", "user": 1}}, [("user", 1)]), ({"user_email": "a@b.c"}, None)])
def test_pinned_attributes(minting, project, body, added):
    """In every credential, whoever it is for."""
    service, _ = minting(pinnedAttributes={"tenant": "a", "n": {"x": [1.5]}})
    found = dict(attributes(service, project, body))
    assert (found.pop("tenant"), found.pop("n")) == ("a", {"x": [1.5]})
    assert added is None or list(found.items()) == added


@pytest.mark.parametrize("value", ["b", "A", "", None, ["a"], {"a": 1}, 0, True])
def test_contradiction_of_a_pinned_attribute(minting, value):
    _, mint = minting(pinnedAttributes={"tenant": "a"})
    reply = mint({"attributes": {"tenant": value}})
    assert reply.status == 403 and "tenant" in reply.message


@pytest.mark.parametrize("pinned, body", [
    ({"email": "a@b.c"}, {"user_email": "d@e.f"}), ({"id": "u"}, {"user_id": "v"})])
def test_contradiction_by_a_user(minting, pinned, body):
    """A user is no way around what is pinned."""
    _, mint = minting(pinnedAttributes=pinned)
    assert mint(body).status == 403


def test_pinned_over_what_is_written_for_a_user(minting, project):
    """The request does not ask for admin, so it contradicts nothing, and the pin stands, once."""
    service, _ = minting(pinnedAttributes={"admin": True})
    found = attributes(service, project, {"user_email": "a@b.c"})
    assert sorted(found) == [("admin", True), ("domain", "b.c"), ("email", "a@b.c")]


def test_allowed_attributes(minting):
    _, mint = minting(allowedAttributes=["user", "é"], pinnedAttributes={"tenant": "a"})
    for given in ({}, {"user": 1}, {"é": {"other": 1}}, {"tenant": "a"}):
        assert mint({"attributes": given}).status == 200, given
    for given in ({"other": 1}, {"user": 1, "User": 1}, {"": 1}):
        reply = mint({"attributes": given})
        assert reply.status == 403, given
    _, mint = minting(allowedAttributes=[])
    assert [mint({"attributes": given}).status for given in ({}, {"a": 1})] == [200, 403]


@pytest.mark.parametrize("cidrs, status", [
    (["127.0.0.0/8"], 200), (["10.0.0.0/8", "127.0.0.1"], 200), (["0.0.0.0/0"], 200),
    (["127.0.0.2/32"], 403), (["10.0.0.0/8", "::1"], 403), (["128.0.0.0/1"], 403)])
def test_allowed_addresses(minting, cidrs, status):
    """Where its tokens may be used from: for all that they may do."""
    service, mint = minting(allowedCidrs=cidrs)
    assert mint().status == status
    forwarded = service.client.get("/v1/orgs", headers={"X-Forwarded-For": "127.0.0.2"})
    assert forwarded.status == status, "a header that anybody can send was believed"


def test_rate_limit(minting):
    """A burst at once, then so many a second; the reply says when to come again."""
    _, mint = minting(rateLimit={"perSecond": 4, "burst": 8})
    start = time.monotonic()
    replies = [mint() for _ in range(40)]
    spent = time.monotonic() - start
    passed = sum(reply.status == 200 for reply in replies)
    assert [reply.status for reply in replies[:8]] == [200] * 8
    assert 8 <= passed <= 8 + 4 * spent + 1
    assert {reply.status for reply in replies} == {200, 429}
    for reply in replies:
        assert "RateLimit" in reply.headers and "RateLimit-Policy" in reply.headers
    wait_until(lambda: mint().status == 200, "the next second", patience_s=3)


def test_rate_limit_is_one_for_all_connections(daemon, minting, org, project):
    """Counted together, whichever worker a connection came to."""
    service, _ = minting(rateLimit={"perSecond": 1, "burst": 10})
    clients = [Client(daemon.address, service.token) for _ in range(8)]
    path = credentials_path(org.name, project["name"])
    start = time.monotonic()
    passed = sum(client.post(path).status == 200 for _ in range(5) for client in clients)
    assert 10 <= passed <= 10 + (time.monotonic() - start) + 1
    for client in clients:
        client.close()


def test_edited_policy_counts_at_once(operator, minting):
    service, mint = minting()
    for policy, status in (({"allowedAttributes": []}, 403), ({}, 200),
                           ({"maxTtlSeconds": 1}, 200), ({"allowedCidrs": ["::1"]}, 403)):
        operator.ok("PATCH", service.path, {"policy": policy})
        assert mint({"attributes": {"a": 1}}).status == status, policy


@pytest.mark.parametrize("policy, about", [
    ([], "policy"), ({"maxTtl": 1}, "maxTtl"), ({"maxTtlSeconds": -1}, "maxTtlSeconds"),
    ({"maxTtlSeconds": 1, "max_ttl_seconds": 1}, "maxTtlSeconds"),
    ({"pinnedAttributes": []}, "pinnedAttributes"),
    ({"allowedAttributes": {}}, "allowedAttributes"),
    ({"allowedAttributes": [1]}, "allowedAttributes"), ({"allowedCidrs": "::1"}, "allowedCidrs"),
    ({"allowedCidrs": ["127.0.0.1/33"]}, "allowedCidrs"), ({"allowedCidrs": ["x"]}, "allowedCidrs"),
    ({"allowedCidrs": ["127.0.0.1/8"]}, "allowedCidrs"), ({"rateLimit": 1}, "rateLimit"),
    ({"rateLimit": {"burst": 1}}, "perSecond"), ({"rateLimit": {"perSecond": 0.5}}, "perSecond")])
def test_bad_policy(operator, org, policy, about):
    body = {"name": "bad-policy", "org_role_name": "issuer", "policy": policy}
    operator.refused(400, "POST", f"{org.path}/services", body, about)
    operator.refused(404, "GET", f"{org.path}/services/bad-policy")
