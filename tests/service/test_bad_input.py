"""Bad input: a precise refusal each time, then a healthy connection or a clean close."""

import json
import socket
import struct
import time
from pathlib import Path

import pytest

from api import Client, Credential, Org, credentials_path
from daemon import Daemon, wait_until
from wire import Wire, chunked, request

CLAIMS = {"iss", "aud", "iat", "nbf", "exp", "jti", "act", "org", "project", "ins", "attr", "sub"}


@pytest.fixture(autouse=True)
def still_serves(client):
    yield
    client.ok("GET", "/v1/ping")


@pytest.fixture(scope="module")
def path(org, project):
    return credentials_path(org.name, project["name"])


@pytest.fixture(scope="module")
def connection(daemon, path, admin):
    """Two calls on one keep-alive connection: a bad one and the proof that it did no harm."""
    client = Client(daemon.address, admin.token)
    yield client
    client.close()


# ---- JSON: the connection stays

def bad_body(connection, path, body, about=""):
    message = connection.refused(400, "POST", path, body, about)
    socket_before = connection.connection.sock
    assert Credential(connection.ok("POST", path, {"user_id": "u"})["accessToken"])
    assert connection.connection.sock is socket_before
    return message


def in_attributes(value):
    return b'{"attributes":{"a":' + (value if isinstance(value, bytes) else value.encode()) + b"}}"


MALFORMED = [
    "{", "}", "[", "[]", "null", "true", "1", '"x"', "{}{}", "{} x", "{},", "{}]", "{} {}", ",{}",
    "{a:1}", "{'a':1}", '{"ttl_seconds"}', '{"ttl_seconds":}', '{"ttl_seconds":1,}', '{,}',
    '{"ttl_seconds" 1}', '{"ttl_seconds":1 "branch":"main"}', '{1:1}', '{null:1}', '{"a":1]',
    "// x\n{}", "/* x */{}", "{} // x", "{/**/}", "# x", "\v{}", "\f{}", "\u00a0{}", "\ufeff{}",
    "{}\0", "\0", "\0{}", "undefined", "NaN", "{}\x1a"]


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_json(connection, path, body):
    bad_body(connection, path, body)


@pytest.mark.parametrize("value", [
    "01", "-01", "00", "+1", ".5", "1.", "1.e1", "1e", "1e+", "-", "--1", "0x10", "1_000", "1,5",
    "NaN", "-NaN", "Infinity", "-Infinity", "nan", "True", "nul", "nulll", "tru", "'x'", '"x',
    '"\t"', '"\n"', '"\x01"', '"\x1f"', '"\0"', r'"\x41"', r'"\u12"', r'"\u12G4"', r'"\U00000041"',
    '"\\', r'"\a"', r'"\0"', "[1,]", "[,1]", "[1 2]", "[1", "{\"b\":1", '{"b":1,}', "[1}"])
def test_malformed_value(connection, path, value):
    bad_body(connection, path, in_attributes(value))


@pytest.mark.parametrize("value", ["1e999", "-1e999", "1E309", "1e99999999999999999999",
                                   "1.8e308", "9" * 400])
def test_number_beyond_a_double(connection, path, value):
    assert "number" in bad_body(connection, path, in_attributes(value))
    bad_body(connection, path, f'{{"ttl_seconds":{value}}}')


@pytest.mark.parametrize("text", [
    b"\xff", b"\xfe", b"\x80", b"\xbf", b"\xc3", b"\xc3(", b"\xc0\x80", b"\xc1\xbf",
    b"\xe0\x80\x80", b"\xe2\x82", b"\xe2(\xa1", b"\xed\xa0\x80", b"\xed\xbf\xbf",
    b"\xf0\x80\x80\x80", b"\xf0\x9f\x92", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80"], ids=repr)
def test_invalid_utf8(connection, path, text):
    bad_body(connection, path, in_attributes(b'"' + text + b'"'))
    bad_body(connection, path, b'{"attributes":{"' + text + b'":1}}')
    bad_body(connection, path, b'{"user_id":"' + text + b'"}')
    bad_body(connection, path, text)


@pytest.mark.parametrize("escape", [r"\ud800", r"\udbff", r"\udc00", r"\udfff", r"\ud800\ud800",
                                    r"\ud800\u0041", r"\ud800x", r"\udc00\ud800", r"\ud83d\u20ac",
                                    r"\ud83d\\ude00", r"x\uD83D"])
def test_lone_surrogates(connection, path, escape):
    bad_body(connection, path, in_attributes(f'"{escape}"'))
    bad_body(connection, path, f'{{"attributes":{{"{escape}":1}}}}')
    bad_body(connection, path, f'{{"user_id":"{escape}"}}')


@pytest.mark.parametrize("body, key", [
    ('{"attributes":{"a":1,"a":1}}', "a"), ('{"attributes":{"k":1,"b":2,"k":3}}', "k"),
    (r'{"attributes":{"a":1,"\u0061":2}}', "a"), ('{"attributes":{"x":[{"d":1,"d":2}]}}', "d"),
    ('{"attributes":{"":1,"":2}}', ""), ('{"attributes":{},"attributes":{}}', "attributes"),
    ('{"branch":"main","branch":"main"}', "branch"), ('{"ttl_seconds":1,"ttlSeconds":1}', "ttl"),
    (r'{"attributes":{"é":1,"\u00e9":2}}', "é")])
def test_a_key_twice(connection, path, body, key):
    assert key in bad_body(connection, path, body)


def test_a_key_twice_among_many(connection, path):
    """No quick way past the check: the pair stands far apart among keys that look alike."""
    members = [f'"key{number:04}":{number}' for number in range(900)] + ['"key0001":0']
    assert "key0001" in bad_body(connection, path, f'{{"attributes":{{{",".join(members)}}}}}')


@pytest.mark.parametrize("depth", [33, 64, 1000, 30000])
@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")])
def test_too_deep(connection, path, depth, opening, closing):
    depth = min(depth, 60000 // len(opening + closing))
    for body in (in_attributes(opening * depth + "1" + closing * depth), opening * depth,
                 in_attributes(opening * depth)):
        bad_body(connection, path, body)


def test_truncated_json(connection, path):
    body = b'{"attributes":{"a":[1.5e1,true,null,"\xc3\xa9\\n"]},"ttl_seconds":60}'
    assert connection.ok("POST", path, body)["ttlSeconds"] == 60
    for end in range(1, len(body)):
        bad_body(connection, path, body[:end])


# ---- HTTP: refused, and the connection closed, for nothing after it can be trusted

LIST = Path(__file__).parents[1] / "data" / "http_requests.jsonl"
CASES = {case["case"]: case for case in map(json.loads, LIST.read_text("utf-8").splitlines())}
REFUSED = [name for name, case in CASES.items() if case["status"]]
ACCEPTED = [name for name, case in CASES.items() if not case["status"]]
SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nHost: mint.test\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"


def listed(name):
    """The bytes of a request of the list that the parser is tested with."""
    case = CASES[name]
    return case["request"].replace("…", "a" * case.get("fill", 0)).encode("latin-1"), case


def head(*lines, method=b"POST", target=b"/v1/orgs"):
    start = b"%s %s HTTP/1.1" % (method, target)
    return b"\r\n".join((start, b"Host: mint.test", *lines, b"", b""))


def get(*lines):
    return head(*lines, method=b"GET", target=b"/v1/ping")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_request(wire, name):
    """One refusal, and whatever stands behind it on the connection is not taken for a request."""
    data, case = listed(name)
    wire.send(data + SMUGGLED)
    for _ in range(case["requests"]):
        assert wire.reply().status in (404, 405)
    reply = wire.reply()
    assert reply.status == case["status"], reply
    assert reply.headers["Connection"] == "close"
    assert wire.is_closed()


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_request(wire, name):
    """So many requests as it is, none more, and the connection as it was asked for."""
    data, case = listed(name)
    wire.send(data)
    method = data.split()[0].decode()
    for _ in range(case["requests"]):
        assert wire.reply(method).status in (200, 204, 404, 405)
    if case["keep"]:
        assert wire.send(request("GET", "/v1/ping")).reply().status == 200
    else:
        assert wire.is_closed()


def test_refused_behind_a_good_one(wire):
    """What came before on the connection is answered, in order."""
    wire.send(request("GET", "/v1/ping") + request("GET", "/nothing") + get(b"X-A : a") + SMUGGLED)
    assert [wire.reply().status for _ in range(3)] == [200, 404, 400]
    assert wire.is_closed()


def padded_get(size):
    """A request whose line and headers, with the empty line, take so many bytes."""
    return get(b"X-Padding: " + b"x" * (size - len(get(b"X-Padding: "))))


@pytest.mark.parametrize("size, status", [(16383, 200), (16384, 200), (16385, 431), (60000, 431)])
def test_header_bytes(wire, size, status):
    assert len(padded_get(size)) == size
    wire.send(padded_get(size))
    assert wire.reply().status == status
    if status != 200:
        assert wire.is_closed()


@pytest.mark.parametrize("data", [
    b"GET /" + b"x" * 20000, b"GET /v1/ping HTTP/1.1\r\n" + b"x" * 20000,
    get()[:-2] + b"X-A: b\r\n" * 3000,
    b"G" * 20000], ids=["target", "name", "many headers", "method"])
def test_endless_head(wire, data):
    """Refused before its end, which may never come."""
    wire.send(data)
    assert wire.reply().status in ((400, 431) if data[:2] == b"GG" else (431,))
    assert wire.is_closed()


def test_many_small_headers(wire):
    wire.send(get(*(b"X-%d: %d" % (number, number) for number in range(900))))
    assert wire.reply().status == 200


def padded_body(size):
    return b'{"user_id":"u"' + b" " * (size - len(b'{"user_id":"u"}')) + b"}"


@pytest.mark.parametrize("size, status", [(65535, 200), (65536, 200), (65537, 413)])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_body_bytes(wire, admin, path, size, status, is_chunked):
    headers = {"Authorization": f"Bearer {admin.token}"}
    body = padded_body(size)
    if is_chunked:
        headers.update(Transfer_Encoding="chunked", Content_Length=None)
        body = chunked(body[:1000], body[1000:])
    wire.send(request("POST", path, body, **headers))
    reply = wire.reply()
    assert reply.status == status, reply
    assert status == 200 or "65536" in reply.message


@pytest.mark.parametrize("length", ["65537", "1000000000", "9223372036854775807"])
def test_large_body_is_refused_unread(wire, length):
    wire.send(head(b"Content-Length: " + length.encode()))
    assert wire.reply().status == 413
    assert wire.is_closed()


def test_large_chunk_is_refused_unread(wire):
    wire.send(head(CHUNKED) + b"10001\r\n")
    assert wire.reply().status == 413
    assert wire.is_closed()


@pytest.mark.parametrize("data", [b"1;" + b"x" * 200000, b"0" * 200000,
                                  b"0\r\nX-A: " + b"x" * 200000, b"0\r\n" + b"X-A: b\r\n" * 20000],
                         ids=["extension", "size", "trailer", "trailers"])
def test_endless_chunk_framing(wire, data):
    """What stands around the body's bytes is limited too."""
    wire.send(head(CHUNKED) + data)
    assert wire.reply().status in (400, 413, 431)
    assert wire.is_closed()


# ---- slow, truncated, gone

@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A daemon that waits for nobody."""
    daemon = Daemon(tmp_path_factory.mktemp("hasty"), header_timeout="300ms", body_timeout="300ms",
                    idle_timeout="300ms", write_timeout="500ms")
    try:
        yield daemon.start()
    finally:
        daemon.end()


SLOW = {
    "nothing of the head but a letter": b"G",
    "half a head": b"GET /v1/ping HTTP/1.1\r\nHost: mint.test\r\nX-A",
    "a head without its end": get(b"X-A: a")[:-2],
    "no body": head(b"Content-Length: 10"),
    "half a body": head(b"Content-Length: 10") + b"{",
    "half a chunk size": head(CHUNKED) + b"1",
    "half a chunk": head(CHUNKED) + b"5\r\n{",
    "no last chunk": head(CHUNKED) + b"2\r\n{}\r\n",
    "half of the trailers": head(CHUNKED) + b"2\r\n{}\r\n0\r\nX-A: ",
}


@pytest.mark.parametrize("name", SLOW)
def test_slow(hasty, name):
    with Wire(hasty.address) as wire:
        start = time.monotonic()
        wire.send(SLOW[name])
        reply = wire.reply()
        assert reply.status == 408 and "300ms" in reply.message.replace(" ", ""), reply
        assert wire.is_closed()
        assert 0.25 < time.monotonic() - start < 3


@pytest.mark.parametrize("data", [padded_get(2000), head(b"Content-Length: 2000") + b" " * 2000],
                         ids=["head", "body"])
def test_dribble(hasty, data):
    """A byte now and then does not wind the clock back."""
    with Wire(hasty.address) as wire:
        start = time.monotonic()
        wire.socket.settimeout(0.02)
        for at in range(0, len(data) - 1):
            wire.send(data[at:at + 1])
            try:
                if not wire.receive() or wire.buffer:
                    break
            except socket.timeout:
                pass
        wire.socket.settimeout(20)
        assert wire.reply().status == 408
        assert 0.25 < time.monotonic() - start < 3


def test_idle(hasty):
    """No reply that nobody asked for: it would answer the next request of a proxy."""
    with Wire(hasty.address) as unused, Wire(hasty.address) as used:
        used.send(request("GET", "/v1/ping"))
        assert used.reply().status == 200
        start = time.monotonic()
        assert unused.is_closed() and used.is_closed()
        assert time.monotonic() - start < 3


def test_slow_reader(hasty):
    """Who asks and never reads is cut, and not before the kernel's buffers are full."""
    with Wire(hasty.address) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.socket.settimeout(1)
        asked = request("GET", "/.well-known/jwks.json") * 100
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline:
                try:
                    wire.send(asked)
                except socket.timeout:
                    continue


GOOD = request("POST", "/v1/orgs", b'{"name":"never-made"}', Content_Type="application/json")


@pytest.mark.parametrize("end", ["finish", "reset", "close"])
def test_truncated(daemon, operator, end):
    """Every way to leave at every byte: nothing happens."""
    data = GOOD.replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {operator.token}\r\n\r\n"
                        .encode(), 1)
    for at in (*range(0, 40, 3), *range(40, len(data) - 1, 17), len(data) - 1):
        with Wire(daemon.address) as wire:
            wire.send(data[:at])
            if end == "finish":
                wire.finish()
                while wire.receive():
                    pass
                assert not wire.buffer or b" 400 " in wire.buffer[:20], (at, wire.buffer)
            elif end == "reset":
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    operator.refused(404, "GET", "/v1/orgs/never-made")


def test_client_gone_before_the_answer(daemon, admin, path):
    """A reply that nobody takes harms nobody."""
    data = request("POST", path, b"{}", Authorization=f"Bearer {admin.token}")
    for _ in range(50):
        with Wire(daemon.address) as wire:
            wire.send(data * 5)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert admin.client.ok("POST", path)


def test_half_closed_client_gets_its_answer(wire, admin, path):
    wire.send(request("POST", path, b"{}", Authorization=f"Bearer {admin.token}")).finish()
    assert wire.reply().status == 200
    assert wire.is_closed()


def test_connections_do_not_leak(make_daemon):
    daemon = make_daemon()
    ops = Client(daemon.ops)

    def connections():
        lines = ops.get("/metrics").body.decode().splitlines()
        return next(float(line.split()[-1]) for line in lines
                    if line.startswith("mintd_connections "))
    idle = connections()
    wires = [Wire(daemon.address) for _ in range(50)]
    for number, wire in enumerate(wires):
        wire.send([b"", b"GET /", head(b"Content-Length: 9"), get(b"X : y")][number % 4])
    wait_until(lambda: connections() >= idle + 30, "the connections to be seen")
    for wire in wires:
        wire.socket.close()
    wait_until(lambda: connections() == idle, "the connections to be forgotten")


# ---- anything at all

def mutated(dice, data):
    """The request with a few bytes changed, cut, doubled or put in."""
    data = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data))
        match dice.randrange(5):
            case 0:
                data[at] = dice.randrange(256)
            case 1:
                del data[at:at + dice.randint(1, 8)]
            case 2:
                data[at:at] = data[at:at + dice.randint(1, 30)]
            case 3:
                data[at:at] = dice.choice([b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\xff", b'"',
                                           b"\\u", b"{", b"}", b"chunked", b"-", b"1e999"])
            case 4:
                data[at:at + 1] = bytes([data[at] ^ 1 << dice.randrange(8)])
        if not data:
            data = bytearray(b"x")
    return bytes(data)


def test_mutations(daemon, admin, path, dice, rounds):
    """Whatever comes, the answers are answers, and no claim is of the caller's choice."""
    headers = {"Authorization": f"Bearer {admin.token}", "Content_Type": "application/json"}
    body = json.dumps({"attributes": {"iss": "x", "exp": [1, 2.5, None]}, "ttl_seconds": 60})
    templates = [
        request("POST", path, body.encode(), **headers),
        request("POST", path, chunked(body[:20].encode(), body[20:].encode()), Content_Length=None,
                Transfer_Encoding="chunked", **headers)]
    statuses = set()
    for _ in range(rounds(400)):
        data = mutated(dice, dice.choice(templates))
        with Wire(daemon.address) as wire:
            try:
                wire.send(data).finish()
            except (ConnectionResetError, BrokenPipeError):
                pass
            while wire.receive() or wire.buffer:
                reply = wire.reply()
                statuses.add(reply.status)
                assert reply.status < 500 or reply.status in (501, 505), (data, reply)
                if "accessToken" in (reply.json if reply.body else {}):
                    claims = Credential(reply.json["accessToken"]).claims
                    assert set(claims) <= CLAIMS and claims["iss"] == "https://mint.test", data
    assert {200, 400, 401} <= statuses

