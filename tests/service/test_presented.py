"""Whether a credential is still good: introspection (RFC 7662) and forward-auth say the same."""

import base64
import json
import time
import urllib.parse

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api import Client, Org, credentials_path, pack, unpack
from daemon import ISSUER, wait_until

INACTIVE = {"active": False}


@pytest.fixture
def own(operator):
    return Org(operator)


@pytest.fixture
def board(own):
    return own.project("board")


@pytest.fixture
def gate(own, board):
    return own.service(project=board["name"], project_role="issuer")


def introspect(client, token, **kwargs):
    reply = client.post("/v1/introspect", urllib.parse.urlencode({"token": token}),
                        headers={"Content-Type": "application/x-www-form-urlencoded", **kwargs})
    assert reply.status == 200 and reply.headers["Cache-Control"] == "no-store", reply
    assert reply.json == INACTIVE or reply.json["active"] is True
    return reply.json


def verify(client, jwt, query="", method="GET", **headers):
    return client.call(method, f"/v1/verify{query}", headers={
        "Authorization": jwt and f"Bearer {jwt}", **headers})


def is_good(operator, jwt):
    """What both say, which must be the same, and the same to every method."""
    said = introspect(operator, jwt)["active"]
    assert verify(operator, jwt).status == (200 if said else 401)
    return said


# ---- what they tell of a good one

def test_introspection_tells_the_claims(operator, board, gate):
    credential = gate.credential("board", {"user_id": "ada", "ttl_seconds": 60})
    expected = {"active": True, "token_type": "Bearer",
                "client_id": credential.claims["act"]["sub"], **credential.claims}
    assert introspect(gate.client, credential.jwt) == expected
    assert introspect(operator, credential.jwt) == expected
    assert gate.client.ok("POST", "/v1/introspect", {"token": credential.jwt}) == expected
    body = {"token": credential.jwt, "tokenTypeHint": "refresh_token"}
    assert gate.client.ok("POST", "/v1/introspect", body) == expected


def test_introspection_keeps_the_spelling(gate):
    attributes = '{"n":1.50,"é":"\\u0001\\"","big":12345678901234567890,"deep":[[{"a":[]}]]}'
    credential = gate.mint("board", f'{{"attributes":{attributes}}}').json["accessToken"]
    reply = gate.client.post("/v1/introspect", {"token": credential})
    assert f'"attr":{attributes}'.encode() in reply.body


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
                                    "PROPFIND", "X-OWN"])
def test_forward_auth_takes_any_method(client, own, gate, method):
    credential = gate.credential("board", {"user_id": "ada"})
    reply = verify(client, credential.jwt, method=method)
    assert reply.status == 200 and reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Auth-Subject"] == "ada"
    assert reply.headers["X-Auth-Org"] == own.name and reply.headers["X-Auth-Project"] == "board"
    assert reply.headers["X-Auth-Attributes"] == pack(b'{"id":"ada"}')
    assert verify(client, None, method=method).status == 401
    assert verify(client, credential.jwt[:-1], method=method).status == 401


def test_forward_auth_has_every_header_every_time(client, gate):
    """So that a proxy replaces what its client sent under these names."""
    credential = gate.credential("board", {"attributes": {}})
    reply = verify(client, credential.jwt, **{"X-Auth-Subject": "root"})
    assert reply.headers.get_all("X-Auth-Subject") == [""]
    assert reply.headers.get_all("X-Auth-Attributes") == [pack(b"{}")]


def test_forward_auth_of_large_attributes(client, own):
    large = own.project(max_token_bytes=131072)["name"]
    attributes = {"a": "é" * 2900, "b": "\x01\n\r" * 200}
    credential = own.service("issuer").credential(large, {"attributes": attributes})
    reply = verify(client, credential.jwt)
    assert json.loads(unpack(reply.headers["X-Auth-Attributes"])) == attributes


def test_forward_auth_takes_no_notice_of_a_body(client, gate):
    jwt = gate.credential("board").jwt
    for type_ in ("text/html", "application/json", "application/x-www-form-urlencoded"):
        reply = client.post("/v1/verify", "{not json", headers={
            "Authorization": f"Bearer {jwt}", "Content-Type": type_})
        assert reply.status == 200


@pytest.mark.parametrize("user", ["ada\\u0085", " ada", "ada ", "ada\\u00a0"])
def test_a_subject_that_a_header_would_change(client, gate, user):
    """Spaces at its ends are cut by who reads it: " root" would become another user."""
    reply = gate.mint("board", f'{{"user_id":"{user}"}}')
    if reply.status == 200:
        said = verify(client, reply.json["accessToken"])
        assert said.status == (401 if user != user.strip(" ") else 200)
        if said.status == 200:
            assert said.headers["X-Auth-Subject"].encode("latin-1").decode() == json.loads(
                f'"{user}"')


# ---- what the proxy may demand

def test_what_must_match(client, own, board, gate):
    credential = gate.credential("board")
    aud = urllib.parse.quote(credential.claims["aud"][0], safe="")
    good = ["?project=board", "?project=BOARD", f"?org={own.name}", f"?aud={aud}",
            f"?audience={aud}", f"?org={own.name.upper()}&project=board&aud={aud}"]
    bad = ["?project=other", "?org=other", "?aud=other", f"?aud={aud}x", f"?aud={aud}&project=x",
           f"?org=other&project=board&aud={aud}"]
    for query in good:
        assert verify(client, credential.jwt, query).status == 200, query
    for query in bad:
        assert verify(client, credential.jwt, query).status == 401, query


@pytest.mark.parametrize("query", ["?project=", "?aud=", "?org=", "?project=a&project=board",
                                   "?projekt=board", "?page_size=1", "?project=%ff"])
def test_a_demand_that_makes_no_sense(client, gate, query):
    """A proxy whose variable is empty must not let everybody in."""
    assert verify(client, gate.credential("board").jwt, query).status == 400


# ---- what ends it

def revoke(operator, own, gate):
    operator.ok("DELETE", f"/v1/services/tokens/{gate.token_id}")


def delete_service(operator, own, gate):
    operator.ok("DELETE", gate.path)


def remove_role(operator, own, gate):
    operator.ok("DELETE", f"{own.path}/projects/board/services/{gate.name}")


def lower_role(operator, own, gate):
    operator.ok("PUT", f"{own.path}/projects/board/services/{gate.name}/role", {"role": "editor"})


def delete_project(operator, own, gate):
    operator.ok("DELETE", f"{own.path}/projects/board")


def replace_project(operator, own, gate):
    """Another one that has its name."""
    delete_project(operator, own, gate)
    own.project("board")
    operator.ok("PUT", f"{own.path}/projects/board/services/{gate.name}/role", {"role": "issuer"})


def rename_project(operator, own, gate):
    operator.ok("PATCH", f"{own.path}/projects/board", {"new_name": "panel"})


def rename_org(operator, own, gate):
    operator.ok("PATCH", own.path, {"new_name": f"{own.name}-new"})


@pytest.mark.parametrize("end", [revoke, delete_service, remove_role, lower_role, delete_project,
                                 replace_project, rename_project, rename_org])
def test_what_ends_it(operator, own, board, gate, end):
    jwts = [gate.credential("board").jwt for _ in range(3)]
    for jwt in jwts:
        assert is_good(operator, jwt)
    end(operator, own, gate)
    for jwt in jwts:
        assert not is_good(operator, jwt)


def test_it_ends_at_once(operator, own, board):
    """From the answer to the revocation on."""
    for _ in range(50):
        gate = own.service(project="board", project_role="issuer")
        jwt = gate.credential("board").jwt
        assert verify(operator, jwt).status == 200
        revoke(operator, own, gate)
        assert verify(operator, jwt).status == 401


def test_what_does_not_end_it(operator, own, board, gate):
    """A token that expires or is rotated, another's revocation, new attributes."""
    short = gate.issue_token(ttl_seconds=3)
    client = Client(operator.address, short["token"])
    jwt = client.ok("POST", credentials_path(own.name, "board"), {})["accessToken"]
    other = gate.issue_token()
    wait_until(lambda: client.post(credentials_path(own.name, "board"), {}).status == 401,
               "the token's end")
    assert is_good(operator, jwt)
    operator.ok("DELETE", f"/v1/services/tokens/{other['id']}")
    gate.issue_token(rotate_overlap_seconds=0)
    operator.ok("PATCH", gate.path, {"attributes": {"a": 1}, "new_name": "portal"})
    operator.ok("PATCH", f"{own.path}/projects/board", {"description": "x"})
    assert is_good(operator, jwt)
    operator.ok("DELETE", f"/v1/services/tokens/{short['id']}")
    assert not is_good(operator, jwt)


def test_its_own_end(operator, gate):
    jwt = gate.credential("board", {"ttl_seconds": 3}).jwt
    assert is_good(operator, jwt)
    wait_until(lambda: verify(operator, jwt).status == 401, "the credential's end")
    assert not is_good(operator, jwt)


# ---- what is none

def sign(header, claims, key):
    signed = f"{pack(json.dumps(header).encode())}.{pack(json.dumps(claims).encode())}"
    return f"{signed}.{pack(key.sign(signed.encode()))}"


def test_forgeries(operator, own, board, gate):
    good = gate.credential("board")
    header, payload, signature = good.jwt.split(".")
    key = Ed25519PrivateKey.generate()
    last = "A" if signature[-3] != "A" else "B"
    panel = pack(unpack(payload).replace(b"board", b"panel"))
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": pack(public)}
    forged = {
        "claims": f"{header}.{panel}.{signature}",
        "signature": f"{header}.{payload}.{signature[:-3]}{last}{signature[-2:]}",
        "no signature": f"{header}.{payload}.",
        "two parts": f"{header}.{payload}",
        "none": ".".join((pack(b'{"alg":"none"}'), payload, "")),
        "hs256": ".".join((pack(b'{"alg":"HS256"}'), payload, signature)),
        "another key": sign(good.header, good.claims, key),
        "another kid": sign({**good.header, "kid": "x"}, good.claims, key),
        "no kid": sign({"alg": "EdDSA"}, good.claims, key),
        "its own key": sign({**good.header, "jwk": jwk}, good.claims, key),
        "padded": good.jwt + "==",
        "spaces": f"{header}. {payload}.{signature}",
        "a word": "x", "dots": "..", "long": "a." + "b" * 10000 + ".c",
    }
    assert is_good(operator, good.jwt)
    for what, jwt in forged.items():
        assert not is_good(operator, jwt), what


def test_of_another_server(operator, make_daemon):
    other = make_daemon(issuer=ISSUER)
    org = Org(Client(other.address, other.operator_token))
    org.project("board")
    jwt = org.service("issuer").credential("board").jwt
    assert is_good(org.operator, jwt) and not is_good(operator, jwt)


def test_of_another_issuer(make_daemon):
    """The same keys, but the name has changed."""
    daemon = make_daemon()
    org = Org(Client(daemon.address, daemon.operator_token))
    org.project("board")
    jwt = org.service("issuer").credential("board").jwt
    daemon.stop()
    daemon.settings["issuer"] = "https://other.test"
    daemon.start()
    assert not is_good(Client(daemon.address, daemon.operator_token), jwt)


# ---- who may ask

def test_who_may_ask(operator, own, board, gate):
    jwt = gate.credential("board").jwt
    other = Org(operator)
    other.project("board")
    second = own.project()["name"]
    may = [gate, own.service("admin"), own.service("issuer"),
           own.service(project="board", project_role="admin"),
           own.service("viewer", project="board", project_role="issuer")]
    may_not = [own.service("editor"), own.service("viewer"), own.service("guest"),
               own.service(project="board", project_role="viewer"),
               own.service(project=second, project_role="admin"),
               other.service("admin"), other.service(project="board", project_role="issuer")]
    for service in may:
        assert introspect(service.client, jwt)["active"], service.info
    for service in may_not:
        assert introspect(service.client, jwt) == INACTIVE, service.info
    client = Client(operator.address)
    assert client.post("/v1/introspect", {"token": jwt}).status == 401
    assert client.post("/v1/introspect", {"token": jwt}, headers={
        "Authorization": f"Bearer {jwt}"}).status == 401


def test_service_tokens(operator, own, board, gate):
    said = introspect(gate.client, gate.token)
    service = f"svc_{gate.info['id']}"
    assert said == {"active": True, "token_type": "Bearer", "iss": ISSUER, "sub": service,
                    "client_id": service, "username": gate.name, "org": own.name,
                    "jti": gate.token_id}
    short = gate.issue_token(ttl_seconds=3)
    assert abs(introspect(operator, short["token"])["exp"] - time.time()) < 5
    assert introspect(own.service("admin").client, gate.token) == said
    for stranger in (own.service("editor"), own.service("issuer"), Org(operator).service("admin")):
        assert introspect(stranger.client, gate.token) == INACTIVE
    wait_until(lambda: introspect(operator, short["token"]) == INACTIVE, "its end")
    revoke(operator, own, gate)
    assert introspect(operator, gate.token) == INACTIVE


def test_operator_tokens(operator, own):
    said = introspect(operator, operator.token)
    assert said["active"] and "sub" not in said and "org" not in said
    assert introspect(own.service("admin").client, operator.token) == INACTIVE


def test_tokens_that_are_none(operator, gate):
    digit = "1" if gate.token[40] != "1" else "2"
    for token in (gate.token[:-1], gate.token[:40] + digit + gate.token[41:], "mint_svc_",
                  gate.token.replace("svc", "opr"), " ", "💡", "a" * 60000):
        assert introspect(operator, token) == INACTIVE


# ---- the form of the question

@pytest.mark.parametrize("body, about", [
    ("", "token"), ("token=", "token"), ("x=y", "token"), ("token=a&token=b", "twice"),
    ("token=%zz", "encoded"), ("token=%00", "encoded"), ({}, "token"), ({"token": 7}, "token"),
    ({"token": ""}, "token"), ({"token": "a", "x": 1}, "x"), ("[]", "token"),
    ('{"token":"a","token":"b"}', "twice")])
def test_questions_that_make_no_sense(operator, body, about):
    operator.refused(400, "POST", "/v1/introspect", body, about, headers={
        "Content-Type": "application/x-www-form-urlencoded"})


def test_a_form_may_say_more(operator, gate):
    """RFC 6749, 3.2: what is not known there is ignored; clients add what they are used to."""
    form = urllib.parse.urlencode({"client_id": "x", "token": gate.token, "token_type_hint": "y"})
    for type_ in ("application/x-www-form-urlencoded",
                  "Application/X-WWW-Form-URLEncoded; charset=UTF-8"):
        said = operator.ok("POST", "/v1/introspect", form, headers={"Content-Type": type_})
        assert said["active"]
    operator.refused(400, "POST", "/v1/introspect", form)
    operator.refused(415, "POST", "/v1/introspect", form, headers={"Content-Type": "text/plain"})
    operator.refused(405, "GET", "/v1/introspect")
    operator.refused(400, "POST", "/v1/orgs", "name=form", headers={
        "Content-Type": "application/x-www-form-urlencoded"})


def test_bearer_of_nothing(client):
    reply = verify(client, None)
    assert reply.status == 401 and "error" not in reply.headers["WWW-Authenticate"]
    for header in ("Basic YTpi", "Bearer", "Bearer "):
        assert client.get("/v1/verify", headers={"Authorization": header}).status == 401
    reply = verify(client, base64.b64encode(b"x").decode())
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]
