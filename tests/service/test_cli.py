"""The documents' first commands, typed one after the other, as a stranger would."""

import json
import re
import subprocess

import pytest

from api import TOKEN, UUID, Credential, unique
from daemon import MINT, clean_environment

SERVICE_TOKEN = re.compile(r"mint_svc_[0-9a-zA-Z]{60}")


# What a change tells beside its data.
RECEIPT = re.compile(r"(In force everywhere after .*\.\n)?")


class Shell:
    """Runs mint with an environment, and nothing on a terminal."""

    def __init__(self, **env):
        self.env = clean_environment(HOME="/nonexistent", XDG_CONFIG_HOME="/nonexistent", **env)

    def run(self, *words, stdin=""):
        return subprocess.run([MINT, *words], env=self.env, input=stdin, capture_output=True,
                              text=True, timeout=30, check=False)

    def ok(self, *words, **kwargs):
        ran = self.run(*words, **kwargs)
        assert ran.returncode == 0, (words, ran)
        assert RECEIPT.fullmatch(ran.stderr), (words, ran)
        assert "\x1b" not in ran.stdout
        return ran.stdout

    def refused(self, status, *words, **kwargs):
        ran = self.run(*words, **kwargs)
        assert ran.returncode == status and ran.stderr and not ran.stdout, (words, ran)
        return ran.stderr


@pytest.fixture
def shell(daemon):
    """The operator's, in an org with a project "board" that it made."""
    org = unique("cli")
    shell = Shell(MINT_URL=f"http://{daemon.address}", MINT_TOKEN=daemon.operator_token,
                  MINT_ORG=org)
    shell.org = org
    assert org in shell.ok("org", "create", org)
    assert "board" in shell.ok("project", "create", "board", "--runtime-host", "https://r.test")
    return shell


def test_create_service(shell):
    output = shell.ok("service", "create", "gate", "--project", "board", "--project-role", "issuer",
                      "--attributes", '{"tier":"gold"}')
    first, second = output.splitlines()
    assert first == f'Created service "gate" in org "{shell.org}".'
    assert re.fullmatch(r"Access token: mint_svc_[0-9a-zA-Z]{60}", second)


def test_service_list(shell):
    shell.ok("service", "create", "gate", "--project", "board", "--project-role", "issuer",
             "--attributes", '{"tier":"gold"}')
    shell.ok("service", "create", "watch", "--org-role", "viewer")
    rows = [re.split(r" {2,}", line.rstrip()) for line in shell.ok("service", "list").splitlines()]
    assert rows[0] == ["NAME", "ORG ROLE", "PROJECT ROLES", "ATTRIBUTES"]
    assert rows[1:] == [["gate", "-", "board", '{"tier":"gold"}'], ["watch", "viewer", "-", "{}"]]
    listed = shell.ok("service", "list", "--project", "board")
    assert "gate" in listed and "issuer" in listed and "watch" not in listed


def test_service_show_and_delete(shell):
    shell.ok("service", "create", "gate", "--org-role", "issuer", "--attributes", '{"tier":"gold"}')
    shown = shell.ok("service", "show", "gate")
    assert all(word in shown for word in ("gate", "issuer", "tier", "gold"))
    assert not SERVICE_TOKEN.search(shown)
    shell.ok("service", "delete", "gate")
    assert "service not found" in shell.refused(1, "service", "show", "gate")


def test_tokens(shell, client):
    created = shell.ok("service", "create", "gate", "--org-role", "admin")
    [first] = SERVICE_TOKEN.findall(created)
    [second] = SERVICE_TOKEN.findall(shell.ok("service", "token", "issue", "gate"))
    listed = shell.ok("service", "token", "list", "gate")
    assert not SERVICE_TOKEN.search(listed) and first[:19] in listed and second[:19] in listed
    [row] = [line for line in listed.splitlines() if second[:19] in line]
    shell.ok("service", "token", "revoke", UUID.search(row)[0])
    for token, status in ((first, 200), (second, 401)):
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get(f"/v1/orgs/{shell.org}", headers=headers).status == status


def gate(shell, role="issuer"):
    """A shell with the token of a service of that role."""
    created = shell.ok("service", "create", unique("gate"), "--org-role", role)
    [token] = SERVICE_TOKEN.findall(created)
    return Shell(MINT_URL=shell.env["MINT_URL"], MINT_TOKEN=token, MINT_ORG=shell.org)


@pytest.mark.parametrize("words, attributes", [
    (["--email", "ada@example.com"],
     {"email": "ada@example.com", "domain": "example.com", "admin": False}),
    (["--attributes", '{"tenant":"a","n":1.50}'], {"tenant": "a", "n": 1.5}),
    (["--user-id", "u7"], {"id": "u7"})])
def test_issue_and_verify(shell, words, attributes):
    """The JWT alone on standard output, so that it can be piped on."""
    own = gate(shell)
    output = own.ok("issue", "--project", "board", *words, "--ttl", "10m")
    assert output.count("\n") == 1 and output.endswith("\n")
    claims = Credential(output.strip()).claims
    assert claims["attr"] == attributes and claims["exp"] - claims["iat"] == 600
    for verified in (own.ok("verify", output.strip()), own.ok("verify", "-", stdin=output)):
        assert all(word in verified for word in ("EdDSA", claims["jti"], "board"))


def test_verify_refuses(shell):
    own = gate(shell)
    jwt = own.ok("issue", "--project", "board").strip()
    header, payload, signature = jwt.split(".")
    for bad in (f"{header}.{payload}.{signature[::-1]}", f"{header}.{payload[:-4]}.{signature}",
                f"{header}.{payload}", "x"):
        ran = own.run("verify", bad)
        assert ran.returncode == 1 and ran.stderr, (bad, ran)


def test_org_and_project_commands(shell):
    assert shell.org in shell.ok("org", "list")
    assert shell.org in shell.ok("org", "show", shell.org)
    assert "board" in shell.ok("project", "list")
    assert "https://r.test" in shell.ok("project", "show", "board")
    shell.ok("project", "delete", "board")
    shell.refused(1, "project", "show", "board")
    shell.ok("org", "delete", shell.org)
    shell.refused(1, "org", "show", shell.org)


def test_json(shell):
    """Every command prints its data, the token included."""
    created = json.loads(shell.ok("service", "create", "gate", "--org-role", "issuer",
                                  "--format", "json"))
    assert "gate" in json.dumps(created) and SERVICE_TOKEN.search(json.dumps(created))
    issued = json.loads(shell.ok("service", "token", "issue", "gate", "--format", "json"))
    assert TOKEN.fullmatch(issued["token"])
    for words in (["service", "list"], ["service", "show", "gate"], ["org", "list"],
                  ["project", "list"], ["service", "token", "list", "gate"]):
        assert json.loads(shell.ok(*words, "--format", "json"))


def test_refusals(shell, daemon):
    """1: the server's sentence on standard error; 2: a command that makes no sense."""
    viewer = gate(shell, "viewer")
    assert "issue" in viewer.refused(1, "issue", "--project", "board")
    assert "taken" in shell.refused(1, "project", "create", "BOARD")
    bad = Shell(MINT_URL=f"http://{daemon.address}", MINT_TOKEN="mint_svc_x", MINT_ORG=shell.org)
    assert "token" in bad.refused(1, "service", "list")
    nobody = Shell(MINT_URL="http://127.0.0.1:1", MINT_TOKEN=daemon.operator_token, MINT_ORG="abc")
    assert "127.0.0.1" in nobody.refused(1, "service", "list")
    for words in (["srvice"], ["service", "crate"], ["service", "create"], ["issue"],
                  ["service", "list", "--fromat", "json"], ["service", "list", "--format", "xml"]):
        shell.refused(2, *words)


@pytest.mark.parametrize("words", [
    [], ["service"], ["service", "create"], ["service", "token"], ["service", "token", "issue"],
    ["org"], ["project"], ["issue"], ["verify"]])
def test_help(shell, words):
    text = shell.ok(*words, "--help")
    assert "usage" in text.lower() and "mint" in text
    assert all(len(line) <= 100 for line in text.splitlines())

