"""The OpenAPI document: complete, well-formed, and true.

That replies are as it says is checked with every request of every service test (api.Client)."""

import copy
import json
import re
from pathlib import Path

import pytest

from api import Client, unique
from daemon import Daemon
from openapi import Document
from tools import cache_folder, run

ROOT = Path(__file__).resolve().parents[2]
ROUTE = re.compile(r'^ROUTE\(\w+, "([^"]+)", (\w+), "([^"]+)", (\w+),', re.MULTILINE)
LINTERS = {"@redocly/cli": "1.34.5", "@stoplight/spectral-cli": "6.15.0"}
DOCUMENT = Document.of_mintd()
OPERATIONS = {operation["operationId"]: (path, method, operation)
              for path, method, operation in DOCUMENT.operations}


def media_of(part):
    return part["content"]["application/json"]


# ---- the document by itself

def test_it_is_served(client):
    reply = client.get("/openapi.json")
    assert reply.status == 200 and reply.json == DOCUMENT.json
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.headers["Cache-Control"].startswith("public, max-age=")
    assert reply.json["info"]["version"] == client.ok("GET", "/v1/ping")["version"]


def test_every_route_is_in_it_and_no_other():
    table = ROUTE.findall((ROOT / "src/server/routes.def").read_text(encoding="utf-8"))
    assert len(table) > 30
    rows = {(name, "get" if method == "ANY" else method.lower(), path)
            for name, method, path, _ in table}
    assert rows == {(name, method, path) for name, (path, method, _) in OPERATIONS.items()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_told_in_full(name):
    path, method, operation = OPERATIONS[name]
    assert operation["summary"] and "Who may: " in operation["description"]
    assert set(operation["tags"]) < {tag["name"] for tag in DOCUMENT.json["tags"]}
    parameters = [DOCUMENT.resolve(parameter) for parameter in operation["parameters"]]
    in_path = [parameter for parameter in parameters if parameter["in"] == "path"]
    assert [parameter["name"] for parameter in in_path] == re.findall(r"\{(\w+)\}", path)
    assert all("example" in parameter for parameter in in_path)
    answer = media_of(operation["responses"]["200"])
    assert not DOCUMENT.errors(answer["schema"], answer["example"])
    if "requestBody" in operation:
        for media in operation["requestBody"]["content"].values():
            assert not DOCUMENT.errors(media["schema"], media["example"])
    else:
        assert method not in ("patch", "put")


def test_no_schema_is_left_over():
    text = json.dumps(DOCUMENT.json)
    for name in DOCUMENT.json["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


@pytest.mark.parametrize("linter", LINTERS)
def test_linters_find_nothing(linter, tmp_path):
    """But for who is to be asked and the licence, which are not the document's to say."""
    package = f"{linter}@{LINTERS[linter]}"
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT.json), encoding="utf-8")
    (tmp_path / "redocly.yaml").write_text(
        "extends: [recommended-strict]\nrules: {info-license: off}\n", encoding="utf-8")
    (tmp_path / "spectral.yaml").write_text(
        "extends: [spectral:oas]\nrules: {info-contact: off}\n", encoding="utf-8")
    with cache_folder(linter.strip("@").replace("/", "-")) as folder:
        if not (folder / package.replace("/", "-")).exists():
            run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", package],
                cwd=folder)
            (folder / package.replace("/", "-")).touch()
        command = {
            "@redocly/cli": ["redocly", "lint", "--config", tmp_path / "redocly.yaml"],
            "@stoplight/spectral-cli": ["spectral", "lint", "--fail-severity=hint", "--ruleset",
                                        tmp_path / "spectral.yaml"]}[linter]
        command[0] = folder / "node_modules" / ".bin" / command[0]
        run([*command, tmp_path / "openapi.json"], cwd=tmp_path)


# ---- a judge that finds nothing is none

@pytest.mark.parametrize("spoil", [
    lambda org: org.pop("createdOn"), lambda org: org.update(extra=1),
    lambda org: org.update(name="x"), lambda org: org.update(id="no uuid"),
    lambda org: org.update(createdOn="2026-01-31 10:00:00")])
def test_the_judge_sees_what_is_wrong(spoil):
    answer = media_of(OPERATIONS["orgs.get"][2]["responses"]["200"])
    spoilt = copy.deepcopy(answer["example"])
    assert not DOCUMENT.errors(answer["schema"], spoilt)
    spoil(spoilt["organization"])
    assert DOCUMENT.errors(answer["schema"], spoilt)


# ---- the document against the daemon

@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A daemon in which the examples come true, one after the other."""
    daemon = Daemon(tmp_path_factory.mktemp("told"))
    try:
        yield daemon.start()
    finally:
        daemon.end()


# First what makes things, in the document's order, then the rest, then what ends them.
FIRST = ["orgs.create", "projects.create", "services.create", "tokens.issue"]
LAST = ["projects.services.remove", "services.role.remove", "tokens.revoke", "services.delete",
        "projects.delete", "orgs.delete"]
ORDER = FIRST + [name for name in OPERATIONS if name not in FIRST + LAST] + LAST


def path_with(path, **values):
    for parameter in re.findall(r"\{(\w+)\}", path):
        example = DOCUMENT.json["components"]["parameters"][parameter]["example"]
        path = path.replace(f"{{{parameter}}}", values.get(parameter, example))
    return path


def test_every_example_works(told):
    """Each is sent as it stands; Client checks the replies."""
    operator = Client(told.address, told.operator_token)
    gateway, token, credential, kid = None, None, None, None
    for name in ORDER:
        path, method, operation = OPERATIONS[name]
        clients = {"credentials.issue": gateway, "credentials.batch": gateway,
                   "iframes.issue": gateway,
                   "verify": Client(told.address, credential)}
        client = clients.get(name, operator)
        body = operation.get("requestBody", {}).get("content", {})
        for type_, media in (body or {None: {}}).items():
            sent = media.get("example")
            if type_ == "application/x-www-form-urlencoded":
                sent = "&".join(f"{key}={value}" for key, value in sent.items())
            reply = client.call(method.upper(), path_with(path, id=token and token["id"], key=kid),
                                sent,
                                headers={"Content-Type": type_})
            assert reply.status == 200, (name, reply)
        if name == "tokens.issue":
            token = reply.json
            gateway = Client(told.address, token["token"])
        if name == "keys.rotate":
            kid = reply.json["key"]["kid"]
        if name == "credentials.issue":
            credential = reply.json["accessToken"]
    assert token and credential


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "requestBody" in
                                  OPERATIONS[name][2]])
def test_every_field_is_known(operator, name):
    """In both spellings; null is as good as absent."""
    path, method, operation = OPERATIONS[name]
    schema = DOCUMENT.resolve(media_of(operation["requestBody"])["schema"])
    for part in schema.get("allOf", []):
        schema = {**schema, **DOCUMENT.resolve(part)}
    assert schema["properties"]
    for field in schema["properties"]:
        camel = re.sub(r"_(\w)", lambda match: match[1].upper(), field)
        for spelling in {field, camel}:
            reply = operator.call(method.upper(), path_with(path), {spelling: None})
            assert "is not known" not in reply.body.decode(), (field, reply)
    reply = operator.call(method.upper(), path_with(path), {"fieldd": None})
    assert reply.status == 400 and "fieldd" in reply.message


def example_of(operation):
    return media_of(operation["requestBody"])["example"] if "requestBody" in operation else None


@pytest.mark.parametrize("name", OPERATIONS)
def test_errors_are_as_told(operator, client, name):
    """Without a token, with a parameter that is none, of a thing that is not there."""
    path, method, operation = OPERATIONS[name]
    body, told_of = example_of(operation), operation["responses"]
    reply = client.call(method.upper(), path_with(path), body)
    assert reply.status == (401 if "401" in told_of else 200), reply
    reply = operator.call(method.upper(), f"{path_with(path)}?nonsense=1", body)
    assert reply.status == 400 and "400" in told_of and "nonsense" in reply.message
    if "{" in path:
        nowhere = path_with(path, org=unique("none"), id="00000000-0000-4000-8000-000000000000")
        reply = operator.call(method.upper(), nowhere, body)
        assert reply.status in (403, 404) and str(reply.status) in told_of, reply


def test_explanations_are_as_told(told):
    operator = Client(told.address, told.operator_token)
    org = unique("org")
    operator.ok("POST", "/v1/orgs", {"name": org})
    operator.ok("POST", f"/v1/orgs/{org}/projects", {"name": "board"})
    operator.ok("POST", f"/v1/orgs/{org}/services", {"name": "gate", "org_role_name": "issuer"})
    token = operator.ok("POST", f"/v1/orgs/{org}/services/gate/tokens", {})["token"]
    client = Client(told.address, token)
    for rest in ("credentials", "iframe"):
        body = {"resource": "x"} if rest == "iframe" else {}
        said = client.ok("POST", f"/v1/orgs/{org}/projects/board/{rest}?explain=1", body)
        assert "claims" in said
