"""The audit record: what is in it, who sees it, and that nothing can be taken from it unseen."""

import calendar
import hashlib
import json
import re
import sqlite3
import subprocess
import time
import uuid
from contextlib import closing

import pytest

from api import TIME, UUID, Client, Org, metric
from daemon import MINT, clean_environment, run_mintd, wait_until

FIELDS = ["id", "seq", "createdOn", "orgId", "actorKind", "actorId", "actorName", "address",
          "requestId", "action", "target", "before", "after", "hash"]


def records(client, query=""):
    """All pages, newest first."""
    found, token = [], ""
    while True:
        page = client.ok("GET", f"/v1/audit?{query}{token}")
        assert set(page) == {"auditRecords", "nextPageToken"}
        found += page["auditRecords"]
        if not page["nextPageToken"]:
            return found
        token = f"&page_token={page['nextPageToken']}"


@pytest.fixture
def own(operator):
    return Org(operator)


# ---- what is in it

def test_who_did_what_from_where(operator, own):
    admin = own.service("admin")
    reply = admin.client.post(f"{own.path}/services",
                              '{"name":"gate","org_role_name":"viewer",'
                              '"attributes":{"é":[1.50,"\\u0001"]}}',
                              headers={"X-Request-Id": "request-7"})
    assert reply.status == 200
    [record] = records(operator, f"org={own.name}&page_size=1")[:1]
    assert list(record) == FIELDS
    assert TIME.fullmatch(record["createdOn"]) and UUID.fullmatch(record["orgId"])
    assert record["orgId"] == own.info["id"]
    assert (record["actorKind"], record["actorId"], record["actorName"]) == (
        "service", admin.token_id, admin.name)
    assert (record["address"], record["requestId"]) == ("127.0.0.1", "request-7")
    assert (record["action"], record["target"]) == ("services.create", "service gate")
    assert record["before"] is None and record["after"]["attributes"] == {"é": [1.5, "\x01"]}
    assert re.fullmatch("[0-9a-f]{64}", record["hash"])
    admin.client.ok("PATCH", f"{own.path}/services/gate", {"attributes": {"a": 1}})
    record = records(admin.client)[0]
    assert record["action"] == "services.edit"
    assert record["before"]["attributes"] == {"é": [1.5, "\x01"]}
    assert record["after"]["attributes"] == {"a": 1}


def test_every_change_has_one_record(operator, own):
    before = len(records(operator))
    project = own.project()["name"]
    service = own.service("viewer", project, "issuer")
    operator.ok("PUT", f"{service.path}/role", {"role": "guest"})
    operator.ok("DELETE", f"{service.path}/role")
    operator.ok("DELETE", f"/v1/services/tokens/{service.token_id}")
    operator.ok("DELETE", service.path)
    operator.refused(404, "DELETE", service.path)
    operator.refused(400, "POST", f"{own.path}/projects", {"name": "x"})
    actions = [record["action"] for record in reversed(records(operator)[:-before])]
    assert actions == ["projects.create", "services.create", "tokens.issue", "services.role.set",
                       "services.role.remove", "tokens.revoke", "services.delete"]


def test_minting_is_not_in_it(operator, own):
    project = own.project()["name"]
    service = own.service("issuer")
    before = records(operator)
    service.credential(project, {"user_email": "ada@example.com"})
    assert own.service("viewer").mint(project).status == 403
    after = [record for record in records(operator) if record["action"] not in
             ("services.create", "tokens.issue")]
    assert after == [record for record in before if record["action"] not in
                     ("services.create", "tokens.issue")]


# ---- who sees it

def test_everybody_sees_his_own(operator, own):
    other = Org(operator)
    admin, foreign = own.service("admin"), other.service("admin")
    mine, theirs = records(admin.client), records(foreign.client)
    assert {record["orgId"] for record in mine} == {own.info["id"]}
    assert {record["orgId"] for record in theirs} == {other.info["id"]}
    assert records(operator, f"org={own.name.upper()}") == mine
    assert records(admin.client, f"org={own.name}") == mine
    everything = records(operator)
    assert [record["id"] for record in everything] == list(range(len(everything), 0, -1))
    assert everything[-1]["action"] == "init" and everything[-1]["orgId"] == ""
    admin.client.refused(403, "GET", f"/v1/audit?org={other.name}")
    admin.client.refused(403, "GET", "/v1/audit?org=nothing-here")
    operator.refused(404, "GET", "/v1/audit?org=nothing-here", about="org")
    for role in ("editor", "viewer", "guest", "issuer"):
        own.service(role).client.refused(403, "GET", "/v1/audit", about="admin")


def test_pages(operator, own):
    for _ in range(5):
        own.project()
    whole = records(operator)
    for size in (1, 2, len(whole) - 1, len(whole), 1000):
        assert records(operator, f"page_size={size}") == whole
    page = operator.ok("GET", "/v1/audit?page_size=3")
    own.project()
    token = page["nextPageToken"]
    assert operator.ok("GET", f"/v1/audit?pageToken={token}")["auditRecords"][0] == whole[3]


def test_a_page_ends_before_it_grows_too_large(operator, own):
    service = own.service("viewer")
    for number in range(20):
        operator.ok("PATCH", service.path, {"attributes": {"a": "é" * 8000, "n": number}})
    page = operator.ok("GET", f"/v1/audit?org={own.name}&page_size=1000")
    assert 10 < len(page["auditRecords"]) < 20 and page["nextPageToken"]
    edits = [record["after"]["attributes"]["n"] for record in records(operator, f"org={own.name}")
             if record["action"] == "services.edit"]
    assert edits == list(range(19, -1, -1))


@pytest.mark.parametrize("query, about", [
    ("org=", "org"), ("org=a&org=b", "org"), ("page_token=x", "page_token"), ("orgs=x", "orgs"),
    ("page_token=0", "page_token"), ("page_token=-1", "page_token"),
    ("page_token=99999999999999999999", "page_token"), ("page_size=1001", "page_size"),
    ("explain=1", "explain")])
def test_bad_questions(operator, query, about):
    operator.refused(400, "GET", f"/v1/audit?{query}", about=about)


# ---- refusals

@pytest.fixture
def quiet(make_daemon):
    """The operator of a daemon that refuses nothing but what the test tries: there is a limit."""
    daemon = make_daemon()
    return Client(daemon.address, daemon.operator_token)


def noted(operator, org, request_id):
    found = wait_until(lambda: [record for record in records(operator, f"org={org.name}")
                                if record["requestId"] == request_id], "the record")
    assert len(found) == 1
    return found[0]


def test_a_refused_attempt_is_noted(quiet):
    own = Org(quiet)
    viewer = own.service("viewer")
    path = f"{own.path}/services/{viewer.name}/role"
    viewer.client.refused(403, "PUT", path, {"role": "admin"}, headers={"X-Request-Id": "try-1"})
    record = noted(quiet, own, "try-1")
    assert (record["action"], record["target"]) == ("services.role.set", f"refused: {path}")
    assert (record["seq"], record["before"], record["after"]) == (0, None, None)
    assert (record["actorId"], record["actorName"]) == (viewer.token_id, viewer.name)


def test_an_attempt_elsewhere_is_noted_at_home(quiet):
    """In the record of the caller's org: the other one learns nothing of its service."""
    own, stranger = Org(quiet), Org(quiet)
    own.service("admin").client.refused(403, "GET", f"{stranger.path}/services",
                                        headers={"X-Request-Id": "try-2"})
    assert noted(quiet, own, "try-2")["target"] == f"refused: {stranger.path}/services"
    assert all(record["requestId"] != "try-2"
               for record in records(quiet, f"org={stranger.name}"))


def test_hammering_does_not_fill_the_registry(make_daemon):
    daemon = make_daemon(workers=1)
    operator = Client(daemon.address, daemon.operator_token)
    viewer = Org(operator).service("viewer").client
    before, began = len(records(operator)), time.monotonic()
    for _ in range(400):
        assert viewer.get("/v1/audit").status == 403
    wait_until(lambda: len(records(operator)) - before + metric(
        daemon, "mintd_audit_refusals_unnoted_total") == 400, "every refusal")
    noted = len(records(operator)) - before
    assert 100 <= noted <= 101 + time.monotonic() - began


# ---- the chain

def chain_hash(record, before):
    """By the words of the interface, not by the code of either program."""
    def number(value):
        return value.to_bytes(8, "big")
    seconds = calendar.timegm(time.strptime(record["createdOn"], "%Y-%m-%dT%H:%M:%SZ"))
    org = uuid.UUID(record["orgId"]).bytes if record["orgId"] else bytes(16)
    texts = [record[name] for name in FIELDS[4:11]] + [
        "" if record[name] is None else json.dumps(record[name], separators=(",", ":"),
                                                   ensure_ascii=False)
        for name in ("before", "after")]
    parts = [number(record["id"]), number(record["seq"]), number(seconds), org,
             *(text.encode() for text in texts)]
    return hashlib.sha256(before + b"".join(number(len(part)) + part for part in parts)).digest()


def mint_audit_verify(daemon, *arguments, token=None, status=0):
    env = {**clean_environment(), "MINT_URL": f"http://{daemon.address}",
           "MINT_TOKEN": token or daemon.operator_token}
    env.pop("HOME", None)
    ran = subprocess.run([MINT, "audit", "verify", *arguments], env=env, capture_output=True,
                         text=True, timeout=60, check=False)
    assert ran.returncode == status, ran
    return ran.stdout if status == 0 else ran.stderr


def mintd_audit_verify(daemon):
    return run_mintd("audit", "verify", *daemon.store_flags)


def populate(daemon):
    operator = Client(daemon.address, daemon.operator_token)
    org = Org(operator)
    project = org.project(description='"quoted" \\ <é> 💡 / ')["name"]
    service = org.service("viewer", project, "issuer", attributes={
        "deep": {"a": [{"b": [[]]}]}, "text": "\x01\x7f\u2028/\\\"", "n": [0, -1, 1.5]})
    operator.ok("PATCH", service.path, {"attributes": {"x": None}, "policy": {"maxTtlSeconds": 60}})
    operator.ok("DELETE", service.path)
    return operator, org


@pytest.fixture
def populated(make_daemon):
    daemon = make_daemon()
    operator, org = populate(daemon)
    return daemon, operator, org


def test_the_chain_by_its_description(populated):
    daemon, operator, _ = populated
    before = bytes(32)
    rows = records(operator)[::-1]
    assert len(rows) == 7
    for record in rows:
        before = chain_hash(record, before)
        assert record["hash"] == before.hex(), record
    said = json.loads(mint_audit_verify(daemon, "--format", "json"))
    assert said == {"rows": 7, "head": f"7:{before.hex()}"}
    assert mintd_audit_verify(daemon).stdout == "the audit record is whole: 7 rows\n"
    assert "the audit record is whole" in mint_audit_verify(daemon, "--head", said["head"])


def test_the_chain_over_several_pages(populated):
    daemon, operator, org = populated
    for _ in range(3):
        service = org.service("viewer")
        for _ in range(12):
            operator.ok("PATCH", service.path, {"attributes": {"a": "x" * 16000}})
    assert len(operator.ok("GET", "/v1/audit?page_size=1000")["auditRecords"]) < 49
    assert json.loads(mint_audit_verify(daemon, "--format", "json"))["rows"] == 49


def test_only_the_operator_sees_the_chain(populated):
    daemon, _, org = populated
    said = mint_audit_verify(daemon, token=org.service("admin").token, status=1)
    assert "row 1 is missing" in said and "only the operator" in said


TAMPERINGS = {
    "a name": (["UPDATE audit SET actor_name = 'x' WHERE id = 3"], 3, "row 3 was changed"),
    "a time": (["UPDATE audit SET at = at - 1 WHERE id = 4"], 4, "row 4 was changed"),
    "an org": (["UPDATE audit SET org_id = zeroblob(16) WHERE id = 4"], 4, "row 4 was changed"),
    "json": (["""UPDATE audit SET after_json = replace(after_json, 'viewer', 'admin')
                 WHERE id = 4"""], 4, "row 4 was changed"),
    "a hash": (["UPDATE audit SET hash = zeroblob(32) WHERE id = 5"], 5, "row 5 was changed"),
    "removed": (["DELETE FROM audit WHERE id = 2"], None, "row 2 is missing"),
    "first": (["DELETE FROM audit WHERE id = 1"], None, "row 1 is missing"),
    "moved": (["DELETE FROM audit WHERE id = 2", "UPDATE audit SET id = id - 1 WHERE id > 2"], 2,
              "row 2 was changed"),
}


@pytest.mark.embedded
@pytest.mark.parametrize("what", TAMPERINGS)
def test_tampering_shows(populated, what):
    """With the file itself, which no permission of the API guards."""
    daemon = populated[0]
    statements, row, said = TAMPERINGS[what]
    daemon.stop()
    with closing(sqlite3.connect(daemon.data / "registry.db")) as registry:
        for statement in statements:
            assert registry.execute(statement).rowcount > 0
        registry.commit()
    ran = mintd_audit_verify(daemon)
    assert ran.returncode == 1 and ran.stdout == ""
    assert re.search(rf"not whole: row {row or '[0-9]+'} was changed, removed or cut off",
                     ran.stderr)
    daemon.start()
    assert said in mint_audit_verify(daemon, status=1)


@pytest.mark.embedded
def test_an_end_cut_off_shows(populated):
    """The registry knows its end; who rewrites that too is found by a head that was kept."""
    daemon = populated[0]
    head = json.loads(mint_audit_verify(daemon, "--format", "json"))["head"]
    daemon.stop()
    with closing(sqlite3.connect(daemon.data / "registry.db")) as registry:
        registry.execute("DELETE FROM audit WHERE id = 7")
        registry.commit()
        assert "row 7 was" in mintd_audit_verify(daemon).stderr
        registry.execute("""UPDATE meta SET number = 6,
                         bytes = (SELECT hash FROM audit WHERE id = 6) WHERE name = 'audit'""")
        registry.commit()
    assert mintd_audit_verify(daemon).returncode == 0
    daemon.start()
    mint_audit_verify(daemon)
    assert "row 7 is missing" in mint_audit_verify(daemon, "--head", head, status=1)
    operator = Client(daemon.address, daemon.operator_token)
    operator.ok("POST", "/v1/orgs", {"name": "instead"})
    assert "row 7 was changed" in mint_audit_verify(daemon, "--head", head, status=1)


@pytest.mark.parametrize("head", ["", "7", "7:", "0:" + "0" * 64, "x:" + "0" * 64, "7:" + "0" * 63])
def test_a_head_that_is_none(populated, head):
    assert "--head must be ID:HASH" in mint_audit_verify(populated[0], "--head", head, status=2)


def test_a_registry_that_is_not_there(tmp_path):
    ran = run_mintd("audit", "verify", "--data-dir", tmp_path / "none")
    assert ran.returncode == 1 and "no data folder" in ran.stderr
    assert run_mintd("audit").returncode == 2
