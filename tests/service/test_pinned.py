"""What a service's policy pins stands in every credential, however a request tries around it."""

import pytest

from api import Credential, credentials_path, read_json

PINNED = {"tenant": "a", "n": 1, "deep": {"k": [1, "x"], "m": {"t": None}}, "ü": "é"}
ROUTES = ["", "/batch", "iframe"]


@pytest.fixture(scope="module")
def shop(org):
    return org.project(frontend_url="https://app.test")["name"]


@pytest.fixture(scope="module")
def gate(org):
    return org.service("issuer", policy={"pinnedAttributes": PINNED}, attributes={"tenant": "b"})


@pytest.fixture(scope="module")
def owner(org):
    return org.service("issuer", policy={"pinnedAttributes": {
        "id": "u", "email": "a@b.c", "domain": "b.c", "admin": True, "embed": False}})


def attempt(service, project, route, body):
    """Status and attributes of what the bytes lead to at one of the three routes."""
    path = credentials_path(service.org.name, project)
    if route == "iframe":
        reply = service.client.post(path.replace("credentials", "iframe"),
                                    body.replace(b"{", b'{"resource":"r",', 1)
                                    if body != b"{}" else b'{"resource":"r"}')
    elif route == "/batch":
        reply = service.client.post(path + route, b'{"requests":[%s]}' % body)
    else:
        reply = service.client.post(path, body)
    answer = reply.json
    if route == "/batch" and reply.status == 200:
        [answer] = answer["credentials"]
    status = {3: 400, 7: 403}[answer["code"]] if "code" in answer else reply.status
    if status != 200:
        return status, answer["message"]
    # Credential refuses an object with a key twice.
    return status, Credential(answer["accessToken"]).claims["attr"]


def attributes(members):
    return b'{"attributes":{%s}}' % (members if isinstance(members, bytes) else members.encode())


# The same key in another spelling, and another value: it contradicts.
CONTRADICTIONS = [
    r'"tenant":"b"', r'"\u0074enant":"b"', r'"\u0074\u0065\u006E\u0061\u006e\u0074":"b"',
    r'"tenant":"\u0062"', r'"tenant":"a\u0000"', r'"tenant":"\u0000a"', r'"tenant":"a "',
    '"tenant":"A"', '"tenant":"ａ"', '"tenant":"а"', r'"tenant":"a\u0301"', r'"tenant":"\ufeffa"',
    '"tenant":["a"]', '"tenant":{"a":"a"}', '"tenant":null', '"tenant":""', '"tenant":true',
    '"n":2', '"n":"1"', '"n":true', '"n":-1', '"n":1.0000000000000000000001', '"n":1e1',
    '"n":0.99999999999999999999', '"n":[1]', '"ü":"e\\u0301"', r'"\u00fc":"e"', '"ü":"É"',
    '"deep":{}', '"deep":null', '"deep":{"k":[1,"x"]}', '"deep":{"k":[1,"x"],"m":{"t":"b"}}',
    '"deep":{"k":[1,"x"],"m":{"t":null,"u":1}}', '"deep":{"k":["x",1],"m":{"t":null}}',
    '"deep":{"k":[1,"x",2],"m":{"t":null}}', '"deep":{"K":[1,"x"],"m":{"t":null}}',
    '"tenant":"a","n":2', '"x":1,"y":{"tenant":"a"},"tenant":"b"']

# The same value in another spelling is what is pinned, and stands there as the policy has it.
AGREEMENTS = [
    r'"\u0074enant":"\u0061"', '"n":1.0', '"n":1e0', '"n":10e-1', '"n":0.1E+1', '"n":1.000000000',
    r'"\u00FC":"\u00e9"', '"deep":{"m":{"t":null},"k":[1.0,"x"]}',
    r'"deep":{"\u006b":[1,"\u0078"],"m":{"\u0074":null}}', '"tenant" : "a" ,\n"n"\t:1']

# Other keys are other keys: nothing of the pinned ones is lost by them.
NEIGHBOURS = [
    '"Tenant":"b"', '"TENANT":"b"', '"tenant ":"b"', r'"tenant\u0000":"b"', r'"\u0000tenant":"b"',
    '"ｔenant":"b"', '"tеnant":"b"', r'"u\u0308":"b"', r'"\ufefftenant":"b"',
    r'"\ud83d\ude00tenant":"b"', '"":"b"', '"x":{"tenant":"b"}', '"attr":{"tenant":"b"}',
    '"attributes":{"tenant":"b"}', '"__proto__":{"tenant":"b"}', '"pinnedAttributes":{}',
    r'"x\",\"tenant\":\"b":1', r'"x":"\",\"tenant\":\"b"', '"deep.k":2', '"n ":2']

# No JSON, or ambiguous: nothing is made of it.
MALFORMED = [attributes(members) for members in (
    '"tenant":"a","tenant":"b"', r'"tenant":"b","\u0074enant":"a"',
    r'"\u0074enant":"a","t\u0065nant":"b"', '"deep":{"k":[1,"x"],"m":{"t":null},"k":2}',
    r'"x":{"k":1,"\u006b":2}', r'"\ud800tenant":"b"', r'"tenant":"a\udc00"', r'"tenant":"\ud83d"',
    r'"tenant":"\ude00\ud83d"', b'"\xc1\xb4enant":"b"', b'"tenant":"\xc1\xa1"',
    b'"tenant":"a\xff"', b'"tenant":"\xed\xa0\x80"', b'"tenant":"\xf4\x90\x80\x80"',
    b'"tenant\x00":"b"', b'"tenant":"a\x00"', b'"tenant":"a\n"', '"tenant":"a",', "'tenant':'b'",
    'tenant:"b"', '/**/"tenant":"b"', r'"\x74enant":"b"', r'"\u{74}enant":"b"', r'"\u74":"b"',
    '"n":01', '"n":+1', '"n":1.', '"n":.1', '"n":0x1', '"n":NaN', '"n":Infinity', '"n":1e400')] + [
    b'{"attributes":{"tenant":"a"},"attributes":{"tenant":"b"}}',
    rb'{"attributes":{"tenant":"a"},"\u0061ttributes":{"tenant":"b"}}',
    b'{"attributes":{"tenant":"a"},"Attributes":{"tenant":"b"}}',
    b'{"attributes":{"tenant":"a"},"pinnedAttributes":{"tenant":"b"}}',
    b'{"attributes":{"tenant":"a"},"policy":{}}', b'{"attributes":[{"tenant":"b"}]}',
    b'{"attributes":"{\\"tenant\\":\\"b\\"}"}', b'{"attr":{"tenant":"b"}}',
    b'{"attributes":{"x":1},"user_email":"a@b.c"}', b'{"attributes":{"x":1},"userId":"u"}',
    b'{"attributes":{"tenant":"a"}}{"attributes":{"tenant":"b"}}',
    b'\xef\xbb\xbf{"attributes":{"tenant":"b"}}', b'{"attributes":{"tenant":"b"}',
    '{"attributes":{"tenant":"b"}}'.encode("utf-16")]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("members", CONTRADICTIONS)
def test_contradiction(gate, shop, route, members):
    status, message = attempt(gate, shop, route, attributes(members))
    assert status == 403 and "pins the attribute" in message


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("members", AGREEMENTS)
def test_agreement(gate, shop, route, members):
    status, found = attempt(gate, shop, route, attributes(members))
    assert status == 200 and {**found, **PINNED} == found
    assert [type(found["n"]), found["n"]] == [int, 1]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("members", NEIGHBOURS)
def test_neighbours(gate, shop, route, members):
    status, found = attempt(gate, shop, route, attributes(members))
    assert status == 200 and {**found, **PINNED} == found
    assert {**read_json("{%s}" % members), **found} == found


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", MALFORMED)
def test_malformed(gate, shop, route, body):
    assert attempt(gate, shop, route, body)[0] == 400


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", [
    b"{}", b'{"user_id":"u"}', b'{"userId":"u"}', b'{"user_email":"a@b.c"}',
    b'{"userEmail":"a@b.c"}', b'{"external_user_id":"x"}', rb'{"\u0061ttributes":{}}',
    b'{"externalUserId":"x","userEmail":"a@b.c"}', b'{"attributes":{},"externalUserId":"x"}'])
def test_whoever_it_is_for(gate, shop, route, body):
    """The service itself too, whose own attributes say something else."""
    status, found = attempt(gate, shop, route, body)
    assert status == 200 and {**found, **PINNED} == found


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body, status", [
    (b'{"user_id":"u"}', 200), (b'{"userId":"\\u0075"}', 200), (b'{"user_id":"v"}', 403),
    (b'{"userId":"U"}', 403), (b'{"userId":"u\\u0000"}', 400), (b'{"user_id":""}', 403),
    (b'{"user_email":"a@b.c"}', 200), (b'{"userEmail":"a\\u0040b.c"}', 200),
    (b'{"user_email":"a@B.c"}', 403), (b'{"userEmail":"x@b.c"}', 403),
    (b'{"user_email":"a@b.c@b.c"}', 403), (b'{"user_email":"a@b.c","userEmail":"x@b.c"}', 400),
    (b'{"user_email":"a@b.c","user_id":"u"}', 400),
    (b'{"attributes":{"admin":false}}', 403), (b'{"attributes":{"embed":true}}', 403),
    (b'{"attributes":{"id":"u","embed":false}}', 200)])
def test_pinned_users(owner, shop, route, body, status):
    """What is made of a user is held against the pins, and what is added by itself gives way."""
    got, found = attempt(owner, shop, route, body)
    assert got == status, found
    if status == 200:
        assert found == {"id": "u", "email": "a@b.c", "domain": "b.c", "admin": True,
                         "embed": False}
