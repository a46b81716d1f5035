"""The client and the daemon together: what the documents show, as a user types it."""

import csv
import io
import json
import re
import subprocess

import pytest

from api import TOKEN, unique
from daemon import MINT, clean_environment


@pytest.fixture(scope="module")
def mint(daemon, operator):
    """mint("service", "list"): run by the operator in an org of the module's own."""
    org = unique("mint-org")
    operator.ok("POST", "/v1/orgs", {"name": org})

    def run(*arguments, status=0, token=daemon.operator_token, stdin=""):
        env = {**clean_environment(), "MINT_URL": f"http://{daemon.address}", "MINT_TOKEN": token,
               "MINT_ORG": org}
        env.pop("HOME", None)
        env.pop("XDG_CONFIG_HOME", None)
        ran = subprocess.run([MINT, *map(str, arguments)], env=env, input=stdin, text=True,
                             capture_output=True, timeout=60, check=False)
        assert ran.returncode == status, ran
        return ran.stdout if status == 0 else ran.stderr
    run.org = org
    run("project", "create", "analytics-dashboard", "--runtime-host", "https://runtime.test")
    return run


@pytest.fixture(scope="module")
def gateway(mint):
    """The token of a service that may mint."""
    return mint("service", "create", "gateway", "--project", "analytics-dashboard",
                "--project-role", "issuer", "--quiet").strip()


def test_what_the_documents_show(mint):
    said = mint("service", "create", "reporting-service", "--project", "analytics-dashboard",
                "--project-role", "viewer", "--attributes", '{"purpose":"reporting"}')
    assert re.fullmatch(f'Created service "reporting-service" in org "{mint.org}".\n'
                        f"Access token: {TOKEN.pattern}\n", said)
    mint("service", "create", "global-admin", "--org-role", "admin")
    lines = [line.split() for line in mint("service", "list").splitlines()]
    assert lines[0] == ["NAME", "ORG", "ROLE", "PROJECT", "ROLES", "ATTRIBUTES"]
    assert ["global-admin", "admin", "-", "{}"] in lines
    assert ["reporting-service", "-", "analytics-dashboard", '{"purpose":"reporting"}'] in lines
    listed = {row["name"]: row for row in json.loads(mint("service", "list", "--format", "json"))}
    assert listed["reporting-service"]["projectRoles"] == {"analytics-dashboard": "viewer"}
    rows = csv.DictReader(io.StringIO(mint("service", "list", "--format", "csv")))
    assert {row["name"]: json.loads(row["attributes"]) for row in rows}["global-admin"] == {}

    mint("service", "edit", "reporting-service", "--new-name", "renamed-service")
    mint("service", "edit", "renamed-service", "--attributes", "{}")
    mint("service", "set-role", "renamed-service", "--org-role", "editor")
    mint("service", "set-role", "renamed-service", "--project", "analytics-dashboard",
         "--project-role", "admin")
    shown = mint("service", "show", "renamed-service")
    assert re.search(r"^Attributes: +{}$", shown, re.MULTILINE)
    assert re.search(r"^Role name: +editor$", shown, re.MULTILINE)
    assert shown.endswith("\nPROJECT              ROLE\nanalytics-dashboard  admin\n")
    mint("service", "set-role", "renamed-service", "--project", "analytics-dashboard", "--remove")
    mint("service", "delete", "renamed-service")
    gone = mint("service", "show", "renamed-service", status=1)
    assert "service not found (404, request " in gone


def test_mint_and_verify(mint, gateway):
    jwt = mint("issue", "--project", "analytics-dashboard", "--attributes", '{"n":1.50,"é":["💡"]}',
               "--ttl", "30m", token=gateway)
    assert '  attr: {"n":1.50,"é":["💡"]}\n' in mint("verify", jwt.strip())
    outcome = json.loads(mint("verify", "--format", "json", "--audience", "https://runtime.test",
                              stdin=jwt))
    assert outcome["valid"] and 1700 < outcome["expiresInSeconds"] <= 1800
    assert "its signature is wrong" in mint("verify", jwt.strip()[:-6] + "AAAAAA", status=1)
    assert "its aud is another audience" in mint("verify", jwt.strip(), "--audience", "x", status=1)


def test_tokens_rotate(mint, gateway):
    issued = json.loads(mint("service", "token", "issue", "gateway", "--ttl=1d", "--format=json"))
    assert TOKEN.fullmatch(issued["token"])
    lines = mint("service", "token", "list", "gateway").splitlines()
    assert len(lines) == 3 and any(line.startswith(issued["id"]) for line in lines)
    arguments = ["issue", "--project", "analytics-dashboard", "--email", "ann@example.com"]
    mint(*arguments, token=issued["token"])
    mint("service", "token", "revoke", issued["id"])
    assert "expired or revoked" in mint(*arguments, token=issued["token"], status=1)
    mint(*arguments, token=gateway)


def test_refusals_name_the_limit(mint, gateway):
    said = mint("issue", "--project", "analytics-dashboard", "--ttl", "2d", token=gateway, status=1)
    assert "ttl_seconds is larger" in said and "(400, request " in said
    assert "(403, request " in mint("service", "list", token=gateway, status=1)


def test_the_rest(mint):
    assert mint("ping").startswith("Version: ")
    assert "issuer" in mint("roles") and " active " in mint("key", "list")
    mint("project", "edit", "analytics-dashboard", "--description", "boards")
    assert re.search(r"^Description: +boards$", mint("project", "show", "analytics-dashboard"),
                     re.MULTILINE)
    assert mint.org in mint("org", "list") and "boards" in mint("project", "list")
    mint("org", "edit", mint.org, "--display-name", "Acme")
    assert re.search(r"^Display name: +Acme$", mint("org", "show"), re.MULTILINE)
