"""After a cut is acknowledged nothing is minted for it, however busy the daemon is."""

import threading
import time

import pytest

from api import Client, Org, credentials_path, with_checksum
from daemon import wait_until

CONNECTIONS = 4
AFTER = 10  # requests of each connection behind the acknowledgement


@pytest.fixture(scope="module")
def org(operator):
    return Org(operator)


@pytest.fixture(scope="module")
def project(org):
    return org.project()["name"]


class Load:
    """Connections that mint with one token as fast as they can, and note what each request got."""

    def __init__(self, address, token, path):
        self.path = path
        self.clients = [Client(address, token) for _ in range(CONNECTIONS)]
        self.notes = [[] for _ in self.clients]
        self.acknowledged = None
        self.threads = [threading.Thread(target=self.run, args=pair, daemon=True)
                        for pair in zip(self.clients, self.notes)]

    def run(self, client, notes):
        sent_after = 0
        while sent_after < AFTER:
            sent_at = time.monotonic()
            sent_after += self.acknowledged is not None
            notes.append((sent_at, client.post(self.path).status))
        client.close()

    def cut(self, call, warm=20):
        """Makes the call in the middle of the load; → the statuses before and after its answer."""
        for thread in self.threads:
            thread.start()
        wait_until(lambda: all(len(notes) >= warm for notes in self.notes), "the load to run")
        call()
        self.acknowledged = time.monotonic()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()
        before = [status for notes in self.notes for at, status in notes if at <= self.acknowledged]
        after = [status for notes in self.notes for at, status in notes if at > self.acknowledged]
        assert len(after) >= CONNECTIONS * (AFTER - 1)
        return before, after


def test_revoked_token(daemon, operator, org, project, rounds):
    service = org.service("issuer")
    for _ in range(rounds(12)):
        issued = service.issue_token()
        load = Load(daemon.address, issued["token"], credentials_path(org.name, project))
        before, after = load.cut(
            lambda: operator.ok("DELETE", f"/v1/services/tokens/{issued['id']}"))
        assert before[0] == 200 and set(before) <= {200, 401}
        assert set(after) == {401}
    assert service.mint(project).status == 200, "the service's other token was hurt"


def test_deleted_service(daemon, operator, org, project, rounds):
    for _ in range(rounds(6)):
        service = org.service("issuer", name="phoenix")
        load = Load(daemon.address, service.token, credentials_path(org.name, project))
        before, after = load.cut(lambda: operator.ok("DELETE", service.path))
        assert before[0] == 200 and set(before) <= {200, 401}
        assert set(after) == {401}


def test_deleted_service_does_not_rise_again(operator, org, project):
    """A new service of the name has nothing to do with the old one's tokens."""
    old = org.service("issuer", name="lazarus")
    assert old.mint(project).status == 200
    operator.ok("DELETE", old.path)
    new = org.service("issuer", name="lazarus")
    assert (old.mint(project).status, new.mint(project).status) == (401, 200)
    assert old.info["id"] != new.info["id"]


@pytest.mark.parametrize("scope", ["org", "project"])
def test_removed_role(daemon, operator, org, project, rounds, scope):
    service = org.service("guest")
    role, removed = {
        "org": (f"{service.path}/role", f"{service.path}/role"),
        "project": (f"{org.path}/projects/{project}/services/{service.name}/role",
                    f"{org.path}/projects/{project}/services/{service.name}")}[scope]
    for _ in range(rounds(6)):
        operator.ok("PUT", role, {"role": "issuer"})
        load = Load(daemon.address, service.token, credentials_path(org.name, project))
        before, after = load.cut(lambda: operator.ok("DELETE", removed))
        assert before[0] == 200 and set(before) <= {200, 403}
        assert set(after) == {403}


def test_lesser_role(operator, org, project):
    service = org.service("admin")
    for role, status in (("issuer", 200), ("viewer", 403), ("admin", 200), ("guest", 403)):
        operator.ok("PUT", f"{service.path}/role", {"role": role})
        assert service.mint(project).status == status, role


def test_deleted_project(daemon, operator, org, rounds):
    service = org.service("issuer")
    for _ in range(rounds(4)):
        name = org.project("sandcastle")["name"]
        load = Load(daemon.address, service.token, credentials_path(org.name, name))
        before, after = load.cut(lambda: operator.ok("DELETE", f"{org.path}/projects/{name}"))
        assert before[0] == 200 and set(before) <= {200, 403, 404}
        assert set(after) <= {403, 404}


def test_edited_project(daemon, operator, org):
    """An edit that was acknowledged is in every credential asked for after it, on every worker."""
    service = org.service("issuer")
    name = org.project()["name"]
    clients = [Client(daemon.address, service.token) for _ in range(8)]
    path = credentials_path(org.name, name)
    for number in range(20):
        host = f"https://runtime-{number}.test"
        operator.ok("PATCH", f"{org.path}/projects/{name}", {"runtime_host": host})
        assert {client.ok("POST", path)["runtimeHost"] for client in clients} == {host}
    for client in clients:
        client.close()


def test_renamed_org(operator, org, project):
    """The old name leads nowhere, the new one at once."""
    own = Org(operator)
    name = own.project()["name"]
    service = own.service("issuer")
    assert service.mint(name).status == 200
    operator.ok("PATCH", own.path, {"name": f"{own.name}-new"})
    old, new = (service.client.post(credentials_path(org_name, name)).status
                for org_name in (own.name, f"{own.name}-new"))
    assert (old, new) == (403, 200)


def test_expired_token(operator, org, project):
    """Good up to its second and not a moment longer, cached or not."""
    service = org.service("issuer")
    issued = service.issue_token(ttl_seconds=2)
    client = Client(operator.address, issued["token"])
    path = credentials_path(org.name, project)
    made = time.time()
    client.ok("POST", path)

    def status():
        sent_at = time.time()
        answer = client.post(path).status
        assert answer == 200 or sent_at - made > 0.99, "too early"
        assert answer == 401 or sent_at - made < 3.01, "too late"
        return answer == 401
    wait_until(status, "the token to expire")
    assert service.mint(project).status == 200


def bad_tokens(service, operator, org):
    """Why the token is bad → the token."""
    revoked = service.issue_token()
    operator.ok("DELETE", f"/v1/services/tokens/{revoked['id']}")
    expired = service.issue_token(ttl_seconds=1)
    client = Client(operator.address, expired["token"])
    wait_until(lambda: client.get(org.path).status == 401, "the token to expire")
    good = service.token
    return {"malformed": good[:-1] + ("0" if good[-1] != "0" else "1"),
            "unknown": unknown_token(), "revoked": revoked["token"], "expired": expired["token"]}


def unknown_token():
    """Well-formed, with a right checksum, and never issued here."""
    return with_checksum("mint_svc_" + "0" * 10 + "1" * 44)


def test_checksum_of_real_tokens(org):
    """The digits are as documented, or the test above would test nothing."""
    for _ in range(3):
        token = org.service("guest").token
        assert with_checksum(token[:-6]) == token


def test_bad_tokens_are_told_apart_only_in_the_log(daemon, operator, org, project):
    service = org.service("issuer")
    path = credentials_path(org.name, project)
    tokens = bad_tokens(service, operator, org)
    answers = set()
    for number, token in enumerate(tokens.values()):
        client = Client(daemon.address, token)
        for method, target in (("POST", path), ("GET", "/v1/orgs"), ("GET", "/v1/orgs/nothing")):
            reply = client.call(method, target, headers={"X-Request-Id": f"bad-token-{number}"})
            answers.add((reply.status, reply.body, reply.headers["WWW-Authenticate"]))
        client.close()
    [(status, _, challenge)] = answers
    assert status == 401
    assert challenge.startswith("Bearer ") and 'error="invalid_token"' in challenge
    for number, reason in enumerate(tokens):
        lines = daemon.log_lines(f'"bad-token-{number}"', 3)
        assert all(reason in line.lower() for line in lines), (reason, lines)


@pytest.mark.parametrize("value", [
    "", "Bearer", "Bearer ", "bearer x", "Basic eDp5", "Bearer mint_svc_", "Bearer  ", "Bearer a b",
    "Bearer mint_svc_" + "0" * 60, "Bearer mint_svc_" + "Z" * 60, "Bearer mint_svc_" + "0" * 61,
    "Bearer " + "x" * 4000, "Token x", "mint_svc_" + "0" * 60, "Bearer rill_svc_" + "0" * 60])
def test_garbage_for_a_token(client, value):
    reply = client.get("/v1/orgs", headers={"Authorization": value})
    assert reply.status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_scheme_in_any_case(client, org, scheme):
    token = org.service("viewer").token
    for space in (" ", "  "):
        headers = {"Authorization": f"{scheme}{space}{token} "}
        assert client.get(org.path, headers=headers).status == 200


def test_token_of_another_spelling(client, org):
    """One token, one text: no padding, no other case, no neighbour of it."""
    token = org.service("viewer").token
    for other in (token.upper(), token.swapcase(), token + "0", token[:-1], "0" + token,
                  token.replace("_svc_", "_opr_"), token.replace("mint", "Mint"),
                  with_checksum(token[:20] + ("0" if token[20] != "0" else "1") + token[21:-6]),
                  with_checksum(token[:62] + ("0" if token[62] != "0" else "1"))):
        assert client.get(org.path, headers={"Authorization": f"Bearer {other}"}).status == 401


def test_guessing_hurts_nobody(daemon, operator, org, project):
    """A thousand unknown tokens: each is refused, and the good one is served between them."""
    service = org.service("issuer")
    client = Client(daemon.address)
    for number in range(1000):
        token = with_checksum(f"mint_svc_{number:054}")
        reply = client.get("/v1/orgs", headers={"Authorization": f"Bearer {token}"})
        assert reply.status == 401
        if number % 100 == 0:
            assert service.mint(project).status == 200
    client.close()
