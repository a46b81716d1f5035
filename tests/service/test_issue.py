"""Issuing a credential: what each request leads to, to the letter."""

import hashlib
import json
import re
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api import Client, Credential, Org, credentials_path, unpack
from daemon import ISSUER

CLAIMS = {"iss", "aud", "iat", "nbf", "exp", "jti", "act", "org", "project", "ins", "attr"}
# No claim of a credential, whatever the attributes are called.
CLAIM_NAMES = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "act", "org", "project", "ins",
               "attr", "sec", "sys", "alg", "kid", "__proto__", "constructor", "", "ttl_seconds"]


@pytest.fixture(scope="module")
def issuer(org, project):
    """A gateway's service: nothing but minting, in one project."""
    return org.service(project=project["name"], project_role="issuer")


@pytest.fixture
def mint(issuer, project):
    """mint(body): the credential."""
    return lambda body=None: issuer.credential(project["name"], body)


@pytest.fixture
def refuse(issuer, project):
    """refuse(body, about): a 400 that names what it is about."""
    path = credentials_path(issuer.org.name, project["name"])
    return lambda body, about="": issuer.client.refused(400, "POST", path, body, about)


def public_key(client, kid):
    keys = client.ok("GET", "/.well-known/jwks.json")["keys"]
    [key] = [key for key in keys if key["kid"] == kid]
    return Ed25519PublicKey.from_public_bytes(unpack(key["x"]))


def test_response(issuer, project):
    reply = issuer.mint(project["name"], {"attributes": {"tenant": "a"}, "ttl_seconds": 300})
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.headers["Cache-Control"] == "no-store"
    token = reply.json.pop("accessToken")
    assert reply.json == {"runtimeHost": "https://runtime.test", "accessToken": token,
                          "instanceId": project["instanceId"], "ttlSeconds": 300,
                          "refreshAfterSeconds": 240}


def test_header_claims_and_signature(issuer, org, project, client):
    before = int(time.time())
    credential = issuer.credential(project["name"], {"attributes": {"tenant": "a"}})
    after = int(time.time())
    claims, header = credential.claims, credential.header
    assert header == {"alg": "EdDSA", "typ": "JWT", "kid": header["kid"]}
    assert claims == {
        "iss": ISSUER, "aud": ["https://runtime.test"], "org": org.name,
        "project": project["name"], "ins": {project["instanceId"]: [25, 23, 21, 27]},
        "act": {"sub": f"svc_{issuer.info['id']}", "tid": issuer.token_id},
        "iat": claims["iat"], "nbf": claims["iat"] - 5, "exp": claims["iat"] + 3600,
        "jti": claims["jti"], "attr": {"tenant": "a"}}
    assert before - 1 <= claims["iat"] <= after
    assert re.fullmatch(r"[0-9a-f]{32}", claims["jti"])
    signed, signature = credential.jwt.rsplit(".", 1)
    public_key(client, header["kid"]).verify(unpack(signature), signed.encode())


def test_jti_is_unique(daemon, issuer, org, project):
    path = credentials_path(org.name, project["name"])
    clients = [Client(daemon.address, issuer.token) for _ in range(8)]
    tokens = [Credential(client.ok("POST", path)["accessToken"])
              for _ in range(25) for client in clients]
    assert len({token.claims["jti"] for token in tokens}) == 200
    for client in clients:
        client.close()


@pytest.mark.parametrize("email, domain", [
    ("ada@example.com", "example.com"), ("a@b@c.test", "c.test"),
    ("é@bücher.test", "bücher.test"), ('"x\\",\\"iss\\":\\"evil"@a.test', "a.test")])
def test_user_email(mint, email, domain):
    claims = mint({"user_email": email}).claims
    assert list(claims["attr"].items()) == [("email", email), ("domain", domain), ("admin", False)]
    assert set(claims) == CLAIMS


@pytest.mark.parametrize("user", ["7", "usr_é", 'a","iss":"evil', "x" * 256])
def test_user_id(mint, user):
    claims = mint({"user_id": user}).claims
    assert claims["attr"] == {"id": user}
    assert claims["sub"] == user
    assert set(claims) == CLAIMS | {"sub"}


def external_subject(user, project):
    return "ext_" + hashlib.sha256((user + project["id"]).encode()).hexdigest()


@pytest.mark.parametrize("beside, attributes", [
    ({}, {}), ({"attributes": {"a": 1}}, {"a": 1}),
    ({"user_email": "a@b.test"}, {"email": "a@b.test", "domain": "b.test", "admin": False})])
def test_external_user_id(mint, project, beside, attributes):
    claims = mint({"external_user_id": "crm-é-7", **beside}).claims
    assert claims["sub"] == external_subject("crm-é-7", project)
    assert claims.get("attr", {}) == attributes
    assert set(claims) | {"attr"} == CLAIMS | {"sub"}


def test_external_user_id_differs_by_project(org, project, admin):
    other = org.project()
    subjects = {admin.credential(name, {"external_user_id": "7"}).claims["sub"]
                for name in (project["name"], other["name"])}
    assert subjects == {external_subject("7", project), external_subject("7", other)}


@pytest.mark.parametrize("role, is_admin", [("admin", True), ("issuer", False)])
def test_service_itself(org, project, role, is_admin):
    service = org.service(role, attributes={"tier": "gold", "n": [1]})
    claims = service.credential(project["name"]).claims
    assert list(claims["attr"].items()) == [("name", service.name), ("admin", is_admin),
                                            ("tier", "gold"), ("n", [1])]
    assert claims["sub"] == f"svc_{service.info['id']}"


def test_service_attribute_named_like_a_member(org, project):
    """The names that mintd writes stand once, whatever the service's own attributes are called."""
    service = org.service("issuer", attributes={"name": "x", "admin": 1, "sub": "y"})
    claims = service.credential(project["name"]).claims  # refuses a key twice
    assert claims["sub"] == f"svc_{service.info['id']}" and claims["attr"]["sub"] == "y"


@pytest.mark.parametrize("two", [
    {"user_id": "a", "user_email": "a@b.test"}, {"user_id": "a", "attributes": {}},
    {"user_email": "a@b.test", "attributes": {}}, {"user_id": "a", "external_user_id": "b"},
    {"userId": "a", "externalUserId": "b"}])
def test_only_one_user(refuse, two):
    refuse(two, "only one of")


@pytest.mark.parametrize("base", ["/v1/orgs", "/v1/organizations"])
@pytest.mark.parametrize("change", [str, str.upper, lambda name: f"%{ord(name[0]):02x}{name[1:]}"])
def test_route_spellings(issuer, org, project, base, change):
    path = f"{base}/{change(org.name)}/projects/{change(project['name'])}/credentials"
    claims = Credential(issuer.client.ok("POST", path)["accessToken"]).claims
    assert (claims["org"], claims["project"]) == (org.name, project["name"])


@pytest.mark.parametrize("snake, camel, value, effect", [
    ("ttl_seconds", "ttlSeconds", 60, lambda claims: claims["exp"] - claims["iat"]),
    ("user_id", "userId", "u", lambda claims: claims["sub"]),
    ("user_email", "userEmail", "a@b.test", lambda claims: claims["attr"]["email"]),
    ("external_user_id", "externalUserId", "e", lambda claims: claims["sub"])])
def test_field_spellings(mint, refuse, snake, camel, value, effect):
    assert effect(mint({snake: value}).claims) == effect(mint({camel: value}).claims)
    refuse({snake: value, camel: value}, snake)
    refuse(f'{{"{snake}":{json.dumps(value)},"{snake}":{json.dumps(value)}}}', snake)
    escaped = snake.replace("_", "\\u005f")
    refuse(f'{{"{snake}":{json.dumps(value)},"{escaped}":{json.dumps(value)}}}', snake)


@pytest.mark.parametrize("name", ["ttl_second", "TTL_SECONDS", "ttl-seconds", "email", "iss", "sub",
                                  "exp", "", "ttl_Seconds", "ttl__seconds", "ttlseconds"])
def test_unknown_field(refuse, name):
    refuse({name: 1}, name)


@pytest.mark.parametrize("field", ["user_id", "user_email", "external_user_id", "branch"])
@pytest.mark.parametrize("value", ["x" * 257, "a\nb", "a\0b", 7, True, ["a"], {"a": "b"}],
                         ids=["long", "newline", "nul", "number", "bool", "array", "object"])
def test_text_fields(refuse, field, value):
    refuse({field: value}, field)


@pytest.mark.parametrize("field", ["user_id", "user_email", "external_user_id", "branch",
                                   "attributes", "ttl_seconds"])
def test_null_is_absent(mint, field):
    assert mint({field: None}).claims["sub"].startswith("svc_")


@pytest.mark.parametrize("value", ["[]", '"x"', "1", "true"])
def test_attributes_are_an_object(refuse, value):
    refuse(f'{{"attributes":{value}}}', "attributes")


@pytest.mark.parametrize("given, seconds", [
    (None, 3600), ("0", 3600), ("1", 1), ("86399", 86399), ("86400", 86400), ('"300"', 300)])
def test_ttl(issuer, project, given, seconds):
    body = "{}" if given is None else f'{{"ttl_seconds":{given}}}'
    reply = issuer.mint(project["name"], body).json
    assert (reply["ttlSeconds"], reply["refreshAfterSeconds"]) == (seconds, seconds * 4 // 5)
    claims = Credential(reply["accessToken"]).claims
    assert claims["exp"] - claims["iat"] == seconds


@pytest.mark.parametrize("given", [
    "86401", "4294967295", "4294967296", "18446744073709551615", "18446744073709551616", "-1",
    "-0", "0.5", "3600.5", "1e999", '""', '"x"', '"-1"', '" 1"', '"0x10"', "true", "[]", "{}"])
def test_ttl_refused(refuse, given):
    refuse(f'{{"ttl_seconds":{given}}}', "ttl_seconds" if "e999" not in given else "")


def test_ttl_of_the_project(org, admin):
    path = credentials_path(org.name, org.project("short", default_ttl_seconds=120,
                                                  max_ttl_seconds=600)["name"])
    for given, seconds in ((0, 120), (1, 1), (599, 599), (600, 600)):
        assert admin.client.ok("POST", path, {"ttl_seconds": given})["ttlSeconds"] == seconds
    admin.client.refused(400, "POST", path, {"ttl_seconds": 601}, "project")
    path = credentials_path(org.name, org.project(max_ttl_seconds=60)["name"])
    assert admin.client.ok("POST", path)["ttlSeconds"] == 60


def test_branch(mint, refuse):
    assert mint({"branch": "main"}).claims.keys() == mint().claims.keys()
    for other in ("Main", "main2", "mai", "dev"):
        refuse({"branch": other}, "branch")


def test_branch_of_a_project_without_one(org, admin):
    name = org.project(primary_branch="")["name"]
    admin.client.refused(400, "POST", credentials_path(org.name, name), {"branch": "main"}, "main")
    assert admin.mint(name).status == 200


def test_audience_and_algorithm_of_the_project(org, admin, client):
    name = org.project(audience="https://audience.test/é", jwt_alg="Ed25519")["name"]
    credential = admin.credential(name)
    assert credential.claims["aud"] == ["https://audience.test/é"]
    assert credential.header["alg"] == "Ed25519"
    signed, signature = credential.jwt.rsplit(".", 1)
    public_key(client, credential.header["kid"]).verify(unpack(signature), signed.encode())


@pytest.mark.parametrize("content_type", [
    None, "application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8",
    "application/x-www-form-urlencoded"])
def test_content_types(daemon, issuer, org, project, content_type):
    client = Client(daemon.address, issuer.token)
    client.connection.putrequest("POST", credentials_path(org.name, project["name"]))
    client.connection.putheader("Authorization", f"Bearer {issuer.token}")
    if content_type:
        client.connection.putheader("Content-Type", content_type)
    body = b'{"user_id":"u"}'
    client.connection.putheader("Content-Length", str(len(body)))
    client.connection.endheaders(body)
    reply = client.connection.getresponse()
    assert reply.status == 200
    assert Credential(json.load(reply)["accessToken"]).claims["sub"] == "u"
    client.close()


@pytest.mark.parametrize("content_type", [
    "text/plain", "application/xml", "multipart/form-data", "application/jsonp", "json",
    "application/x-www-form-urlencoded2", "application/grpc"])
def test_other_content_types(issuer, project, content_type):
    reply = issuer.mint(project["name"], {}, headers={"Content-Type": content_type})
    assert reply.status == 415


def test_empty_body(issuer, project):
    for body in (None, b"", "{}", " \r\n\t{ } "):
        credential = issuer.credential(project["name"], body)
        assert credential.claims["sub"] == f"svc_{issuer.info['id']}"


@pytest.mark.parametrize("attributes", [
    '{"z":1,"a":2,"M":3,"m":4,"10":5,"9":6}', '{"a":1.0,"b":1.50,"c":1e5,"d":1E+2,"e":1e-07}',
    '{"a":-0,"b":-0.0,"c":0.0,"d":0e0}', '{"a":123456789012345678901234567890,"b":1e308}',
    '{"a":0.1000000000000000055511151231257827,"b":18446744073709551616,"c":5e-324,"d":1e-400}',
    '{"a":9007199254740993,"b":-9223372036854775809,"c":1.7976931348623157e308}',
    '{"é":"ü","e\u0301":"💡","":""," ":" ","\u2028":"\u2029","\x7f":"\ufeff"}',
    '{"a":"\\"\\\\","b":"/","c":{"x":[1,[2.50,{}],[],null,true,false,""]},"d":{}}', "{}"])
def test_attributes_pass_exactly(mint, attributes):
    assert f'"attr":{attributes}' in mint(f'{{"attributes":{attributes}}}').payload


@pytest.mark.parametrize("text", [
    r'"\u0041\u00e9\u20ac"', r'"\ud83d\ude00"', r'"\/\b\f\n\r\t"', r'"\u0000\u001f\u007f"',
    r'"\uffff\ufffe"', r'"\u005c\u0022"'])
def test_escapes_keep_their_meaning(mint, text):
    attributes = mint(f'{{"attributes":{{"a":{text},{text}:1}}}}').claims["attr"]
    assert attributes == {"a": json.loads(text), json.loads(text): 1}


def test_white_space_is_not_kept(mint):
    payload = mint('{ "attributes" :\n{ "a b" : [ 1 ,\t2 ] ,\r "c" : { } } }').payload
    assert '"attr":{"a b":[1,2],"c":{}}' in payload


@pytest.mark.parametrize("name", CLAIM_NAMES)
def test_attribute_named_like_a_claim(mint, issuer, org, project, name):
    claims = mint({"attributes": {name: "evil"}, "ttl_seconds": 60}).claims
    assert claims["attr"] == {name: "evil"}
    assert set(claims) == CLAIMS
    assert claims["iss"] == ISSUER and claims["aud"] == ["https://runtime.test"]
    assert claims["exp"] == claims["iat"] + 60 and claims["nbf"] == claims["iat"] - 5
    assert claims["act"]["sub"] == f"svc_{issuer.info['id']}"
    assert (claims["org"], claims["project"]) == (org.name, project["name"])


@pytest.mark.parametrize("name", ["iss", "exp", "sub", "aud", "act", "sec", "jti", "kid", "alg"])
def test_claim_as_a_field(refuse, name):
    refuse({name: "evil", "attributes": {}}, name)


@pytest.mark.parametrize("excess", [-1, 0, 1])
def test_attributes_bytes(admin, org, excess):
    name = org.project(max_token_bytes=65536)["name"]
    attributes = json.dumps({"a": "x" * (16384 + excess - len('{"a":""}'))}, separators=(",", ":"))
    assert len(attributes) == 16384 + excess
    reply = admin.mint(name, f'{{"attributes":{attributes}}}')
    if excess <= 0:
        assert attributes in Credential(reply.json["accessToken"]).payload
    else:
        assert reply.status == 400 and "16384" in reply.message


@pytest.mark.parametrize("opening, closing", [('{"a":', "}"), ("[", "]")])
@pytest.mark.parametrize("excess", [-1, 0, 1])
def test_attributes_depth(issuer, project, excess, opening, closing):
    inner = 32 + excess - 1  # the attributes themselves are the first level
    value = opening * inner + ("1" if opening == '{"a":' else "") + closing * inner
    reply = issuer.mint(project["name"], f'{{"attributes":{{"a":{value}}}}}')
    assert reply.status == (400 if excess > 0 else 200), reply
    assert excess <= 0 or "deep" in reply.message


def test_max_token_bytes_of_the_server(issuer, project, mint):
    """The largest that is let through has 4096 characters, or as near as base64 comes."""
    empty = len(mint({"attributes": {"a": ""}}).jwt)
    low, high = 0, 4096
    while high - low > 1:
        middle = (low + high) // 2
        reply = issuer.mint(project["name"], {"attributes": {"a": "x" * middle}})
        low, high = (middle, high) if reply.status == 200 else (low, middle)
    largest = len(mint({"attributes": {"a": "x" * low}}).jwt)
    assert empty < 4095 <= largest <= 4096
    reply = issuer.mint(project["name"], {"attributes": {"a": "x" * (low + 1)}})
    assert reply.status == 400 and "attr" in reply.message, reply


def test_max_token_bytes_of_the_project(org, admin):
    """Limit - 1, limit, limit + 1; an edit counts for the next request."""
    name = org.project(max_token_bytes=1024)["name"]
    body = {"attributes": {"a": "x" * 100}}
    size = len(admin.credential(name, body).jwt)
    for limit, status in ((size + 1, 200), (size, 200), (size - 1, 400)):
        org.operator.ok("PATCH", f"{org.path}/projects/{name}", {"max_token_bytes": limit})
        assert admin.mint(name, body).status == status, (limit, size)


def test_checks_in_order(org, project, admin):
    """Form, token, permission, branch, life: the first that fails is the answer."""
    viewer = org.service("viewer")
    name = project["name"]
    bad_token = {"headers": {"Authorization": "Bearer x"}}
    everything_wrong = {"ttl_seconds": 10**6, "branch": "other"}
    assert admin.mint(name, "{", **bad_token).status == 400
    assert admin.mint(name, everything_wrong, **bad_token).status == 401
    assert viewer.mint(name, everything_wrong).status == 403
    assert viewer.mint("nothing-here", everything_wrong).status == 403
    reply = admin.mint(name, everything_wrong)
    assert reply.status == 400 and "branch" in reply.message
    reply = admin.mint(name, {"ttl_seconds": 10**6})
    assert reply.status == 400 and "ttl_seconds" in reply.message


def test_unknown_query_parameter(issuer, org, project):
    path = credentials_path(org.name, project["name"])
    issuer.client.refused(400, "POST", f"{path}?explian=1", about="explian")


def test_settings_of_the_server(make_daemon):
    daemon = make_daemon(not_before_skew="0", default_ttl="10m", max_ttl="1h",
                         max_token_bytes="1KiB", attributes_bytes="100", issuer="https://a.test/x")
    org = Org(Client(daemon.address, daemon.operator_token))
    path = credentials_path(org.name, org.project()["name"])
    client = org.service("issuer").client
    claims = Credential(client.ok("POST", path)["accessToken"]).claims
    assert claims["iss"] == "https://a.test/x"
    assert claims["nbf"] == claims["iat"] == claims["exp"] - 600
    assert client.ok("POST", path, {"ttl_seconds": 3600})["ttlSeconds"] == 3600
    client.refused(400, "POST", path, {"ttl_seconds": 3601}, "server")
    client.refused(400, "POST", path, {"attributes": {"a": "x" * 93}}, "100")
    client.ok("POST", path, '{"attributes":{"a":"%s"}}' % ("x" * 92))
    client.refused(400, "POST", path, {"user_id": "ü" * 128}, "sub")


# ---- what the log tells of it

USERS = [({"user_id": "ada-7"}, "ada-7"), ({"user_email": "ada@example.com"}, "ada@example.com"),
         ({"external_user_id": "x-é", "user_email": "ada@example.com"}, "x-é"),
         ({"attributes": {"email": "ada@example.com", "id": "ada-8"}}, "ada-8"),
         ({"attributes": {"email": "ada@example.com", "id": 8}}, "ada@example.com"),
         ({"attributes": {"tenant": "a"}}, None), ({}, None)]


def hashed(user):
    """As deploy/LOG.md says to find a user's credentials."""
    return user and hashlib.sha256(user.encode()).hexdigest()[:32]


def told(line):
    return {key: line.get(key) for key in ("org", "project", "service", "token", "peer", "user",
                                           "jti", "ttl_s")}


def test_log_of_a_credential(daemon, issuer, project):
    """Who minted what for whom, and not who that is."""
    path = credentials_path(issuer.org.name, project["name"])
    same = {"org": issuer.org.name, "project": project["name"], "service": issuer.name,
            "token": issuer.token_id, "peer": "127.0.0.1"}
    minted = [Credential(issuer.client.ok("POST", path, {**body, "ttl_seconds": 77})["accessToken"])
              for body, _ in USERS]
    batch = [{**body, "ttl_seconds": 78} for body, _ in USERS] + [{"branch": "nothing"}]
    answers = issuer.client.ok("POST", f"{path}/batch", {"requests": batch})["credentials"]
    for ttl_s, credentials in ((77, minted), (78, [Credential(answer["accessToken"])
                                                   for answer in answers[:-1]])):
        for credential, (_, user) in zip(credentials, USERS, strict=True):
            [line] = daemon.log_lines(credential.claims["jti"])
            assert told(json.loads(line)) == {**same, "user": hashed(user), "ttl_s": ttl_s,
                                              "jti": credential.claims["jti"]}
    [line] = [line for line in daemon.log_lines('"event":"credential"')
              if issuer.token_id in line and "error" in line]
    assert json.loads(line)["error"] == "BRANCH" and told(json.loads(line))["jti"] is None
    for name in ("ada@example.com", "ada-7", "ada-8", "x-é"):
        assert name not in daemon.log
