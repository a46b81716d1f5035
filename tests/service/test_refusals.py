"""What an admin gets wrong: each mistake with its status, and a message that says what to do."""

import json
import threading

import pytest

from api import Client, Org, unique
from daemon import run_mintd, wait_until


@pytest.fixture(scope="module")
def other(operator):
    """Another org, with a project and a service that ours has not."""
    org = Org(operator)
    org.project("theirs")
    org.service("viewer", name="them")
    return org


@pytest.fixture(scope="module")
def own(operator, other):
    org = Org(operator)
    org.project("board")
    org.service("admin", name="gate")
    org.service("viewer", name="watch", project="board", project_role="viewer")
    return org


def service(**fields):
    return {"name": "fresh", "org_role_name": "viewer", **fields}


LARGE = {"a": "x" * 16384}
DEEP = json.loads("[" * 40 + "]" * 40)
# method, path in the org, body, status, what the message says
MISTAKES = [
    # what is not there
    ("DELETE", "/services/nothing", None, 404, "service not found"),
    ("DELETE", "/services/them", None, 404, "service not found"),
    ("DELETE", "/projects/nothing", None, 404, "project not found"),
    ("DELETE", "/projects/theirs", None, 404, "project not found"),
    ("DELETE", "/projects/board/services/gate", None, 404, "role"),
    ("DELETE", "/projects/theirs/services/gate", None, 404, "project not found"),
    ("DELETE", "/projects/board/services/nothing", None, 404, "service not found"),
    ("PATCH", "/services/nothing", {"attributes": {}}, 404, "service not found"),
    ("PUT", "/services/nothing/role", {"role": "admin"}, 404, "service not found"),
    ("PUT", "/projects/theirs/services/gate/role", {"role": "admin"}, 404, "project not found"),
    ("PUT", "/projects/board/services/them/role", {"role": "admin"}, 404, "service not found"),
    ("POST", "/services/nothing/tokens", {}, 404, "service not found"),
    # a name in use
    ("POST", "/services", service(name="gate"), 409, "the name gate is taken; choose another"),
    ("POST", "/services", service(name="GATE"), 409, "taken; choose another"),
    ("PATCH", "/services/watch", {"new_name": "gate"}, 409, "gate is taken; choose another"),
    ("PATCH", "/services/watch", {"newName": "Gate"}, 409, "taken; choose another"),
    ("POST", "/projects", {"name": "Board"}, 409, "the name Board is taken; choose another"),
    # a role that is not there, or not of that kind
    ("POST", "/services", service(org_role_name="owner"), 400, "admin, editor, viewer, guest"),
    ("POST", "/services", service(project="board", project_role_name="guest"), 400,
     "admin, editor, viewer, issuer"),
    ("PUT", "/services/gate/role", {"role": "root"}, 400, "admin, editor, viewer, guest"),
    ("PUT", "/projects/board/services/gate/role", {"role": "guest"}, 400,
     "admin, editor, viewer, issuer"),
    ("PUT", "/services/gate/role", {}, 400, "the field role is required"),
    ("POST", "/services", {"name": "fresh"}, 400, "role"),
    ("POST", "/services", service(project="board"), 400, "project_role_name"),
    # a project of another org, or none
    ("POST", "/services", service(project="theirs", project_role_name="viewer"), 404,
     "project not found"),
    ("POST", "/services", service(project="nothing", project_role_name="viewer"), 404,
     "project not found"),
    # attributes that are none
    ("POST", "/services", service(attributes=[1]), 400, "attributes must be a JSON object"),
    ("POST", "/services", service(attributes="{}"), 400, "attributes must be a JSON object"),
    ("POST", "/services", service(attributes=LARGE), 400, "larger than 16384 bytes; send fewer"),
    ("POST", "/services", service(attributes={"a": DEEP}), 400, "deep; flatten it"),
    ("PATCH", "/services/gate", {"attributes": [1]}, 400, "attributes must be a JSON object"),
    ("PATCH", "/services/gate", {"attributes": 7}, 400, "attributes must be a JSON object"),
    ("PATCH", "/services/gate", {"attributes": LARGE}, 400, "larger than 16384 bytes; send fewer"),
    ("PATCH", "/services/gate", '{"attributes":{"a":1,"a":2}}', 400, "stands twice"),
    ("PATCH", "/services/gate", {"new_name": "x"}, 400, "3 to 40 letters"),
    ("PATCH", "/services/gate", {"name": "other"}, 400, "name is not known here"),
]


@pytest.mark.parametrize("caller", ["operator", "admin"])
@pytest.mark.parametrize("method, path, body, status, says", MISTAKES)
def test_mistake(operator, own, caller, method, path, body, status, says):
    """The same to the operator and to the org's admin; and nothing is changed by it."""
    if caller == "operator":
        client = operator
    else:
        token = operator.ok("POST", f"{own.path}/services/gate/tokens", {})["token"]
        client = Client(operator.address, token)
    before = state(operator, own)
    message = client.refused(status, method, own.path + path, body)
    assert says in message
    assert state(operator, own) == before


def state(operator, org):
    return [operator.ok("GET", f"{org.path}/{kind}") for kind in ("services", "projects")]


def test_deleted_twice(operator):
    org = Org(operator)
    path = f"{org.path}/services/{org.service('viewer').name}"
    operator.ok("DELETE", path)
    assert operator.refused(404, "DELETE", path) == "service not found"
    operator.ok("DELETE", org.path)
    assert operator.refused(404, "DELETE", org.path) == "org not found"


def test_expired_operator_token(make_daemon, tmp_path):
    """It is refused like any bad token, and another one is made beside the running daemon."""
    daemon = make_daemon()

    def another(*arguments):
        run = run_mintd("operator-token", "--data-dir", daemon.data, "--operator-token-file",
                        tmp_path / "another", *arguments)
        assert run.returncode == 0, run.stderr
        return Client(daemon.address, (tmp_path / "another").read_text(encoding="ascii").strip())
    client = another("--operator-token-ttl", "2s")
    client.ok("GET", "/v1/orgs")
    wait_until(lambda: client.get("/v1/orgs").status == 401, "the token to expire")
    message = client.refused(401, "POST", "/v1/orgs", {"name": "acme"})
    assert message == "the token is not valid here; issue a new one"
    assert daemon.log_lines('"TOKEN_EXPIRED"')
    another().ok("POST", "/v1/orgs", {"name": "acme"})
    for ttl in ("0", "1w", "x", "4294967296"):
        run = run_mintd("operator-token", "--data-dir", daemon.data, "--operator-token-ttl", ttl)
        assert run.returncode == 1 and "30m or 8h" in run.stderr and not run.stdout


# ---- two admins at once

def together(address, token, calls):
    """Every list of calls by a thread of its own; the answers of each."""
    answers = [[] for _ in calls]

    def run(own_calls, own_answers):
        client = Client(address, token)
        for method, path, body in own_calls:
            own_answers.append(client.call(method, path, body))
        client.close()
    threads = [threading.Thread(target=run, args=pair, daemon=True)
               for pair in zip(calls, answers, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return answers


def test_edits_of_different_fields(operator, rounds):
    """Neither undoes what the other one did."""
    service = Org(operator).service("viewer", attributes={"n": -1}, policy={"maxTtlSeconds": 9})
    last = rounds(30)
    answers = together(operator.address, operator.token, [
        [("PATCH", service.path, {"attributes": {"n": n}}) for n in range(last + 1)],
        [("PATCH", service.path, {"policy": {"maxTtlSeconds": n + 1}}) for n in range(last + 1)],
        [("PUT", f"{service.path}/role", {"role": ("guest", "issuer")[n % 2]})
         for n in range(last + 1)]])
    assert {answer.status for part in answers for answer in part} == {200}
    # Whoever edits is answered with his own edit, whatever else was done meanwhile.
    assert [answer.json["service"]["attributes"]["n"] for answer in answers[0]] == list(
        range(last + 1))
    shown = operator.ok("GET", service.path)["service"]
    assert shown["attributes"] == {"n": last} and shown["policy"] == {"maxTtlSeconds": last + 1}
    assert shown["roleName"] == ("guest", "issuer")[last % 2]


def test_edits_of_the_same_field(operator, rounds):
    """One of them stands whole, and it is the one that the record has last."""
    org = Org(operator)
    service = org.service("viewer")
    count = rounds(30)
    edits = [[{who: n, "both": who, "fill": who * 500} for n in range(count)] for who in "abc"]
    answers = together(operator.address, operator.token, [
        [("PATCH", service.path, {"attributes": edit}) for edit in part] for part in edits])
    for part, own_answers in zip(edits, answers, strict=True):
        assert [answer.json["service"]["attributes"] for answer in own_answers] == part
    shown = operator.ok("GET", service.path)["service"]["attributes"]
    assert shown in [part[-1] for part in edits]
    records = operator.ok("GET", f"/v1/audit?org={org.name}&page_size=1000")["auditRecords"]
    made = [record for record in records if record["action"] == "services.edit"]
    assert len(made) == 3 * count and made[0]["after"]["attributes"] == shown
    for later, earlier in zip(made, made[1:]):
        assert later["before"]["attributes"] == earlier["after"]["attributes"]


def test_both_want_the_name(operator):
    """Made, or taken by a rename: one gets it, the other one is told so."""
    org = Org(operator)
    services = [org.service("viewer").path for _ in range(4)]
    name = unique("wanted")
    answers = together(operator.address, operator.token, [
        [("PATCH", path, {"new_name": name})] for path in services] + [
        [("POST", f"{org.path}/services", {"name": name.upper(), "org_role_name": "viewer"})]
        for _ in range(4)])
    statuses = sorted(answer.status for [answer] in answers)
    assert statuses == [200] + [409] * 7
    names = [row["name"].lower() for row in operator.ok("GET", f"{org.path}/services")["services"]]
    assert names.count(name) == 1


def test_both_delete(operator):
    org = Org(operator)
    path = org.service("viewer").path
    answers = together(operator.address, operator.token, [[("DELETE", path, None)]] * 4)
    assert sorted(answer.status for [answer] in answers) == [200, 404, 404, 404]
