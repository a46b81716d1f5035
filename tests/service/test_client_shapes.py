"""Clients written for Rill work here: the forms of request that its public examples send, from
JavaScript and Python, each with what it reads of the answer; only URL and token are ours."""

import dataclasses
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from api import Credential
from daemon import clean_environment

CLIENTS = Path(__file__).parent / "clients"
BODY = {"resource": "sales", "userId": "ada-7"}


@pytest.fixture(scope="module")
def project(org):
    return org.project(frontend_url="https://app.test")


@pytest.fixture
def ask(org, project):
    """ask("next", BODY, token): status and body of the function's own reply."""
    def run(host, body, token):
        environment = clean_environment(
            RILL_URL=f"http://{org.operator.address}", RILL_ORG=org.name,
            RILL_PROJECT=project["name"], RILL_SERVICE_TOKEN=token)
        ran = subprocess.run(["node", CLIENTS / "ask.mjs", host], input=json.dumps(body), text=True,
                             env=environment, capture_output=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr
        reply = json.loads(ran.stdout)
        return reply["status"], reply["body"]
    return run


def embedded(url):
    """The parameters of an iframe's URL, and the credential in it."""
    parts = urllib.parse.urlsplit(url)
    assert parts[:3] == ("https", "app.test", "/-/embed")
    parameters = dict(urllib.parse.parse_qsl(parts.query, strict_parsing=True))
    return parameters, Credential(parameters["access_token"])


@pytest.mark.parametrize("host, attributes, theme", [
    ("next", {"tenant": "acme", "embed": True}, "dark"), ("netlify", {"embed": True}, None)])
def test_javascript(ask, org, project, host, attributes, theme):
    status, body = ask(host, BODY, org.service("issuer").token)
    assert status == 200 and set(body) == {"iframeSrc"}, body
    parameters, credential = embedded(body["iframeSrc"])
    assert parameters["resource"] == "sales" and parameters.get("theme_mode") == theme
    assert parameters["kind"] == parameters["type"] == "rill.runtime.v1.Explore"
    assert parameters["instance_id"] == project["instanceId"]
    claims = credential.claims
    assert claims["attr"] == attributes and claims["sub"].startswith("ext_")
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize("host", ["next", "netlify"])
def test_javascript_that_is_refused(ask, org, host):
    """They hand status and message on."""
    status, body = ask(host, BODY, org.service("viewer").token)
    assert status == 403 and "issuer" in body["error"]
    status, body = ask(host, BODY, "rill_svc_" + "0" * 60)
    assert status == 401 and "token" in body["error"]
    status, body = ask(host, {**BODY, "resource": ""}, org.service("issuer").token)
    assert status == 400 and "resource" in body["error"]


@dataclasses.dataclass
class Embed:
    """The answer in a client with a data model: it takes none with a member missing or of another
    type."""

    iframeSrc: str
    runtimeHost: str
    instanceId: str
    accessToken: str
    ttlSeconds: int

    @classmethod
    def of(cls, answer):
        members = {field.name: answer[field.name] for field in dataclasses.fields(cls)}
        for field in dataclasses.fields(cls):
            assert type(members[field.name]) is field.type, (field.name, answer)
        return cls(**members)


def python_call(address, token, path, body):
    """urllib's own idea of a request: HTTP/1.1 with Connection: close."""
    asked = urllib.request.Request(
        f"http://{address}{path}", data=json.dumps(body).encode(), method="POST",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json",
                 "Accept": "application/json"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.load(answer)


@pytest.mark.parametrize("subject, sub, attributes", [
    ({"userEmail": "ada@example.com"}, None,
     {"email": "ada@example.com", "domain": "example.com", "admin": False, "embed": True}),
    ({"userId": "u7"}, "u7", {"id": "u7", "embed": True}),
    ({"attributes": {"tenant": "acme", "embed": False}}, None, {"tenant": "acme", "embed": False})])
def test_python(org, project, subject, sub, attributes):
    """camelCase throughout, absent options left out, all five members of the answer needed."""
    path = f"/v1/orgs/{org.name}/projects/{project['name']}/iframe"
    answer = python_call(org.operator.address, org.service("issuer").token, path,
                         {"resource": "sales", "type": "canvas", "ttlSeconds": 600,
                          "navigation": True, "themeMode": "light", **subject})
    embed = Embed.of(answer)
    assert embed.runtimeHost == "https://runtime.test" and embed.ttlSeconds == 600
    parameters, credential = embedded(embed.iframeSrc)
    assert parameters["access_token"] == embed.accessToken
    assert parameters["instance_id"] == embed.instanceId == project["instanceId"]
    assert parameters["navigation"] == "true" and parameters["type"] == "rill.runtime.v1.Canvas"
    assert credential.claims["attr"] == attributes and credential.claims.get("sub") == sub


def test_python_that_is_refused(org, project):
    path = f"/v1/orgs/{org.name}/projects/{project['name']}/iframe"
    with pytest.raises(urllib.error.HTTPError) as refused:
        python_call(org.operator.address, org.service("issuer").token, path, {"themeMode": "blue"})
    with refused.value as answer:
        assert answer.code == 400 and json.load(answer)["code"] == 3
