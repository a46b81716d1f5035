"""HTTP as clients, proxies and gateways use it, and the documents and metrics served over it."""

import email.utils
import hashlib
import json
import re
import subprocess
from datetime import datetime, timezone

import pytest

from api import TIME, Client, Credential, credentials_path, pack, unpack
from daemon import ISSUER, MINTD
from wire import chunked, request

DOCUMENTS = ["/.well-known/jwks.json", "/.well-known/openid-configuration",
             "/.well-known/oauth-authorization-server"]


@pytest.fixture(scope="module")
def path(org, project):
    return credentials_path(org.name, project["name"])


@pytest.fixture
def ops(daemon):
    client = Client(daemon.ops)
    yield client
    client.close()


# ---- connections

def test_keep_alive(wire):
    for number in range(200):
        wire.send(request("GET", "/v1/ping", X_Request_Id=f"request-{number}"))
        reply = wire.reply()
        assert reply.status == 200 and reply.headers["X-Request-Id"] == f"request-{number}"
        assert reply.headers["Connection"] in (None, "keep-alive")


@pytest.mark.parametrize("version, connection, is_kept", [
    ("HTTP/1.1", None, True), ("HTTP/1.1", "close", False), ("HTTP/1.1", "Close", False),
    ("HTTP/1.1", "x, close", False), ("HTTP/1.0", None, False), ("HTTP/1.0", "keep-alive", True)])
def test_end_of_the_connection(wire, version, connection, is_kept):
    asked = request("GET", "/v1/ping", version=version, Connection=connection)
    wire.send(asked)
    reply = wire.reply()
    assert reply.status == 200
    if is_kept:
        assert version == "HTTP/1.1" or reply.headers["Connection"] == "keep-alive"
        assert wire.send(asked).reply().status == 200
    else:
        assert reply.headers["Connection"] == "close"
        assert wire.is_closed()


def test_http_1_0_needs_no_host(wire):
    wire.send(b"GET /v1/ping HTTP/1.0\r\n\r\n")
    assert wire.reply().status == 200
    assert wire.is_closed()


@pytest.mark.parametrize("host", ["mint.test", "mint.test:8080", "127.0.0.1", "[::1]:80"])
def test_hosts(wire, host):
    assert wire.send(request("GET", "/v1/ping", Host=host)).reply().status == 200


def test_absolute_form(wire):
    """RFC 9112, 3.2.2: a server must take it, and prefer it to the Host header."""
    assert wire.send(request("GET", "http://mint.test/v1/ping")).reply().status == 200


def test_pipelining(wire, admin, org, path):
    """Slow writes, quick reads and refusals in one packet: each its answer, in order."""
    token = {"Authorization": f"Bearer {admin.token}"}
    kinds = [(200, request("GET", "/v1/ping", X_Request_Id="{}")),
             (200, request("POST", f"{admin.path}/tokens", b"{}", X_Request_Id="{}", **token)),
             (404, request("GET", "/nothing", X_Request_Id="{}")),
             (200, request("POST", path, b'{"user_id":"u"}', X_Request_Id="{}", **token)),
             (401, request("POST", path, b"{}", X_Request_Id="{}")),
             (200, request("GET", f"/v1/orgs/{org.name}", X_Request_Id="{}", **token))]
    asked = [(status, data.replace(b"X-Request-Id: {}", f"X-Request-Id: pipelined-{n}".encode()))
             for n, (status, data) in enumerate(kinds * 20)]
    wire.send(b"".join(data for _, data in asked))
    for number, (status, _) in enumerate(asked):
        reply = wire.reply()
        assert (reply.headers["X-Request-Id"], reply.status) == (f"pipelined-{number}", status)


def test_close_behind_pipelined_requests(wire):
    """Answered up to the one that says close, and nothing behind it."""
    wire.send(request("GET", "/v1/ping") * 3 + request("GET", "/v1/ping", Connection="close") +
              request("GET", "/nothing"))
    assert [wire.reply().status for _ in range(4)] == [200] * 4
    assert wire.is_closed()


def test_byte_by_byte(wire, admin, path):
    for data in (request("POST", path, b'{"user_id":"u"}', Authorization=f"Bearer {admin.token}"),
                 b"\r\n" + request("GET", "/v1/ping")):  # RFC 9112, 2.2: an empty line before it
        for at in range(len(data)):
            wire.send(data[at:at + 1])
        assert wire.reply().status == 200


# ---- bodies

@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_chunked_body(wire, admin, path, size):
    body = b'{"user_id":"chunked-\xc3\xa9","ttl_seconds":77}'
    chunks = chunked(*(body[at:at + size] for at in range(0, len(body), size)))
    headers = {"Transfer_Encoding": "Chunked", "Content_Length": None,
               "Authorization": f"Bearer {admin.token}"}
    wire.send(request("POST", path, chunks, **headers) + request("GET", "/v1/ping"))
    claims = Credential(wire.reply().json["accessToken"]).claims
    assert claims["sub"] == "chunked-é" and claims["exp"] - claims["iat"] == 77
    assert wire.reply().status == 200


def test_chunk_extensions_and_trailers(wire, admin, path):
    data = b'a;name=value;x="y z"\r\n{"user_id"\r\n00005;a\r\n:"u"}\r\n0\r\nX-Trailer: a\r\n' \
           b"Authorization: Bearer x\r\n\r\n"
    wire.send(request("POST", path, data, Transfer_Encoding="chunked", Content_Length=None,
                      Authorization=f"Bearer {admin.token}") + request("GET", "/v1/ping"))
    assert Credential(wire.reply().json["accessToken"]).claims["sub"] == "u"
    assert wire.reply().status == 200


def test_expect_continue(wire, admin, path):
    body = b'{"user_id":"u"}'
    headers = {"Expect": "100-continue", "Authorization": f"Bearer {admin.token}"}
    for _ in range(2):
        wire.send(request("POST", path, **{**headers, "Content_Length": len(body)}))
        assert wire.interim() == 100
        assert wire.send(body).reply().status == 200
    # With the body at hand nobody waits: one answer, with or without the interim one.
    assert wire.send(request("POST", path, body, **headers)).reply().status == 200


def test_expect_continue_of_a_large_body(wire, path):
    wire.send(request("POST", path, Expect="100-continue", Content_Length=65537))
    assert wire.reply().status == 413
    assert wire.is_closed()


def test_other_expectation(wire, path):
    wire.send(request("POST", path, b"{}", Expect="200-ok"))
    assert wire.reply().status == 417


def test_get_with_a_body(wire):
    """Passed over, and framed, so that it is not taken for a request."""
    body = request("GET", "/nothing")
    wire.send(request("GET", "/v1/ping", body) + request("GET", "/v1/ping"))
    assert [wire.reply().status for _ in range(2)] == [200, 200]


# ---- methods and routes

@pytest.mark.parametrize("target", ["/v1/ping", "/healthz", *DOCUMENTS])
def test_head(wire, target):
    got, head = (wire.send(request(method, target)).reply(method) for method in ("GET", "HEAD"))
    assert head.status == got.status == 200 and got.body
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert wire.send(request("GET", "/v1/ping")).reply().status == 200


def test_head_with_a_token(wire, admin, org):
    for target, status in ((org.path, 200), (f"{org.path}/services/nothing-here", 404)):
        data = request("HEAD", target, Authorization=f"Bearer {admin.token}")
        assert wire.send(data).reply("HEAD").status == status


def methods(reply):
    return {name.strip() for name in reply.headers["Allow"].split(",")}


@pytest.mark.parametrize("target, allowed", [
    ("/v1/ping", {"GET", "HEAD", "OPTIONS"}), ("/v1/orgs", {"GET", "HEAD", "OPTIONS", "POST"}),
    ("/v1/orgs/some-org", {"GET", "HEAD", "OPTIONS", "PATCH", "DELETE"}),
    ("/v1/orgs/some-org/projects/some-project/credentials", {"OPTIONS", "POST"}),
    ("/v1/organizations/some-org/projects/some-project/credentials", {"OPTIONS", "POST"}),
    ("/v1/services/tokens/some-id", {"OPTIONS", "DELETE"})])
def test_allowed_methods(client, target, allowed):
    options = client.call("OPTIONS", target)
    assert options.status in (200, 204) and methods(options) == allowed
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "BREW"} - allowed:
        reply = client.call(method, target)
        assert reply.status == 405 and methods(reply) == allowed, (method, reply)


def test_options_of_the_server(wire):
    assert wire.send(request("OPTIONS", "*")).reply().status in (200, 204)


@pytest.mark.parametrize("target", [
    "/", "/v1", "/v1/", "/v2/ping", "/v1/ping/", "/v1//ping", "//v1/ping", "/v1/ping/x", "/V1/ping",
    "/v1/./ping", "/v1/x/../ping", "/v1/%2e%2e/v1/ping", "/v1%2fping", "/metrics", "/v1/orgs/a/x",
    "/v1/orgs/abc/projects/abc/credentials/x", "/.well-known/jwks", "/favicon.ico", "/v1/ping;a"])
def test_unknown_route(client, target):
    client.refused(404, "GET", target)


@pytest.mark.parametrize("target", ["/v1/orgs/%", "/v1/orgs/%4", "/v1/orgs/%zz", "/v1/orgs/a%00b",
                                    "/v1/orgs/%ff%fe", "/v1/orgs/%c0%ae"])
def test_bad_percent_encoding(client, operator, target):
    assert operator.get(target).status in (400, 404)
    assert client.get(target).status in (400, 401, 404)


# ---- headers

@pytest.mark.parametrize("given", ["abc-123", "X_y.z-0", "0123456789abcdef" * 2,
                                   "6ba7b810-9dad-11d1-80b4-00c04fd430c8"])
def test_request_id_is_taken(client, given):
    for target in ("/v1/ping", "/nothing", "/v1/orgs"):
        reply = client.get(target, headers={"X-Request-Id": given})
        assert reply.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", " ", "a b", 'a"b', "a\\b", "<a>", "é" * 8, "x" * 1000,
                                   "a\tb", "{}", "a,b;c"])
def test_other_request_ids_are_not(wire, given):
    made = set()
    for _ in range(3):
        wire.send(request("GET", "/v1/ping", X_Request_Id=given))
        made.add(wire.reply().headers["X-Request-Id"])
    assert len(made) == 3 and given not in made


def test_request_id_is_in_the_log(daemon, client):
    made = client.get("/nothing").headers["X-Request-Id"]
    client.get("/v1/ping", headers={"X-Request-Id": "look-for-me"})
    assert daemon.log_lines('"look-for-me"') and daemon.log_lines(f'"{made}"')


def test_date(client):
    for _ in range(2):
        date = client.get("/v1/ping").headers["Date"]
        assert email.utils.format_datetime(email.utils.parsedate_to_datetime(date),
                                           usegmt=True) == date


def test_nothing_secret_is_stored(client, operator, admin, path):
    for reply in (admin.client.post(path), operator.post(f"{admin.path}/tokens"), client.post(path),
                  operator.get("/v1/orgs")):
        assert reply.headers["Cache-Control"] == "no-store"


def test_no_cross_origin_by_default(client):
    for method in ("GET", "OPTIONS"):
        reply = client.call(method, "/v1/ping", headers={
            "Origin": "https://app.test", "Access-Control-Request-Method": "GET"})
        assert not [name for name in reply.headers if name.lower().startswith("access-control")]


def test_cross_origin(make_daemon):
    client = Client(make_daemon(cors_origins="https://app.test,https://b.test").address)
    headers = {"Origin": "https://b.test", "Access-Control-Request-Method": "POST",
               "Access-Control-Request-Headers": "authorization,content-type"}
    reply = client.call("OPTIONS", "/v1/orgs/abc/projects/abc/credentials", headers=headers)
    assert reply.status in (200, 204)
    assert reply.headers["Access-Control-Allow-Origin"] == "https://b.test"
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    assert "authorization" in reply.headers["Access-Control-Allow-Headers"].lower()
    assert "origin" in reply.headers["Vary"].lower()
    for target in ("/v1/ping", "/v1/orgs"):  # a refusal too must be readable by the page
        reply = client.get(target, headers={"Origin": "https://app.test"})
        assert reply.headers["Access-Control-Allow-Origin"] == "https://app.test"
        reply = client.get(target, headers={"Origin": "https://app.test.evil"})
        assert reply.headers["Access-Control-Allow-Origin"] is None


# ---- documents

def test_ping(client):
    ping = client.ok("GET", "/v1/ping")
    assert set(ping) == {"version", "time"} and TIME.fullmatch(ping["time"])
    now = datetime.now(timezone.utc)
    at = datetime.fromisoformat(ping["time"].replace("Z", "+00:00"))
    assert abs((now - at).total_seconds()) < 5
    version = subprocess.run([MINTD, "--version"], capture_output=True, text=True, check=True)
    assert ping["version"] and ping["version"] in version.stdout


def test_jwks(client):
    reply = client.get("/.well-known/jwks.json")
    assert reply.status == 200
    assert reply.headers["Content-Type"] in ("application/json", "application/jwk-set+json")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    cache = {part.strip() for part in reply.headers["Cache-Control"].split(",")}
    assert {"public", "max-age=600"} <= cache
    assert set(reply.json) == {"keys"} and reply.json["keys"]
    for key in reply.json["keys"]:
        assert key == {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                       "kid": key["kid"], "x": key["x"]}
        assert len(unpack(key["x"])) == 32
        thumbprint = '{"crv":"Ed25519","kty":"OKP","x":"%s"}' % key["x"]  # RFC 7638, RFC 8037
        assert key["kid"] == pack(hashlib.sha256(thumbprint.encode()).digest())


def test_jwks_max_age(make_daemon):
    reply = Client(make_daemon(jwks_max_age="1h").address).get("/.well-known/jwks.json")
    assert "max-age=3600" in reply.headers["Cache-Control"]


def test_etag(client):
    tag = client.get("/.well-known/jwks.json").headers["ETag"]
    assert re.fullmatch(r'"[\x21\x23-\x7e]+"', tag)
    for given in (tag, f"W/{tag}", "*", f'"a", {tag}', f'"a",W/"b",W/{tag} ', f'"a,b", {tag}'):
        reply = client.get("/.well-known/jwks.json", headers={"If-None-Match": given})
        assert reply.status == 304 and not reply.body, given
        assert reply.headers["ETag"] == tag
        assert "max-age=600" in reply.headers["Cache-Control"]
    for given in ('"a"', tag.strip('"'), f'{tag[:-2]}"', f'"{tag}'):
        reply = client.get("/.well-known/jwks.json", headers={"If-None-Match": given})
        assert reply.status == 200 and reply.json["keys"], given


@pytest.mark.parametrize("target", DOCUMENTS[1:])
def test_discovery(client, target):
    reply = client.get(target)
    document = reply.json
    assert reply.status == 200 and document["issuer"] == ISSUER
    assert document["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"
    if target.endswith("openid-configuration"):  # OpenID Connect Discovery 1.0, 3: required
        assert "EdDSA" in document["id_token_signing_alg_values_supported"]
        assert document["subject_types_supported"] and document["response_types_supported"]


def test_documents_need_no_token_and_forgive_a_bad_one(client):
    for target in (*DOCUMENTS, "/v1/ping", "/healthz", "/readyz"):
        assert client.get(target, headers={"Authorization": "Bearer x"}).status == 200


# ---- operations

def test_health(client, ops):
    for one in (client, ops):
        assert one.get("/healthz").status == 200
        assert one.get("/readyz").status == 200


def test_ops_listener_serves_nothing_else(ops):
    for target in ("/v1/orgs", "/v1/ping", "/.well-known/jwks.json"):
        ops.refused(404, "GET", target)


def metrics(ops):
    """Sample → value, with the text format's rules checked."""
    reply = ops.get("/metrics")
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/plain")
    samples, types = {}, {}
    text = reply.body.decode("utf-8")
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types and kind in ("counter", "gauge", "histogram")
            types[name] = kind
            continue
        sample, name, value = re.fullmatch(
            r'((mintd_\w+)(?:\{(?:\w+="[^"\\]*",?)*\})?) ([-+\d.e]+|NaN)', line).groups()
        assert sample not in samples, line
        samples[sample] = float(value)
        family = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
        assert family in types, f"no TYPE before {line}"
        assert types[family] != "counter" or name.endswith("_total"), line
    return samples


def grown(before, after, pattern):
    return sum(value - before.get(sample, 0) for sample, value in after.items()
               if re.search(pattern, sample))


def test_metrics(ops, admin, client, path):
    before = metrics(ops)
    for _ in range(10):
        admin.client.ok("POST", path)
    client.post(path)
    client.get("/nothing")
    after = metrics(ops)
    assert grown(before, after, r"^mintd_credentials_total") == 10
    assert grown(before, after, r"^mintd_sign_batches_total") == 10
    assert grown(before, after, r"^mintd_requests_total\{.*credentials.*200") == 10
    assert grown(before, after, r"^mintd_requests_total\{.*credentials.*401") == 1
    assert grown(before, after, r"^mintd_requests_total\{.*404") == 1
    assert grown(before, after, r"^mintd_cache_hits_total\{tier=.l1") >= 8


def test_histograms(ops, admin, path):
    admin.client.ok("POST", path)
    buckets = {}
    samples = metrics(ops)
    for sample, value in samples.items():
        if found := re.fullmatch(r'(\w+)_bucket\{(.*,)?le="([^"]+)"\}', sample):
            buckets.setdefault((found[1], found[2] or ""), []).append((float(found[3]), value))
    assert buckets
    for (name, labels), series in buckets.items():
        bounds, values = zip(*series)
        assert list(bounds) == sorted(bounds) and bounds[-1] == float("inf"), name
        assert list(values) == sorted(values), name
        count = f"{name}_count{{{labels.rstrip(',')}}}" if labels else f"{name}_count"
        assert samples[count] == values[-1]


def test_log_of_a_request(daemon, client):
    for target, status in (("/v1/ping", 200), ("/v1/orgs?secret=1", 400),
                           ("/nothing?secret=1", 404)):
        client.get(target, headers={"X-Request-Id": f"log-of-a-request-{status}"})
        [line] = daemon.log_lines(f'"log-of-a-request-{status}"')
        assert json.loads(line)["status"] == status
        assert "secret=1" not in line
