"""Orgs, projects, services and tokens: made, read, changed, deleted, and by whom."""

import pytest

from api import TIME, TOKEN, UUID, Client, Org, credentials_path, quoted, unique

PROJECT_FIELDS = {"id", "name", "orgId", "orgName", "description", "runtimeHost", "audience",
                  "frontendUrl", "primaryBranch", "instanceId", "defaultTtlSeconds",
                  "maxTtlSeconds", "maxTokenBytes", "jwtAlg", "createdOn", "updatedOn"}
SERVICE_FIELDS = {"id", "name", "orgId", "orgName", "attributes", "policy", "createdOn",
                  "updatedOn"}
BAD_NAMES = ["", "a", "ab", "-abc", "a" * 41, "a b", "a.b", "a/b", "abé", "ab\u0000", "ab\n",
             " abc", "abc "]
GOOD_NAMES = ["abc", "a" * 40, "_ab", "0ab", "a-_", "A-Z_9"]


@pytest.fixture
def own(operator):
    """An org of the test's own."""
    return Org(operator)


def fresh(name):
    """The name, made unique by its end where it has room."""
    return name if len(name) != 3 else name + unique("")


# ---- orgs

def test_org(operator):
    name = unique("Acme")
    path = f"/v1/orgs/{name}"
    org = operator.ok("POST", "/v1/orgs", {"name": name, "display_name": "Acmé"})["organization"]
    assert org == {"id": org["id"], "name": name, "displayName": "Acmé",
                   "createdOn": org["createdOn"], "updatedOn": org["updatedOn"]} | {
                       key: value for key, value in org.items() if key == "description"}
    assert UUID.fullmatch(org["id"]) and TIME.fullmatch(org["createdOn"])
    assert operator.ok("GET", path)["organization"] == org
    assert operator.ok("GET", path.upper().replace("/V1/ORGS", "/v1/orgs"))["organization"] == org
    edited = operator.ok("PATCH", path, {"displayName": "B"})["organization"]
    assert (edited["displayName"], edited["name"], edited["id"]) == ("B", name, org["id"])
    assert operator.ok("GET", path)["organization"] == edited
    operator.ok("DELETE", path)
    for method in ("GET", "PATCH", "DELETE"):
        operator.refused(404, method, path, {} if method == "PATCH" else None, "org")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names(operator, own, name):
    operator.refused(400, "POST", "/v1/orgs", {"name": name}, "name")
    operator.refused(400, "POST", f"{own.path}/projects", {"name": name}, "name")
    body = {"name": name, "org_role_name": "viewer"}
    operator.refused(400, "POST", f"{own.path}/services", body, "name")


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_good_names(operator, own, name):
    own.project(name)
    own.service("viewer", name=name)
    for kind in ("projects", "services"):
        thing = operator.ok("GET", f"{own.path}/{kind}/{quoted(name.swapcase())}")[kind[:-1]]
        assert thing["name"] == name


def test_names_are_taken_without_regard_to_case(operator, own):
    operator.refused(409, "POST", "/v1/orgs", {"name": own.name.upper()}, "name")
    own.project("Board")
    operator.refused(409, "POST", f"{own.path}/projects", {"name": "bOARD"}, "board")
    own.service("viewer", name="Gate")
    operator.refused(409, "POST", f"{own.path}/services",
                     {"name": "gATE", "org_role_name": "viewer"}, "gate")
    other = Org(operator)
    assert other.project("Board")["id"] and other.service("viewer", name="Gate").token


def names(client, path, kind, **query):
    """All pages' names, and how many pages it took."""
    found, pages, token = [], 0, ""
    while pages == 0 or token:
        words = "&".join(f"{k}={quoted(str(v))}" for k, v in {**query, "page_token": token}.items()
                         if v != "")
        page = client.ok("GET", f"{path}?{words}" if words else path)
        found += [row["name"] for row in page[kind]]
        token = page.get("nextPageToken", "")
        pages += 1
    return found, pages


def test_paging_of_orgs(operator):
    made = [Org(operator).name for _ in range(7)]
    everything, pages = names(operator, "/v1/orgs", "organizations")
    assert set(made) <= set(everything) and len(everything) == len(set(everything))
    for size in (1, 3, len(everything), 1000):
        paged, pages = names(operator, "/v1/orgs", "organizations", page_size=size)
        assert paged == everything and pages == -(-len(everything) // size), size
    for size in ("0x1", "-1", "1001", "a", "1.5"):
        operator.refused(400, "GET", f"/v1/orgs?page_size={size}", about="page_size")
    operator.refused(400, "GET", "/v1/orgs?page_tokne=a", about="page_tokne")
    operator.refused(400, "GET", "/v1/orgs?page_token=%00%ff")


def test_paging_of_projects(operator, own):
    made = {own.project(f"p{number:02}")["name"] for number in range(12)}
    paged, pages = names(operator, f"{own.path}/projects", "projects", page_size=5)
    assert set(paged) == made and len(paged) == 12 and pages == 3


def test_orgs_that_a_service_sees(operator, own):
    """Its own, and nobody else's."""
    Org(operator)
    client = own.service("viewer").client
    assert names(client, "/v1/orgs", "organizations") == ([own.name], 1)


def test_org_that_is_not_empty(operator):
    for kind in ("projects", "services"):
        org = Org(operator)
        thing = org.project() if kind == "projects" else org.service("viewer").info
        operator.refused(400, "DELETE", org.path, about=kind[:-1])
        operator.ok("DELETE", f"{org.path}/{kind}/{thing['name']}")
        operator.ok("DELETE", org.path)


# ---- projects

def test_project(operator, own):
    fields = {"name": "board", "description": "Ä board", "runtime_host": "https://r.test",
              "audience": "https://a.test", "frontend_url": "https://f.test",
              "primary_branch": "trunk", "default_ttl_seconds": 60, "max_ttl_seconds": 120,
              "max_token_bytes": 2048, "jwt_alg": "Ed25519"}
    project = operator.ok("POST", f"{own.path}/projects", fields)["project"]
    assert PROJECT_FIELDS <= set(project)
    expected = {"name": "board", "description": "Ä board", "runtimeHost": "https://r.test",
                "audience": "https://a.test", "frontendUrl": "https://f.test",
                "primaryBranch": "trunk", "defaultTtlSeconds": 60, "maxTtlSeconds": 120,
                "maxTokenBytes": 2048, "jwtAlg": "Ed25519", "orgId": own.info["id"],
                "orgName": own.name}
    assert {key: project[key] for key in expected} == expected
    assert UUID.fullmatch(project["id"]) and UUID.fullmatch(project["instanceId"])
    assert project["id"] != project["instanceId"]
    path = f"{own.path}/projects/board"
    assert operator.ok("GET", path)["project"] == project
    edited = operator.ok("PATCH", path, {"description": "", "maxTtlSeconds": 600})["project"]
    changed = {"description": "", "maxTtlSeconds": 600, "updatedOn": edited["updatedOn"]}
    assert edited == {**project, **changed}
    renamed = operator.ok("PATCH", path, {"name": "panel"})["project"]
    assert renamed["id"] == project["id"] and renamed["name"] == "panel"
    operator.refused(404, "GET", path, about="project")
    operator.ok("DELETE", f"{own.path}/projects/panel")
    operator.refused(404, "DELETE", f"{own.path}/projects/panel", about="project")


def test_defaults_of_a_project(operator, own):
    project = operator.ok("POST", f"{own.path}/projects", {"project": "bare"})["project"]
    for field in ("description", "audience", "frontendUrl", "primaryBranch", "runtimeHost"):
        assert project[field] == ""
    for field in ("defaultTtlSeconds", "maxTtlSeconds"):
        assert project[field] == 0
    assert project["jwtAlg"] == "EdDSA"


@pytest.mark.parametrize("fields, about", [
    ({}, "name"), ({"name": "abc", "project": "abc"}, "project"), ({"name": 7}, "name"),
    ({"name": "abc", "jwt_alg": "RS256"}, "jwt_alg"),
    ({"name": "abc", "jwt_alg": "none"}, "jwt_alg"),
    ({"name": "abc", "max_ttl_seconds": -1}, "max_ttl_seconds"), ({"name": "abc", "x": 1}, "x"),
    ({"name": "abc", "default_ttl_seconds": 1.5}, "default_ttl_seconds"),
    ({"name": "abc", "id": "x"}, "id"), ({"name": "abc", "instance_id": "x"}, "instance_id")])
def test_bad_project(operator, own, fields, about):
    operator.refused(400, "POST", f"{own.path}/projects", fields, about)


# ---- services and tokens

def test_service(operator, own):
    own.project("board")
    attributes = {"tier": "gold", "n": [1.5]}
    body = {"name": "gate", "org_role_name": "guest", "project": "BOARD",
            "projectRoleName": "issuer", "attributes": attributes}
    service = operator.ok("POST", f"{own.path}/services", body)["service"]
    assert SERVICE_FIELDS <= set(service)
    expected = {"name": "gate", "orgId": own.info["id"], "orgName": own.name,
                "attributes": attributes, "policy": {}}
    assert {key: service[key] for key in expected} == expected
    shown = operator.ok("GET", f"{own.path}/services/gate")
    assert {key: shown["service"][key] for key in SERVICE_FIELDS} == {
        key: service[key] for key in SERVICE_FIELDS}
    [membership] = shown["projectMemberships"]
    assert (membership["projectName"], membership["projectRoleName"]) == ("board", "issuer")
    assert UUID.fullmatch(membership["projectId"])
    [listed] = operator.ok("GET", f"{own.path}/services")["services"]
    assert (listed["name"], listed["roleName"]) == ("gate", "guest")
    assert (listed["hasProjectRoles"], listed["projectRoles"]) == (True, {"board": "issuer"})
    operator.ok("DELETE", f"{own.path}/services/gate")
    operator.refused(404, "GET", f"{own.path}/services/gate", about="service")
    operator.refused(404, "DELETE", f"{own.path}/services/gate", about="service")
    assert operator.ok("GET", f"{own.path}/services")["services"] == []


def test_service_without_attributes(operator, own):
    service = own.service("viewer").info
    assert service["attributes"] == {} and service["policy"] == {}
    [listed] = operator.ok("GET", f"{own.path}/services")["services"]
    assert (listed["hasProjectRoles"], listed["projectRoles"]) == (False, {})


@pytest.mark.parametrize("fields, about", [
    ({}, "role"), ({"project": "board"}, "project_role_name"),
    ({"project_role_name": "admin"}, "project"),
    ({"org_role_name": "admin", "project": "board"}, "project_role_name"),
    ({"org_role_name": "owner"}, "role"), ({"org_role_name": "Admin"}, "role"),
    ({"project": "board", "project_role_name": "guest"}, "role"),
    ({"org_role_name": "admin", "attributes": []}, "attributes"),
    ({"org_role_name": "admin", "attributes": {"a": "x" * 16384}}, "attributes"),
    ({"org_role_name": "admin", "policy": "x"}, "policy"),
    ({"org_role_name": "admin", "org_role": "x"}, "org_role"), ({"org_role_name": 1}, "org_role")])
def test_bad_service(operator, own, fields, about):
    own.project("board")
    body = {"name": "gate", **fields}
    operator.refused(400, "POST", f"{own.path}/services", body, about)
    operator.refused(404, "GET", f"{own.path}/services/gate")


def test_service_in_a_project_that_is_not_there(operator, own):
    body = {"name": "gate", "project": "nothing", "project_role_name": "issuer"}
    reply = operator.post(f"{own.path}/services", body)
    assert reply.status in (400, 404) and "project" in reply.message
    operator.refused(404, "GET", f"{own.path}/services/gate")


def test_attributes_of_a_service_are_kept_exactly(operator, own):
    attributes = '{"z":1.0,"a":12345678901234567890,"É":["\\u0000",-0,1E5,{"b":null}]}'
    operator.ok("POST", f"{own.path}/services",
                '{"name":"gate","org_role_name":"viewer","attributes":%s}' % attributes)
    for path in (f"{own.path}/services/gate", f"{own.path}/services"):
        assert f'"attributes":{attributes}'.encode() in operator.get(path).body


def test_tokens(operator, own):
    service = own.service("viewer")
    first = service.issued
    assert set(first) == {"token", "id", "prefix", "expiresOn", "applied"}
    assert TOKEN.fullmatch(first["token"]) and first["token"].startswith(first["prefix"])
    assert first["token"][len("mint_svc_"):len(first["prefix"])] == first["token"][9:19]
    assert UUID.fullmatch(first["id"]) and first["expiresOn"] is None
    second = service.issue_token(ttl_seconds=3600, description="für CI")
    assert TIME.fullmatch(second["expiresOn"]) and second["token"] != first["token"]
    path = f"{service.path}/tokens"
    rows = {row["id"]: row for row in operator.ok("GET", path)["tokens"]}
    assert rows.keys() == {first["id"], second["id"]}
    for issued, description in ((first, ""), (second, "für CI")):
        row = rows[issued["id"]]
        assert row == {"id": issued["id"], "prefix": issued["prefix"], "description": description,
                       "createdOn": row["createdOn"], "expiresOn": issued["expiresOn"],
                       "lastUsedOn": None, "lastUsedAddress": ""}
        assert TIME.fullmatch(row["createdOn"])
    operator.ok("DELETE", f"/v1/services/tokens/{first['id']}")
    assert [row["id"] for row in operator.ok("GET", path)["tokens"]] == [second["id"]]
    operator.refused(404, "DELETE", f"/v1/services/tokens/{first['id']}", about="token")
    operator.refused(404, "POST", f"{own.path}/services/nothing/tokens", about="service")


@pytest.mark.parametrize("fields, about", [
    ({"ttl_seconds": -1}, "ttl_seconds"), ({"ttl": 1}, "ttl"), ({"description": 7}, "description"),
    ({"description": "x" * 257}, "description"), ({"ttl_seconds": "x"}, "ttl_seconds")])
def test_bad_token_request(operator, own, fields, about):
    service = own.service("viewer")
    operator.refused(400, "POST", f"{service.path}/tokens", fields, about)


def test_tokens_are_unlike(operator, own):
    service = own.service("viewer")
    issued = [service.issue_token()["token"] for _ in range(50)]
    assert len({token[9:40] for token in issued}) == len({token[40:63] for token in issued}) == 50


@pytest.mark.parametrize("id_", ["x", "0", "00000000-0000-4000-8000-000000000000", "%20",
                                 "6ba7b810-9dad-41d1-80b4-00c04fd430c8x"])
def test_revoke_of_no_token(operator, id_):
    assert operator.call("DELETE", f"/v1/services/tokens/{id_}").status in (400, 404)


def test_roles_are_listed(admin):
    roles = admin.client.ok("GET", "/v1/roles")
    assert {role["name"] for role in roles["organizationRoles"]} == {
        "admin", "editor", "viewer", "guest", "issuer"}
    assert {role["name"] for role in roles["projectRoles"]} == {
        "admin", "editor", "viewer", "issuer"}
    assert all(role["permissions"] for kind in roles.values() for role in kind)


def test_the_longer_spelling(operator, own):
    base = f"/v1/organizations/{own.name}"
    for rest in ("", "/projects", "/services"):
        assert operator.ok("GET", base + rest) == operator.ok("GET", own.path + rest)


# ---- who may: the table of api.md

# role (org's, or "project:" and the project's) → what it may
MAY = {
    "admin": {"read org", "manage org", "create projects", "manage project", "read project",
              "issue"},
    "editor": {"read org", "create projects", "read project"},
    "viewer": {"read org", "read project"},
    "guest": {"read org"},
    "issuer": {"issue"},
    "project:admin": {"manage project", "read project", "issue"},
    "project:editor": {"read project"},
    "project:viewer": {"read project"},
    "project:issuer": {"read project", "issue"},
}
# what is asked → what it needs; {p} is the project, {new} a fresh name
ASKED = [
    ("GET", "", None, "read org"), ("PATCH", "", {"display_name": "x"}, "manage org"),
    ("GET", "/projects", None, "read org"),
    ("POST", "/projects", {"name": "{new}"}, "create projects"),
    ("GET", "/projects/{p}", None, "read project"),
    ("PATCH", "/projects/{p}", {"description": "x"}, "manage project"),
    ("POST", "/projects/{p}/credentials", {}, "issue"),
    ("GET", "/services", None, "manage org"),
    ("POST", "/services", {"name": "{new}", "org_role_name": "guest"}, "manage org"),
    ("GET", "/services/{s}", None, "manage org"),
    ("POST", "/services/{s}/tokens", {}, "manage org"),
    ("GET", "/services/{s}/tokens", None, "manage org"),
    ("DELETE", "/services/{s}", None, "manage org"),
    ("DELETE", "/projects/{p}", None, "manage project"),
]
FORBIDDEN = [("POST", "/v1/orgs", {"name": "never-made"}), ("GET", "/v1/keys", None),
             ("DELETE", "/v1/orgs/nothing-here", None)]


def filled(value, **names_):
    """Path or body with the placeholders replaced."""
    if isinstance(value, dict):
        return {key: filled(text, **names_) for key, text in value.items()}
    return value.format(**names_) if isinstance(value, str) else value


def holder(org, role, project):
    if role.startswith("project:"):
        return org.service(project=project, project_role=role.removeprefix("project:"))
    return org.service(role)


@pytest.mark.parametrize("role", MAY)
def test_who_may(operator, role):
    """Every route with every role: in its own project and org, in another project, in another org;
    and a refusal is the same whether or not the thing is there."""
    own, other = Org(operator), Org(operator)
    project, second = own.project()["name"], own.project()["name"]
    foreign = other.project()["name"]
    target, foreign_target = own.service("guest").name, other.service("guest").name
    client = holder(own, role, project).client
    wrong = []

    def ask(org, method, rest, body, may, **things):
        reply = client.call(method, org + filled(rest, **things),
                            body and filled(body, new=unique("new")) or body)
        if (reply.status == 200) != may or (not may and reply.status != 403):
            wrong.append((method, org + rest, things, reply.status, reply.body))
        return reply

    for method, rest, body, needed in ASKED:
        may = needed in MAY[role]
        here = ask(own.path, method, rest, body, may, p=project, s=target)
        if "{p}" in rest:
            may_there = may and not role.startswith("project:")
            ask(own.path, method, rest, body, may_there, p=second, s="")
        if ("{p}" in rest or "{s}" in rest) and not may:
            missing = ask(own.path, method, rest, body, False, p="nothing", s="nothing")
            assert missing.json == here.json
        there = ask(other.path, method, rest, body, False, p=foreign, s=foreign_target)
        nowhere = ask("/v1/orgs/nothing-here", method, rest, body, False, p=foreign, s="nothing")
        assert there.json == nowhere.json
    for method, path, body in FORBIDDEN:
        ask("", method, path, body, False)
    assert not wrong


@pytest.mark.parametrize("role", MAY)
def test_who_may_revoke(operator, role):
    own, other = Org(operator), Org(operator)
    client = holder(own, role, own.project()["name"]).client
    mine, foreign = own.service("guest"), other.service("guest")
    may = "manage org" in MAY[role]
    status = client.call("DELETE", f"/v1/services/tokens/{mine.token_id}").status
    assert status == (200 if may else 403)
    there = client.call("DELETE", f"/v1/services/tokens/{foreign.token_id}")
    nowhere = client.call("DELETE", "/v1/services/tokens/6ba7b810-9dad-41d1-80b4-00c04fd430c8")
    assert there.status == nowhere.status == (404 if may else 403) and there.json == nowhere.json
    assert operator.ok("GET", f"{foreign.path}/tokens")["tokens"][0]["id"] == foreign.token_id


@pytest.mark.parametrize("role", [role for role in MAY if role != "admin"])
def test_nobody_gives_more_than_he_has(operator, role):
    own = Org(operator)
    project = own.project()["name"]
    service = holder(own, role, project)
    client = service.client
    for given in ({"org_role_name": "admin"}, {"org_role_name": "issuer"},
                  {"project": project, "project_role_name": "admin"}):
        client.refused(403, "POST", f"{own.path}/services", {"name": "made", **given})
    client.refused(403, "PUT", f"{service.path}/role", {"role": "admin"})
    client.refused(403, "POST", f"{service.path}/tokens", {})
    operator.refused(404, "GET", f"{own.path}/services/made")


def test_roles_add_up(operator, own):
    """An org guest with a project role has both."""
    project = own.project()["name"]
    service = own.service("guest", project, "issuer")
    service.client.ok("GET", own.path)
    assert service.mint(project).status == 200
    assert service.mint(own.project()["name"]).status == 403


def test_forbidden_says_what_is_missing(org, project):
    message = org.service("viewer").mint(project["name"]).message
    assert "admin" in message and "issuer" in message


@pytest.mark.parametrize("method, path", [
    ("GET", "/v1/orgs"), ("DELETE", "/v1/orgs/nothing"), ("GET", "/v1/orgs/nothing"),
    ("DELETE", "/v1/services/tokens/x"), ("GET", "/v1/orgs/nothing/services"), ("GET", "/v1/keys"),
    ("POST", "/v1/orgs/nothing/projects/nothing/credentials"), ("GET", "/v1/roles")])
def test_no_token(client, method, path):
    """A challenge that names no error, for nothing was sent that could be wrong: RFC 6750, 3.1."""
    reply = client.call(method, path)
    assert reply.status == 401 and "error" not in reply.headers["WWW-Authenticate"]


def test_edits_of_a_service(operator, own):
    """Absent attributes are kept, {} clears them, anything else replaces them."""
    service = own.service("viewer", attributes={"a": 1})
    edited = operator.ok("PATCH", service.path, {"new_name": "fresh"})["service"]
    assert (edited["name"], edited["attributes"]) == ("fresh", {"a": 1})
    path = f"{own.path}/services/fresh"
    assert operator.ok("PATCH", path, {"attributes": {"b": 2}})["service"]["attributes"] == {"b": 2}
    assert operator.ok("PATCH", path, {"attributes": {}})["service"]["attributes"] == {}
    operator.refused(404, "GET", service.path)
    assert Client(operator.address, service.token).get(own.path).status == 200


def test_roles_of_a_service(operator, own):
    project = own.project()["name"]
    service = own.service("guest")
    in_project = f"{own.path}/projects/{project}/services/{service.name}"
    assert operator.ok("PUT", f"{service.path}/role", {"role": "issuer"}).keys() == {"applied"}
    assert service.mint(project).status == 200
    assert operator.ok("DELETE", f"{service.path}/role").keys() == {"applied"}
    assert service.mint(project).status == 403
    operator.refused(404, "DELETE", f"{service.path}/role")
    assert operator.ok("PUT", f"{in_project}/role", {"role": "issuer"}).keys() == {"applied"}
    assert service.mint(project).status == 200
    [row] = operator.ok("GET", f"{own.path}/projects/{project}/services")["services"]
    assert (row["name"], row["projectRoleName"], row["orgRoleName"]) == (service.name, "issuer", "")
    assert operator.ok("DELETE", in_project).keys() == {"applied"}
    assert service.mint(project).status == 403
    operator.refused(404, "DELETE", in_project)
    operator.refused(400, "PUT", f"{service.path}/role", {"role": "owner"}, "role")
    operator.refused(400, "PUT", f"{service.path}/role", {}, "role")
