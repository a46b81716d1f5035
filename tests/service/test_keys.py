"""The rotation of signing keys: no verifier ever meets a key that it cannot know."""

import itertools
import json
import re
import subprocess
import threading
import time
from collections import defaultdict

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api import Client, Org, metric, read_json, unpack
from daemon import ISSUER, MINT, clean_environment, run_mintd, wait_until
from test_verifiers import VERIFIERS

# From a key's publication to its first signature: max-age, and poll + lease + margin.
QUICK = {"jwks_max_age": "1s", "poll": "50ms", "lease": "1s", "lease_margin": "0ms",
         "not_before_skew": "0s", "default_ttl": "2s", "max_ttl": "2s", "key_rotation": "0s"}
PUBLISH_S = 3
KEEP_S = 2 + 1 + 2
AUDIENCE = "https://runtime.test"


def keys_of(operator):
    """State → kids."""
    found = defaultdict(list)
    for key in operator.ok("GET", "/v1/keys")["keys"]:
        found[key["state"]].append(key["kid"])
    return found


def served(client):
    """kid → public key of the JWKS as it is served now."""
    return {key["kid"]: key["x"] for key in client.ok("GET", "/.well-known/jwks.json")["keys"]}


def kid_of(jwt):
    return json.loads(unpack(jwt.split(".")[0]))["kid"]


def is_verified(jwt, keys):
    signed, signature = jwt.rsplit(".", 1)
    try:
        Ed25519PublicKey.from_public_bytes(unpack(keys[kid_of(jwt)])).verify(
            unpack(signature), signed.encode())
    except (KeyError, InvalidSignature):
        return False
    return True


def activated(operator, kid):
    return wait_until(lambda: keys_of(operator)["active"] == [kid], f"{kid} to sign")


# ---- under load

class CachingVerifier(threading.Thread):
    """Mints, and checks by a JWKS that it keeps for as long as it may and never asks for anew:
    an unknown key is a failure."""

    def __init__(self, stop, number, daemons, token, path):
        super().__init__()
        self.stop = stop
        self.number = number
        self.clients = [Client(daemon.address, token) for daemon in daemons]
        self.path = path
        self.cache, self.cached_until = None, 0.0
        self.kept = []  # credentials not yet expired, which must verify as well
        self.samples = {}  # (kids of the JWKS, kid) → JWKS, credential, when
        self.count, self.failures, self.error = 0, [], None

    def run(self):
        try:
            turn = itertools.cycle(range(len(self.clients)))
            while not self.stop.is_set():
                self.step(self.clients[next(turn)])
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.error = error

    def has_met(self, kid):
        return any(kid == signer for _, signer in list(self.samples))

    def keys(self, client):
        now = time.monotonic()
        if now >= self.cached_until:
            reply = client.get("/.well-known/jwks.json")
            age = re.fullmatch(r"public, max-age=(\d+)", reply.headers["Cache-Control"])
            # Not all at the same moment.
            self.cached_until = now + int(age[1]) * (1 - self.number % 4 / 10)
            self.cache = read_json(reply.body)
        return {key["kid"]: key["x"] for key in self.cache["keys"]}

    def step(self, client):
        keys = self.keys(client)
        jwt = client.ok("POST", self.path, {})["accessToken"]
        # Behind the minting no longer, for the cache may have come to its end meanwhile.
        now = time.time()
        self.kept = [(old, end) for old, end in self.kept if now < end][-200:] + [(jwt, now + 1)]
        for each in (jwt, self.kept[0][0]):
            self.count += 1
            if not is_verified(each, keys):
                self.failures.append((kid_of(each), sorted(keys)))
        self.samples[tuple(sorted(keys)), kid_of(jwt)] = (self.cache, jwt, int(now))


@pytest.fixture
def fleet(make_daemon):
    """Two that serve one registry."""
    first = make_daemon(**QUICK)
    registry = f"sqlite:{first.data}/registry.db"
    second = make_daemon(registry=registry, master_key_file=first.data / "master.key", **QUICK)
    second.settings["operator_token_file"] = first.settings["operator_token_file"]
    return first, second


@pytest.fixture
def issuing(fleet):
    org = Org(Client(fleet[0].address, fleet[0].operator_token))
    project = org.project(runtime_host=AUDIENCE)
    service = org.service("issuer")
    return service.token, f"/v1/orgs/{org.name}/projects/{project['name']}/credentials"


def test_rotations_under_load(fleet, issuing, rounds):
    """Scorecard 23: with two replicas, a restart in between, and libraries of four languages."""
    stop = threading.Event()
    operators = [Client(daemon.address, daemon.operator_token) for daemon in fleet]
    verifiers = [CachingVerifier(stop, number, fleet[:1] if number == 0 else fleet, *issuing)
                 for number in range(3)]
    for verifier in verifiers:
        verifier.start()
    try:
        signed = [keys_of(operators[0])["active"][0]]
        for turn in range(rounds(5)):
            begun = time.monotonic()
            key = operators[turn % 2].ok("POST", "/v1/keys/rotate", {})["key"]
            assert key["state"] == "pending" and key["nextState"] == "active"
            for operator in operators:
                wait_until(lambda: key["kid"] in served(operator), "the poll")
                assert keys_of(operator)["active"] == [signed[-1]]
            activated(operators[0], key["kid"])
            assert time.monotonic() - begun > PUBLISH_S - 1.1  # times are whole seconds
            activated(operators[1], key["kid"])
            signed.append(key["kid"])
            wait_until(lambda: all(verifier.has_met(signed[-1]) or not verifier.is_alive()
                                   for verifier in verifiers), "credentials by it")
    finally:
        stop.set()
        for verifier in verifiers:
            verifier.join()
    for verifier in verifiers:
        assert verifier.error is None and not verifier.failures
    assert len(set(signed)) == rounds(5) + 1
    minted_by = {kid for verifier in verifiers for _, kid in verifier.samples}
    assert minted_by == set(signed)
    print(f"{sum(v.count for v in verifiers)} verifications by cached JWKS")
    check_by_libraries([sample for v in verifiers for sample in v.samples.values()])
    wait_until(lambda: set(served(operators[1])) == {signed[-1]}, "the old keys' end")
    for operator in operators:
        assert keys_of(operator) == {"active": [signed[-1]]}


def check_by_libraries(samples):
    """Each credential by the JWKS that was cached when it was minted."""
    by_jwks = defaultdict(list)
    for jwks, jwt, now in samples:
        by_jwks[json.dumps(jwks)].append(
            {"jwt": jwt, "issuer": ISSUER, "audience": AUDIENCE, "now": now})
    for name, verify in VERIFIERS.items():
        for jwks, cases in by_jwks.items():
            assert verify(json.loads(jwks), cases) == [""] * len(cases), name


def test_a_restart_in_between(make_daemon):
    """The wait goes on over it, and ends."""
    daemon = make_daemon(**QUICK)
    operator = Client(daemon.address, daemon.operator_token)
    begun = time.monotonic()
    kid = operator.ok("POST", "/v1/keys/rotate")["key"]["kid"]
    daemon.restart()
    operator = Client(daemon.address, daemon.operator_token)
    assert kid in served(operator)
    activated(operator, kid)
    assert PUBLISH_S - 1.1 < time.monotonic() - begun
    [old] = keys_of(operator)["retired"]
    assert old in served(operator)
    daemon.kill()
    daemon.start()
    operator = Client(daemon.address, daemon.operator_token)
    wait_until(lambda: keys_of(operator) == {"active": [kid]}, "the old key's end")
    [line] = daemon.log_lines('"state":"gone"')
    assert json.loads(line)["kid"] == old


def test_on_schedule(make_daemon):
    daemon = make_daemon(**{**QUICK, "key_rotation": "5s"})
    operator = Client(daemon.address, daemon.operator_token)
    seen = set()

    def look():
        seen.update(keys_of(operator)["active"])
        return len(seen) >= 3
    wait_until(look, "two rotations")
    [key] = [key for key in operator.ok("GET", "/v1/keys")["keys"] if key["state"] == "active"]
    assert key["nextState"] == "retired" and key["nextOn"] is not None
    actions = [row["action"] for row in operator.ok("GET", "/v1/audit")["auditRecords"]
               if row["actorKind"] == "system"]
    assert {"keys.create", "keys.activate"} <= set(actions)


# ---- by command

@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """With the settings that there are if nobody says otherwise."""
    from daemon import Daemon  # pylint: disable=import-outside-toplevel
    daemon = Daemon(tmp_path_factory.mktemp("slow"))
    try:
        yield daemon.start()
    finally:
        daemon.end()


def test_early_activation_is_refused(slow):
    operator = Client(slow.address, slow.operator_token)
    [key] = operator.ok("GET", "/v1/keys")["keys"]
    assert key["nextState"] == "retired"  # by the schedule
    pending = operator.ok("POST", "/v1/keys/rotate", {"immediately": False})["key"]
    operator.refused(409, "POST", "/v1/keys/rotate", {}, pending["nextOn"])
    assert keys_of(operator) == {"active": [key["kid"]], "pending": [pending["kid"]]}
    [row] = [row for row in operator.ok("GET", "/v1/keys")["keys"] if row["state"] == "active"]
    assert row["nextOn"] == pending["nextOn"]
    assert metric(slow, 'mintd_keys{state="pending"}') == 1
    assert 600 < metric(slow, "mintd_key_activation_seconds") <= 632
    operator.ok("DELETE", f"/v1/keys/{pending['kid']}")
    assert keys_of(operator) == {"active": [key["kid"]]}
    assert metric(slow, "mintd_key_overdue_seconds") == 0


def test_a_stolen_key(slow):
    """It signs no more at once, and once deleted nothing that it signed is good."""
    operator = Client(slow.address, slow.operator_token)
    org = Org(operator)
    service, project = org.service("issuer"), org.project()["name"]
    stolen = keys_of(operator)["active"][0]
    old = service.credential(project)
    operator.refused(409, "DELETE", f"/v1/keys/{stolen}", None, "immediate")
    new = operator.ok("POST", "/v1/keys/rotate", {"immediately": True})["key"]
    assert new["state"] == "active"
    for _ in range(20):  # by every worker
        fresh = Client(slow.address, service.token)
        path = f"/v1/orgs/{org.name}/projects/{project}/credentials"
        assert kid_of(fresh.ok("POST", path, {})["accessToken"]) == new["kid"]
        fresh.close()

    def is_active():
        return service.client.ok("POST", "/v1/introspect", {"token": old.jwt})["active"]
    assert is_active()
    assert Client(slow.address, old.jwt).get("/v1/verify").status == 200
    operator.ok("DELETE", f"/v1/keys/{stolen}")
    assert stolen not in served(operator)
    assert not is_active()
    assert Client(slow.address, old.jwt).get("/v1/verify").status == 401
    operator.refused(404, "DELETE", f"/v1/keys/{stolen}")


def test_the_etag_changes_with_the_set(slow):
    operator = Client(slow.address, slow.operator_token)
    etag = operator.get("/.well-known/jwks.json").headers["ETag"]
    again = operator.get("/.well-known/jwks.json", headers={"If-None-Match": etag})
    assert again.status == 304
    kid = operator.ok("POST", "/v1/keys/rotate")["key"]["kid"]
    reply = operator.get("/.well-known/jwks.json", headers={"If-None-Match": etag})
    assert reply.status == 200 and reply.headers["ETag"] != etag
    operator.ok("DELETE", f"/v1/keys/{kid}")
    assert operator.get("/.well-known/jwks.json").headers["ETag"] == etag


def test_mint_key(slow):
    def run(*arguments, status=0):
        env = {**clean_environment(), "MINT_URL": f"http://{slow.address}",
               "MINT_TOKEN": slow.operator_token}
        env.pop("HOME", None)
        ran = subprocess.run([MINT, "key", *arguments], env=env, check=False, capture_output=True,
                             text=True, timeout=60)
        assert ran.returncode == status, ran.stderr
        return ran.stdout + ran.stderr
    new = json.loads(run("rotate", "--format", "json"))
    assert (new["state"], new["nextState"]) == ("pending", "active")
    lines = run("list").splitlines()
    assert lines[0].split()[-2:] == ["NEXT", "ON"]
    [line] = [line for line in lines if new["kid"] in line]
    assert "pending" in line and "(in 10m" in line
    assert new["nextOn"] in run("rotate", status=1)
    assert run("delete", new["kid"]).startswith(f'Deleted key "{new["kid"]}".\nIn force everywhere')
    assert "not found" in run("delete", new["kid"], status=1)
    assert "active" in run("rotate", "--immediately")


# ---- what is not well

def test_another_master_key(make_daemon, tmp_path):
    daemon = make_daemon()
    daemon.stop()
    other = tmp_path / "other.key"
    other.write_text("00" * 32, encoding="ascii")
    other.chmod(0o600)
    ran = run_mintd("serve", "--data-dir", daemon.data, "--master-key-file", other,
                    "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
    assert ran.returncode == 1
    assert "does not open" in ran.stderr and str(other) in ran.stderr
    daemon.start()

