"""mint's commands against a server that answers what a test wants: requests, output, refusals."""

import csv
import io
import json
import re
import subprocess
import time

import pytest

from daemon import MINT, clean_environment
from fake import TOKEN, fake, mint  # noqa: F401 (fixtures)


# ---- the command line

def test_help_at_every_level(mint):
    top = mint("--help").stdout
    lines = top[top.index("commands:"):top.index("global flags:")].splitlines()[1:-1]
    commands = [[word for word in line[:28].split() if re.fullmatch("[a-z-]+", word)]
                for line in lines]
    assert ["service", "token", "issue"] in commands and len(commands) == 36
    for words in commands:
        text = mint(*words, "--help").stdout
        assert text.startswith(f"usage: mint {' '.join(words)}") and "example:" in text
        assert mint("help", *words).stdout == text
        assert all(len(line) <= 100 for line in text.splitlines())
    assert "service token revoke ID" in mint("service", "-h").stdout
    assert "service create" not in mint("service", "token", "--help").stdout


@pytest.mark.parametrize("arguments, message", [
    (["service", "create", "--orgg", "x"], "unknown flag --orgg; did you mean --org?"),
    (["service", "create", "gate", "--org-rol=x"], "--org-rol; did you mean --org-role?"),
    (["servce"], 'unknown command "servce"; did you mean service?'),
    (["service", "tokn"], 'unknown command "service tokn"; did you mean token?'),
    (["service", "create"], "mint service create needs NAME"),
    (["service", "create", ""], "NAME must not be empty"),
    (["service", "create", "a", "b"], 'mint service create takes no further operand "b"'),
    (["org", "list", "x"], 'mint org list takes no further operand "x"'),
    (["org", "list", "--format", "xml"], '--format must be one of human|json|csv, not "xml"'),
    (["org", "list", "--format"], "--format needs a value"),
    (["org", "list", "--quiet=1"], "--quiet takes no value"),
    (["issue", "--ttl", "1w"], '--ttl must be a time such as 3600, 30m or 1h, not "1w"'),
    (["project", "edit", "p", "--max-token-bytes", "x"], "--max-token-bytes must be a size"),
    (["audit", "--limit", "-1"], '--limit must be a whole number, not "-1"'),
    (["iframe", "--query", "=v"], '--query must be key=value, not "=v"'),
    (["service", "create", "a", "--org-role", "root"], "--org-role must be one of admin|editor|"),
    (["issue"], "mint issue needs --project"),
    (["service", "token", "rotate", "gate"], "mint service token rotate needs --overlap"),
    (["service", "token", "rotate", "gate", "--overlap", "x"], "--overlap must be a time"),
    (["service", "list", "--url", "ftp://x"], "--url must start with"),
    (["service", "list", "--token", "a", "--token-file", "b"], "give only one of"),
    (["service", "set-role", "s"], "give --org-role, or --remove"),
    (["service", "set-role", "s", "--project", "p"], "give --project-role, or --remove"),
    (["service", "set-role", "s", "--project-role", "admin"], "--project-role needs --project"),
    (["service", "set-role", "s", "--project", "p", "--org-role", "admin"], "one role at a time"),
    (["completion", "tcsh"], "the shell must be bash, zsh or fish"),
    (["help", "nothing"], 'there is no command "nothing"'),
])
def test_usage_errors(mint, fake, arguments, message):
    ran = mint(*arguments, status=2)
    assert message in ran.stderr and "--help'" in ran.stderr and ran.stdout == ""
    assert fake.requests == []


def test_no_command_prints_help_and_fails(mint):
    assert "commands:" in mint(status=2).stderr
    assert "service list" in mint("service", status=2).stderr


def test_org_is_needed(mint):
    ran = mint("service", "list", status=2, env={"MINT_ORG": None})
    assert "needs --org, the variable MINT_ORG, or a profile with an org" in ran.stderr


def test_global_flags_stand_anywhere(mint, fake):
    fake.on("GET", "/v1/orgs/other/services", {"services": []})
    for arguments in (["--org", "other", "service", "list"], ["service", "--org=other", "list"],
                      ["service", "list", "--org", "other"]):
        mint(*arguments)
    assert {path for _, path, _ in fake.asked} == {"/v1/orgs/other/services"}


def test_operands_behind_two_dashes(mint, fake):
    fake.on("GET", "/v1/orgs/acme/projects/--help", {"project": {"name": "x"}})
    assert "Name: x" in mint("project", "show", "--", "--help").stdout


def test_names_are_percent_encoded(mint, fake):
    mint("org", "show", "../a b/é?x", status=1)
    assert fake.asked == [("GET", "/v1/orgs/..%2Fa%20b%2F%C3%A9%3Fx", None)]
    mint("org", "show", "..", status=1)
    assert fake.asked[1] == ("GET", "/v1/orgs/..", None)


# ---- services

SERVICE = {"id": "s-1", "name": "gate", "orgId": "o-1", "orgName": "acme", "roleName": "",
           "hasProjectRoles": True, "projectRoles": {"dashboards": "viewer", "sales": "admin"},
           "attributes": {"purpose": "reporting"}, "policy": {},
           "createdOn": "2026-01-31T10:00:00Z", "updatedOn": "2026-01-31T10:00:00Z"}
ISSUED = {"token": TOKEN, "id": "t-1", "prefix": "mint_svc_0000000000", "expiresOn": None}


def test_service_create(mint, fake):
    fake.on("POST", "/v1/orgs/acme/services", {"service": SERVICE})
    fake.on("POST", "/v1/orgs/acme/services/gate/tokens", ISSUED)
    attributes = '{"n": 1.50, "a":"\\u00e9"}'
    ran = mint("service", "create", "gate", "--project", "dashboards", "--project-role", "viewer",
               "--org-role", "guest", "--attributes", attributes)
    assert ran.stdout == f'Created service "gate" in org "acme".\nAccess token: {TOKEN}\n'
    assert attributes in fake.requests[0][2]  # as it was spelled
    assert fake.asked == [
        ("POST", "/v1/orgs/acme/services",
         {"name": "gate", "project": "dashboards", "project_role_name": "viewer",
          "org_role_name": "guest", "attributes": {"n": 1.5, "a": "é"}}),
        ("POST", "/v1/orgs/acme/services/gate/tokens", {})]
    assert all(headers["Authorization"] == f"Bearer {TOKEN}"
               and headers["Content-Type"] == "application/json"
               for _, _, _, headers in fake.requests)
    assert mint("service", "create", "gate", "-q").stdout == TOKEN + "\n"
    made = json.loads(mint("service", "create", "gate", "--format", "json").stdout)
    assert made == {"service": SERVICE, **ISSUED}
    rows = list(csv.DictReader(io.StringIO(
        mint("service", "create", "gate", "--format", "csv").stdout)))
    assert rows[0]["token"] == TOKEN and json.loads(rows[0]["service"]) == SERVICE


def test_service_create_without_a_token(mint, fake):
    fake.on("POST", "/v1/orgs/acme/services", {"service": SERVICE})
    fake.on("POST", "/v1/orgs/acme/services/gate/tokens",
            {"code": 14, "message": "retry shortly", "details": []}, 503)
    ran = mint("service", "create", "gate", status=1)
    assert "retry shortly (503, request r-0123456789)" in ran.stderr
    assert "mint service token issue gate" in ran.stderr and ran.stdout == ""


@pytest.mark.parametrize("attributes, message", [
    ('{"a":}', "--attributes: it is not valid JSON: "),
    ('[1]', '--attributes: it must be a JSON object, such as {"region":"eu"}'),
    ('{"a":1,"a":2}', "a stands twice"),
    ("", "--attributes: it is not valid JSON"),
])
def test_attributes_are_checked_first(mint, fake, attributes, message):
    ran = mint("service", "create", "gate", "--attributes", attributes, status=2)
    assert message in ran.stderr and fake.requests == []


def test_attributes_from_elsewhere(mint, fake, tmp_path):
    fake.on("PATCH", "/v1/orgs/acme/services/gate", {"service": SERVICE})
    file = tmp_path / "attributes.json"
    file.write_text('{"from": "file"}\n', encoding="utf-8")
    assert mint("service", "edit", "gate", "--attributes", f"@{file}").stdout == (
        'Updated service "gate".\n')
    mint("service", "edit", "gate", "--attributes", "-", stdin='{"from": "input"}')
    mint("service", "edit", "gate", "--attributes", "{}", "--policy", '{"maxTtlSeconds": 60}')
    assert [body for _, _, body in fake.asked] == [
        {"attributes": {"from": "file"}}, {"attributes": {"from": "input"}},
        {"attributes": {}, "policy": {"maxTtlSeconds": 60}}]
    ran = mint("service", "edit", "gate", "--attributes", "@/nowhere", status=2)
    assert "cannot read /nowhere: No such file or directory" in ran.stderr
    ran = mint("service", "edit", "gate", "--attributes=-", "--policy=-", stdin="{}", status=2)
    assert "standard input can be read only once" in ran.stderr


def test_large_attributes_are_sent_whole(mint, fake, tmp_path):
    fake.on("PATCH", "/v1/orgs/acme/services/gate", {"service": SERVICE})
    file = tmp_path / "large.json"
    large = {f"key{number}": "é" * 100 for number in range(500)}
    file.write_text(json.dumps(large), encoding="utf-8")
    mint("service", "edit", "gate", "--new-name", "other", "--attributes", f"@{file}")
    assert fake.asked[0][2] == {"new_name": "other", "attributes": large}


def test_service_list(mint, fake):
    admin = {**SERVICE, "name": "global-admin", "roleName": "admin", "hasProjectRoles": False,
             "projectRoles": {}, "attributes": {}}
    fake.on("GET", "/v1/orgs/acme/services", {"services": [SERVICE, admin], "nextPageToken": ""})
    assert mint("service", "list").stdout == (
        "NAME          ORG ROLE  PROJECT ROLES      ATTRIBUTES\n"
        'gate          -         dashboards, sales  {"purpose":"reporting"}\n'
        "global-admin  admin     -                  {}\n")
    assert json.loads(mint("service", "list", "--format", "json").stdout) == [SERVICE, admin]
    rows = list(csv.DictReader(io.StringIO(mint("service", "list", "--format", "csv").stdout)))
    assert [row["name"] for row in rows] == ["gate", "global-admin"]
    assert json.loads(rows[0]["projectRoles"]) == SERVICE["projectRoles"]
    assert json.loads(rows[0]["attributes"]) == SERVICE["attributes"]
    assert rows[0]["hasProjectRoles"] == "true" and set(rows[0]) == set(SERVICE)


def test_service_list_of_a_project(mint, fake):
    row = {"name": "gate", "orgRoleName": "", "projectRoleName": "viewer", "attributes": {}}
    fake.on("GET", "/v1/orgs/acme/projects/sales/services", {"services": [row]})
    assert mint("service", "list", "--project", "sales").stdout == (
        "NAME  ORG ROLE  PROJECT ROLES  ATTRIBUTES\n"
        "gate  -         viewer         {}\n")


def test_lists_are_read_to_the_end(mint, fake):
    path = "/v1/orgs/acme/services"
    fake.on("GET", path, {"services": [SERVICE], "nextPageToken": "a+/="})
    fake.on("GET", path, {"services": [], "nextPageToken": "b"})
    fake.on("GET", path, {"services": [{**SERVICE, "name": "last"}], "nextPageToken": ""})
    rows = json.loads(mint("service", "list", "--format", "json").stdout)
    assert [row["name"] for row in rows] == ["gate", "last"]
    assert [path for _, path, _ in fake.asked] == [path, f"{path}?page_token=a%2B%2F%3D",
                                                   f"{path}?page_token=b"]


def test_a_page_that_never_ends(mint, fake):
    fake.on("GET", "/v1/orgs", {"organizations": [], "nextPageToken": "same"})
    assert "the same page again and again" in mint("org", "list", status=1).stderr
    assert len(fake.requests) == 2


def test_many_rows(mint, fake):
    rows = [{**SERVICE, "name": f"service-{number}"} for number in range(20000)]
    fake.on("GET", "/v1/orgs/acme/services", {"services": rows})
    assert mint("service", "list").stdout.count("\n") == 20001
    assert json.loads(mint("service", "list", "--format", "json").stdout) == rows


def test_csv_quotes(mint, fake):
    names = ['a"b', "a,b", "a\nb", "a\rb", " a ", "", "é", "plain"]
    fake.on("GET", "/v1/orgs", {"organizations": [{"name": name, "n": 1.50, "x": None}
                                                  for name in names], "nextPageToken": ""})
    text = mint("org", "list", "--format", "csv").stdout
    # subprocess reads every line end as \n
    assert [row["name"] for row in csv.DictReader(io.StringIO(text))] == [
        name.replace("\r", "\n") for name in names]
    assert "plain,1.5,\n" in text


def test_csv_of_rows_that_differ(mint, fake):
    fake.on("GET", "/v1/keys", {"keys": [{"kid": "a"}, {"kid": "b", "state": "active"}]})
    assert mint("key", "list", "--format", "csv").stdout == "kid,state\na,\nb,active\n"


def test_tables_disarm_what_comes(mint, fake):
    fake.on("GET", "/v1/orgs", {"organizations": [
        {"name": "a\x1b[2Jb\x7f\x9bc\nd", "displayName": "Zoë",
         "createdOn": "2020-01-01T00:00:00Z"},
        {"name": "x", "displayName": "y", "createdOn": "no time"}]})
    lines = mint("org", "list").stdout.splitlines()
    assert lines[0] == "NAME         DISPLAY NAME  CREATED"
    assert re.fullmatch(r"a\?\[2Jb\?\?c\?d  Zoë           2020-01-01 00:00:00Z \(\d+d(\d+h)? ago\)",
                        lines[1])
    assert lines[2] == "x            y             no time"


def test_errors_disarm_what_comes(mint, fake):
    fake.on("GET", "/v1/roles", {"code": 13, "message": "a\x1b[2J\x9b", "details": []}, 500)
    assert "mint: error: a?[2J?? (500, request" in mint("roles", status=1).stderr


def test_service_show(mint, fake):
    members = [{"projectName": "sales", "projectRoleName": "admin", "orgRoleName": ""}]
    reply = {"service": SERVICE, "projectMemberships": members}
    fake.on("GET", "/v1/orgs/acme/services/gate", reply)
    text = mint("service", "show", "gate").stdout
    assert re.search(r"^Name: +gate$", text, re.MULTILINE)
    assert re.search(r"^Created on: +2026-01-31 10:00:00Z \(", text, re.MULTILINE)
    assert re.search(r"^Role name: +-$", text, re.MULTILINE)
    assert text.endswith("\nPROJECT  ROLE\nsales    admin\n")
    assert json.loads(mint("service", "show", "gate", "--format", "json").stdout) == reply


def test_set_role(mint, fake):
    base = "/v1/orgs/acme"
    for method, path in (("PUT", "/services/gate/role"), ("DELETE", "/services/gate/role"),
                         ("PUT", "/projects/p/services/gate/role"),
                         ("DELETE", "/projects/p/services/gate")):
        fake.on(method, base + path, {})
    said = [mint("service", "set-role", "gate", *arguments).stdout for arguments in (
        ["--org-role", "editor"], ["--org-role", "editor", "--remove"], ["--remove"],
        ["--project", "p", "--project-role", "admin"], ["--project", "p", "--remove"])]
    assert fake.asked == [
        ("PUT", f"{base}/services/gate/role", {"role": "editor"}),
        ("DELETE", f"{base}/services/gate/role", None),
        ("DELETE", f"{base}/services/gate/role", None),
        ("PUT", f"{base}/projects/p/services/gate/role", {"role": "admin"}),
        ("DELETE", f"{base}/projects/p/services/gate", None)]
    assert said[0] == 'Set the role of service "gate" in org "acme" to editor.\n'
    assert said[4] == 'Removed the role of service "gate" in project "p".\n'
    assert mint("service", "set-role", "gate", "--remove", "--format", "json").stdout == "{}\n"


def test_tokens(mint, fake):
    path = "/v1/orgs/acme/services/gate/tokens"
    listed = {"id": "t-1", "prefix": "mint_svc_0000000000", "description": "blue",
              "createdOn": "2026-01-31T10:00:00Z", "expiresOn": None, "lastUsedOn": None,
              "lastUsedAddress": ""}
    fake.on("POST", path, ISSUED)
    fake.on("GET", path, {"tokens": [listed]})
    fake.on("DELETE", "/v1/services/tokens/t-1", {})
    ran = mint("service", "token", "issue", "gate", "--ttl", "90d", "--description", "blue")
    assert ran.stdout == (
        f'Issued a token for service "gate" in org "acme".\nAccess token: {TOKEN}\n'
        "Id, to revoke it: t-1\n")
    assert fake.asked[0][2] == {"ttl_seconds": 7776000, "description": "blue"}
    assert mint("service", "token", "issue", "gate", "--quiet").stdout == TOKEN + "\n"
    assert json.loads(mint("service", "token", "issue", "gate", "--format=json").stdout) == ISSUED
    lines = mint("service", "token", "list", "gate").stdout.splitlines()
    assert lines[0].split() == ["ID", "PREFIX", "DESCRIPTION", "CREATED", "EXPIRES", "LAST", "USED",
                                "FROM"]
    assert lines[1].endswith(")  -        -          -")
    assert mint("service", "token", "revoke", "t-1").stdout == "Revoked token t-1.\n"
    assert mint("service", "token", "revoke", "t-1", "--quiet").stdout == ""


# ---- orgs, projects, keys and the rest

def test_orgs_and_projects(mint, fake):
    org, project = {"name": "acme", "displayName": "Acme"}, {"name": "boards", "maxTtlSeconds": 0}
    fake.on("POST", "/v1/orgs", {"organization": org})
    fake.on("GET", "/v1/orgs/acme", {"organization": org, "permissions": {"manageOrg": True}})
    fake.on("PATCH", "/v1/orgs/acme", {"organization": org})
    fake.on("DELETE", "/v1/orgs/acme", {})
    fake.on("POST", "/v1/orgs/acme/projects", {"project": project})
    fake.on("GET", "/v1/orgs/acme/projects", {"projects": [project]})
    fake.on("GET", "/v1/orgs/acme/projects/boards", {"project": project})
    fake.on("PATCH", "/v1/orgs/acme/projects/boards", {"project": project})
    fake.on("DELETE", "/v1/orgs/acme/projects/boards", {})
    assert mint("org", "create", "acme", "--display-name", 'A"b').stdout == 'Created org "acme".\n'
    assert json.loads(mint("org", "create", "acme", "--format=json").stdout) == org
    assert '"manageOrg":true' in mint("org", "show").stdout
    assert mint("org", "edit", "acme", "--new-name", "b").stdout == 'Updated org "acme".\n'
    assert mint("org", "delete", "acme").stdout == 'Deleted org "acme".\n'
    assert mint("project", "create", "boards", "--runtime-host", "https://r", "--default-ttl=30m",
                "--max-token-bytes", "4KiB", "--jwt-alg", "Ed25519").stdout == (
        'Created project "boards" in org "acme".\n')
    assert fake.asked[-1][2] == {
        "name": "boards", "runtime_host": "https://r", "jwt_alg": "Ed25519",
        "default_ttl_seconds": 1800, "max_token_bytes": 4096}
    assert "boards" in mint("project", "list").stdout
    assert "Max ttl seconds: 0" in mint("project", "show", "boards").stdout
    mint("project", "edit", "boards", "--max-ttl", "1h", "--max-ttl", "8h", "--description", "")
    assert fake.asked[-1][2] == {"max_ttl_seconds": 28800, "description": ""}
    assert mint("project", "delete", "boards").stdout == 'Deleted project "boards".\n'
    assert fake.asked[0][2] == {"name": "acme", "display_name": 'A"b'}


def test_keys_audit_roles_ping(mint, fake):
    fake.on("GET", "/v1/keys", {"keys": [{"kid": "k", "state": "active"}]})
    fake.on("POST", "/v1/keys/rotate", {"key": {"kid": "new", "state": "pending"}})
    fake.on("GET", "/v1/roles", {
        "organizationRoles": [{"name": "guest", "permissions": ["read_org"]}],
        "projectRoles": [{"name": "issuer", "permissions": ["read_project", "issue"]}]})
    fake.on("GET", "/v1/ping", {"version": "1.2.3", "time": "2026-01-31T10:00:00Z"})
    assert re.search(r"^k +active ", mint("key", "list").stdout, re.MULTILINE)
    assert mint("key", "rotate").stdout == "Kid:   new\nState: pending\n"
    assert mint("roles").stdout == ("SCOPE    ROLE    PERMISSIONS\n"
                                    "org      guest   read_org\n"
                                    "project  issuer  read_project, issue\n")
    roles = json.loads(mint("roles", "--format", "json").stdout)
    assert roles["projectRoles"][0]["name"] == "issuer"
    assert mint("roles", "--format", "csv").stdout.startswith("scope,name,permissions\norg,guest,")
    assert mint("ping", "--format", "json").stdout == (
        '{"version":"1.2.3","time":"2026-01-31T10:00:00Z"}\n')
    assert "Authorization" not in fake.requests[-1][3]


def test_audit_stops_at_its_limit(mint, fake):
    for token in ("more", "still more", "and more"):
        fake.on("GET", "/v1/audit", {"auditRecords": [{"id": n} for n in range(3)],
                                     "nextPageToken": token})
    rows = json.loads(mint("audit", "--limit", "5", "--format", "json").stdout)
    assert len(rows) == 5 and len(fake.requests) == 2
    assert fake.asked[0][1] == "/v1/audit?org=acme"
    assert fake.asked[1][1] == "/v1/audit?org=acme&page_token=more"


def test_audit_without_an_org(mint, fake):
    fake.on("GET", "/v1/audit", {"auditRecords": [
        {"createdOn": "2026-01-31T10:00:00Z", "actorKind": kind, "actorName": name,
         "address": "192.0.2.1", "action": "orgs.edit", "target": "org acme"}
        for kind, name in (("service", "operator"), ("operator", ""))], "nextPageToken": ""})
    said = mint("audit", env={"MINT_ORG": None}).stdout
    for who in ("service operator", "operator"):
        assert re.search(rf"^2026-.*\)  {who} +192.0.2.1 +orgs.edit +org acme$", said, re.MULTILINE)
    assert fake.asked[0][1] == "/v1/audit"


@pytest.mark.parametrize("answer, message", [
    ({"records": []}, "holds no auditRecords"), ({"auditRecords": {}}, "holds no auditRecords"),
    ({"auditRecords": [7]}, "is no audit record"), ({"auditRecords": [{}]}, "is no audit record"),
    ({"auditRecords": [{"id": 1, "hash": "00"}]}, "is no audit record"),
    ({"auditRecords": [{"id": n, "hash": "0" * 64} for n in (1, 2)]}, "is no audit record"),
    ({"auditRecords": [], "nextPageToken": "7"}, "makes no sense"),
    ({"auditRecords": [{"id": 1, "hash": "0" * 64}], "nextPageToken": ""}, "row 1 was changed")])
def test_audit_verify_of_nonsense(mint, fake, answer, message):
    fake.on("GET", "/v1/audit", answer)
    assert message in mint("audit", "verify", status=1).stderr


# ---- refusals

def test_server_refuses(mint, fake):
    refusal = {"code": 7, "message": "you lack the role admin", "details": []}
    fake.on("GET", "/v1/orgs", refusal, 403)
    assert mint("org", "list", status=1).stderr == (
        "mint: error: you lack the role admin (403, request r-0123456789)\n")
    fake.answers[("GET", "/v1/orgs")] = [(401, {"code": 16, "message": "not valid", "details": []})]
    assert "wrong, expired or revoked" in mint("org", "list", status=1).stderr
    assert "run mint login" in mint("org", "list", status=1, env={"MINT_TOKEN": None}).stderr
    assert "Authorization" not in fake.requests[-1][3]


@pytest.mark.parametrize("reply", [b"<html>", b"[1]", b""])
def test_not_mintd(mint, fake, reply):
    fake.on("GET", "/v1/orgs", reply)
    assert "something that is no JSON object" in mint("org", "list", status=1).stderr
    fake.answers[("GET", "/v1/orgs")] = [(502, reply)]
    assert "no mintd answers there (502, request" in mint("org", "list", status=1).stderr


def test_redirections_are_not_followed(mint, fake):
    fake.on("GET", "/v1/orgs", {}, 302)
    mint("org", "list", status=1)
    assert len(fake.requests) == 1


def test_nobody_there(mint):
    ran = mint("org", "list", "--url", "http://127.0.0.1:1/", status=1)
    assert "cannot reach http://127.0.0.1:1: " in ran.stderr and "mintd serve" in ran.stderr


def test_timeout(mint, fake):
    original = fake.server.RequestHandlerClass.answer

    def slow(handler):
        time.sleep(5)
        original(handler)
    fake.server.RequestHandlerClass.do_GET = slow
    start = time.monotonic()
    assert "cannot reach" in mint("ping", "--timeout", "1", status=1).stderr
    assert time.monotonic() - start < 4


def test_unix_socket(mint, fake, tmp_path):
    socket = tmp_path / "mintd.sock"
    relay = subprocess.Popen(["/usr/bin/python3", "-c", f"""
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind({str(socket)!r})
listener.listen()
print(flush=True)
peer = listener.accept()[0]
peer.recv(65536)
peer.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 17\\r\\n\\r\\n{{"version":"1.0"}}')
peer.recv(1)
"""], stdout=subprocess.PIPE)
    relay.stdout.readline()
    assert mint("ping", "--url", f"unix:{socket}").stdout == "Version: 1.0\n"
    relay.wait(10)


def test_output_that_cannot_be_written(mint, fake):
    fake.on("GET", "/v1/orgs", {"organizations": []})
    env = {**clean_environment(), "MINT_URL": fake.url}
    with open("/dev/full", "wb") as full:
        ran = subprocess.run([MINT, "org", "list"], env=env, stdout=full, stderr=subprocess.PIPE,
                             text=True, check=False)
    assert ran.returncode == 1 and "cannot write: No space left on device" in ran.stderr


# ---- completion and the manual

def complete(mint, *words):
    return [line.split("\t")[0] for line in mint("__complete", "--", *words).stdout.splitlines()]


def test_completion_words(mint):
    assert "service" in complete(mint) and complete(mint).count("service") == 1
    assert not {"man", "__complete"} & set(complete(mint))
    assert complete(mint, "service", "token") == ["issue", "rotate", "list", "revoke"]
    assert complete(mint, "--format") == ["human", "json", "csv"]
    assert complete(mint, "service", "create", "x", "--org-role") == [
        "admin", "editor", "viewer", "guest", "issuer"]
    assert complete(mint, "completion")[:3] == ["bash", "zsh", "fish"]
    assert {"--ttl", "--project", "--url"} <= set(complete(mint, "issue"))
    assert complete(mint, "issue", "--ttl") == []
    assert {"--ttl", "--yes"} <= set(complete(mint, "issue", "--explain"))
    assert complete(mint, "nothing", "known") == complete(mint)


def test_completion_in_bash(mint):
    script = mint("completion", "bash").stdout
    ran = subprocess.run(["bash", "-c", script + """
        mint() { "$MINT" "$@"; }
        COMP_WORDS=(mint service tok); COMP_CWORD=2; _mint; echo "${COMPREPLY[@]}"
        COMP_WORDS=(mint issue --att); COMP_CWORD=2; _mint; echo "${COMPREPLY[@]}" """],
                         env={**clean_environment(), "MINT": str(MINT)}, capture_output=True,
                         text=True, check=False)
    assert ran.stdout.split("\n")[:2] == ["token", "--attributes"]
    assert "_describe" in mint("completion", "zsh").stdout
    assert "complete -c mint" in mint("completion", "fish").stdout


def test_man_page(mint):
    page = mint("man").stdout
    assert page.startswith(".TH MINT 1") and ".SS mint service token issue NAME" in page
    ran = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-z"], input=page, capture_output=True,
                         text=True, check=False)
    assert ran.returncode == 0 and ran.stderr == ""


def test_version(mint):
    assert re.fullmatch(r"mint \d+\.\d+\.\d+\n", mint("version").stdout)
    version = json.loads(mint("version", "--format", "json").stdout)["version"]
    assert mint("version", "--format", "csv").stdout == f"version\n{version}\n"
