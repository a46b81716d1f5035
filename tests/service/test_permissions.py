"""Who may call what: every route with every role, at home, beside it and in another org.

What must come is read from the table in deploy/PERMISSIONS.md, which test_documents.py holds to
what `mintd roles` prints; the requests are the examples of the OpenAPI document."""

import re
from pathlib import Path

import pytest

from api import Client, Org, Service, unique
from openapi import Document

PAGE = Path(__file__).resolve().parents[2] / "deploy" / "PERMISSIONS.md"
ROW = re.compile(r"^\| `(\w+) (\S+)` \| (\S+) \| (.*) \| (.*) \| (.*) \|$", re.MULTILINE)
HERE, BESIDE, THERE = "here", "in another project", "in another org"
OPERATOR, NOBODY = "the operator", "nobody"


def roles_of(cell):
    return [role for role in cell.split(", ") if role]


ROWS = [dict(zip(("method", "path", "name", "operator", "org", "project"), row))
        for row in ROW.findall(PAGE.read_text(encoding="utf-8"))]
ORG_ROLES = ["admin", "editor", "viewer", "guest", "issuer"]
PROJECT_ROLES = ["admin", "editor", "viewer", "issuer"]
CALLERS = [OPERATOR, NOBODY, *(("org", role) for role in ORG_ROLES),
           *(("project", role) for role in PROJECT_ROLES)]


def may(row, caller, place):
    """What the table says."""
    if row["operator"] in ("everybody", "with a credential"):
        return row["operator"] == "everybody"
    if caller == NOBODY:
        return False
    if caller == OPERATOR:
        return row["operator"] == "yes"
    scope, role = caller
    if row[scope] == "every":
        return True
    return role in roles_of(row[scope]) and (place == HERE or (place, scope) == (BESIDE, "org"))


class Place:
    """An org with what the routes are about, put back in order after each call."""

    def __init__(self, operator):
        self.operator = operator
        self.org = Org(operator)
        self.projects = {HERE: "dashboards", BESIDE: "panels"}
        self.callers = {}
        self.token_id = None
        self.restore()

    def restore(self):
        path = self.org.path
        for name in self.projects.values():
            self.operator.post(f"{path}/projects", {
                "name": name, "frontend_url": "https://dashboards.test"})
        self.operator.post(f"{path}/services", {"name": "gateway", "org_role_name": "guest"})
        self.operator.ok("PUT", f"{path}/services/gateway/role", {"role": "guest"})
        for project in self.projects.values():
            self.operator.ok("PUT", f"{path}/projects/{project}/services/gateway/role",
                             {"role": "viewer"})
        for (scope, role), caller in self.callers.items():
            if scope == "project":
                self.operator.ok("PUT", f"{path}/projects/dashboards/services/{caller.name}/role",
                                 {"role": role})
        tokens = self.operator.ok("GET", f"{path}/services/gateway/tokens")["tokens"]
        self.token_id = tokens[0]["id"] if tokens else self.operator.ok(
            "POST", f"{path}/services/gateway/tokens", {})["id"]

    def client(self, caller):
        if caller in (OPERATOR, NOBODY):
            token = self.operator.token if caller == OPERATOR else None
            return Client(self.operator.address, token)
        if caller not in self.callers:
            scope, role = caller
            self.callers[caller] = Service(
                self.org, *((role, None, None) if scope == "org" else (None, "dashboards", role)),
                {})
        return self.callers[caller].client


@pytest.fixture(scope="module")
def places(operator):
    return Place(operator), Place(operator)


def pending_key(operator, name):
    """What keys.delete needs to be there, and keys.rotate does not."""
    kids = [key["kid"] for key in operator.ok("GET", "/v1/keys")["keys"]
            if key["state"] == "pending"]
    if kids and name == "keys.rotate":
        operator.ok("DELETE", f"/v1/keys/{kids.pop()}")
    if not kids and name == "keys.delete":
        kids.append(operator.ok("POST", "/v1/keys/rotate")["key"]["kid"])
    return kids[0] if kids else None


def request_for(row, place, home, other):
    """Path and body; what is made gets a name of its own."""
    at = other if place == THERE else home
    project = at.projects[BESIDE if place == BESIDE else HERE]
    path = row["path"].format(org=at.org.name, project=project, service="gateway", id=at.token_id,
                              key=pending_key(home.operator, row["name"]))
    if row["name"] == "audit.list":
        path += f"?org={at.org.name}"
    operation = Document.of_mintd().find("GET" if row["method"] == "ANY" else row["method"], path)
    assert operation["operationId"] == row["name"]
    if "requestBody" not in operation:
        return path, None
    body = dict(operation["requestBody"]["content"]["application/json"]["example"])
    if "name" in body:
        body["name"] = unique("made")
    return path, body


def places_of(row):
    """Where the route can be called, besides at home."""
    names_org = "{org}" in row["path"] or "{id}" in row["path"] or row["name"] == "audit.list"
    return [HERE] + [BESIDE] * ("{project}" in row["path"]) + [THERE] * names_org


def expected(row, caller, place):
    if may(row, caller, place):
        return 200
    if caller == NOBODY or row["operator"] == "with a credential":
        return 401
    if row["name"] == "tokens.revoke" and caller == ("org", "admin"):
        return 404  # whose it is does not show
    return 403


def cells():
    return [(row, caller, place) for row in ROWS for place in places_of(row) for caller in CALLERS]


def test_the_table_is_whole():
    names = {operation["operationId"] for _, _, operation in Document.of_mintd().operations}
    assert {row["name"] for row in ROWS} == names and len(ROWS) == len(names)
    assert len(cells()) >= 500
    for row in ROWS:
        assert set(roles_of(row["org"])) <= {*ORG_ROLES, "every", "everybody", "with a credential"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_every_role_everywhere(places, operator, row):
    home, other = places
    wrong = []
    for place in places_of(row):
        for caller in CALLERS:
            client = home.client(caller)
            path, body = request_for(row, place, home, other)
            if row["name"] == "orgs.delete" and caller == OPERATOR:
                path = Org(operator).path  # an empty one: others do not go, whoever asks
            status = client.call("GET" if row["method"] == "ANY" else row["method"], path,
                                 body).status
            if status != expected(row, caller, place):
                wrong.append((place, caller, path, status, expected(row, caller, place)))
            if row["method"] != "GET" and status == 200:
                home.restore()
                other.restore()
    assert not wrong


def test_roles_are_those_of_the_page(operator):
    told = operator.ok("GET", "/v1/roles")
    assert [role["name"] for role in told["organizationRoles"]] == ORG_ROLES
    assert [role["name"] for role in told["projectRoles"]] == PROJECT_ROLES
    page = PAGE.read_text(encoding="utf-8")
    for permission, in_org, in_project in re.findall(
            r"^\| `(\w+)` \| [^|]+ \| ([^|]*) \| ([^|]*) \|$", page, re.MULTILINE):
        for cell, roles in ((in_org, told["organizationRoles"]),
                            (in_project, told["projectRoles"])):
            assert roles_of(cell) == [role["name"] for role in roles
                                      if permission in role["permissions"]]
