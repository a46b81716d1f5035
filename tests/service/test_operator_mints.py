"""The operator mints only as a service that he names: with its roles, attributes and policy."""

import json
import subprocess

import pytest

from api import Client, Credential, Org, credentials_path
from daemon import MINT, clean_environment


@pytest.fixture(scope="module")
def own(operator):
    org = Org(operator)
    org.project("board", frontend_url="https://app.test")
    return org


@pytest.fixture(scope="module")
def gate(own):
    return own.service(project="board", project_role="issuer", attributes={"tier": "gold"},
                       policy={"pinnedAttributes": {"tenant": "a"}, "maxTtlSeconds": 600})


@pytest.fixture(scope="module")
def operator_token_id(operator, own):
    """As the audit record knows it."""
    return operator.ok("GET", f"/v1/audit?org={own.name}")["auditRecords"][0]["actorId"]


ROUTES = {"": {}, "/batch": {"requests": [{}]}, "iframe": {"resource": "sales"}}


def path_of(org, route, query):
    path = credentials_path(org.name, "board")
    path = path.replace("credentials", "iframe") if route == "iframe" else path + route
    return path + query


def minted(answer):
    [answer] = answer.get("credentials", [answer])
    return Credential(answer["accessToken"]).claims


@pytest.mark.parametrize("route, body", ROUTES.items())
def test_as_a_service(operator, own, gate, operator_token_id, route, body):
    asked = path_of(own, route, f"?service={gate.name.upper()}")
    claims = minted(operator.ok("POST", asked, body))
    assert claims["act"] == {"sub": f"svc_{gate.info['id']}", "tid": operator_token_id}
    assert claims["sub"] == f"svc_{gate.info['id']}" and claims["exp"] - claims["iat"] == 600
    assert claims["attr"]["tier"] == "gold" and claims["attr"]["tenant"] == "a"
    assert minted(gate.client.ok("POST", path_of(own, route, ""), body))["act"]["tid"] == (
        gate.token_id)


@pytest.mark.parametrize("route, body", ROUTES.items())
def test_refused(operator, own, gate, route, body):
    message = operator.refused(403, "POST", path_of(own, route, ""), body)
    assert "?service=NAME" in message
    named = path_of(own, route, f"?service={gate.name}")
    message = gate.client.refused(403, "POST", named, body)
    assert message == "only the operator token names a service; leave ?service= out"
    operator.refused(404, "POST", path_of(own, route, "?service=nothing"), body, "service")
    stranger = Org(operator).service("admin").name
    operator.refused(404, "POST", path_of(own, route, f"?service={stranger}"), body, "service")
    viewer = own.service("viewer").name
    message = operator.refused(403, "POST", path_of(own, route, f"?service={viewer}"), body)
    assert "issuer" in message
    operator.refused(400, "POST", path_of(own, route, "?service="), body, "service")


def test_policy_holds(operator, own, gate):
    asked = path_of(own, "", f"?service={gate.name}")
    assert "pins" in operator.refused(403, "POST", asked, {"attributes": {"tenant": "b"}})
    operator.refused(400, "POST", asked, {"ttl_seconds": 601}, "ttl_seconds")
    explained = operator.ok("POST", f"{asked}&explain=1", {})
    assert explained["policy"]["maxTtlSeconds"] == 600 and "accessToken" not in explained


def test_changes_count_at_once(operator, own):
    service = own.service("issuer")
    asked = path_of(own, "", f"?service={service.name}")
    credential = Credential(operator.ok("POST", asked)["accessToken"]).jwt
    verify = Client(operator.address, credential)

    def good():
        introspected = operator.ok("POST", "/v1/introspect", {"token": credential})["active"]
        assert introspected == (verify.get("/v1/verify").status == 200)
        return introspected
    assert good()
    operator.ok("PUT", f"{service.path}/role", {"role": "viewer"})
    assert operator.post(asked).status == 403 and not good()
    operator.ok("PUT", f"{service.path}/role", {"role": "issuer"})
    assert operator.post(asked).status == 200 and good()
    operator.ok("PATCH", service.path, {"new_name": f"{service.name}-new"})
    assert operator.post(asked).status == 404 and good()
    assert operator.post(f"{asked}-new").status == 200
    operator.ok("DELETE", f"{service.path}-new")
    assert operator.post(f"{asked}-new").status == 404 and not good()


def test_log(daemon, operator, own, gate, operator_token_id):
    """The operator's token, and as whom."""
    claims = minted(operator.ok("POST", path_of(own, "", f"?service={gate.name}"),
                                {"user_id": "u"}))
    [line] = daemon.log_lines(claims["jti"])
    line = json.loads(line)
    assert (line["token"], line["service"], line["target"]) == (
        operator_token_id, gate.name, gate.name)


def test_command_line(operator, own, gate):
    def mint(*words):
        return subprocess.run(
            [MINT, *words, "--project", "board"], capture_output=True, text=True, timeout=30,
            stdin=subprocess.DEVNULL, check=False, env=clean_environment(
                MINT_URL=f"http://{operator.address}", MINT_TOKEN=operator.token,
                MINT_ORG=own.name, HOME="/nonexistent"))
    ran = mint("issue", "--service", gate.name, "--user-id", "u")
    assert ran.returncode == 0 and Credential(ran.stdout.strip()).claims["attr"] == {
        "id": "u", "tenant": "a"}
    ran = mint("iframe", "--service", gate.name, "--resource", "sales")
    assert ran.returncode == 0 and ran.stdout.startswith("https://app.test/-/embed?access_token=")
    ran = mint("issue", "--explain", "--service", "a b&c")
    assert ran.returncode == 1 and "service not found" in ran.stderr
    ran = mint("issue")
    assert ran.returncode == 1 and "?service=NAME" in ran.stderr
