"""A client of mintd's API that checks on every reply what holds for every reply."""

import base64
import datetime
import email.utils
import http.client
import itertools
import json
import re
import urllib.parse
import zlib
from dataclasses import dataclass, field

from openapi import Document

# The gRPC code in the body of each HTTP status.
GRPC_CODE = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 409: 6, 413: 3, 415: 3, 417: 3,
             429: 8, 431: 3, 500: 13, 501: 12, 503: 14, 505: 12}

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TOKEN = re.compile(r"mint_(svc|opr)_[0-9a-zA-Z]{60}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

BASE62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
DATE_SKEW_S = 5  # how far the Date of a reply may be off

numbers = itertools.count(1)


def unique(prefix):
    return f"{prefix}-{next(numbers)}"


def base62(number, count):
    text = ""
    for _ in range(count):
        number, digit = divmod(number, 62)
        text = BASE62[digit] + text
    return text


def with_checksum(body):
    """A service or operator token from all of it but its last six digits."""
    token = body + base62(zlib.crc32(body.encode()), 6)
    assert TOKEN.fullmatch(token)
    return token


def unpack(part):
    """base64url without padding, strictly."""
    assert re.fullmatch(r"[\w-]*", part, re.ASCII)
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def pack(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unique_object(pairs):
    """For json.loads: a key twice is no JSON."""
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key twice in {keys}"
    return dict(pairs)


def read_json(text):
    return json.loads(text, object_pairs_hook=unique_object)


@dataclass
class Reply:
    """A response; `check` asserts what api.md says of every one."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    method: str = "GET"

    @property
    def json(self):
        return read_json(self.body)

    @property
    def message(self):
        return self.json["message"]

    def check(self):
        assert re.fullmatch(r"[\w.-]+", self.headers["X-Request-Id"], re.ASCII), self
        date = email.utils.parsedate_to_datetime(self.headers["Date"])
        now = datetime.datetime.now(datetime.timezone.utc)
        assert abs((now - date).total_seconds()) < DATE_SKEW_S, self
        for name in ("Date", "X-Request-Id", "Content-Length", "Content-Type", "Cache-Control"):
            assert len(self.headers.get_all(name, [])) <= 1, self
        if self.status >= 400 and self.method != "HEAD":
            assert self.headers["Content-Type"].startswith("application/json"), self
            error = self.json
            assert set(error) == {"code", "message", "details"}, self
            assert error["code"] == GRPC_CODE[self.status], self
            assert isinstance(error["message"], str) and len(error["message"]) > 5, self
            assert error["details"] == [], self
        if self.status == 401:
            assert self.headers["WWW-Authenticate"].startswith("Bearer"), self
        if self.status in (429, 503):
            assert int(self.headers["Retry-After"]) > 0, self
        return self


@dataclass
class Credential:
    """A minted JWT taken apart, unverified; `payload` is the JSON text that was signed."""

    jwt: str
    header: dict = field(init=False)
    payload: str = field(init=False)
    claims: dict = field(init=False)

    def __post_init__(self):
        header, payload, signature = self.jwt.split(".")
        self.header = read_json(unpack(header))
        self.payload = unpack(payload).decode("utf-8")
        self.claims = read_json(self.payload)
        assert len(unpack(signature)) == 64


def encode_body(body):
    """Bytes and text go as they are, anything else as JSON."""
    if body is None or isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode("utf-8")


class Client:
    """One keep-alive connection, opened again only where the server announced its end."""

    def __init__(self, address, token=None):
        self.address = address
        self.connection = http.client.HTTPConnection(address, timeout=20)
        self.token = token

    def call(self, method, path, body=None, headers=None):
        given = dict(headers or {})
        if self.token and "Authorization" not in given:
            given["Authorization"] = f"Bearer {self.token}"
        body = encode_body(body)
        if body is not None and "Content-Type" not in given:
            given["Content-Type"] = "application/json"
        try:
            self.connection.request(method, path, body=body,
                                    headers={k: v for k, v in given.items() if v is not None})
            answer = self.connection.getresponse()
            reply = Reply(answer.status, answer.headers, answer.read(), method)
        except Exception:
            self.close()
            raise
        Document.of_mintd().check(method, path, reply)
        return reply.check()

    def get(self, path, **kwargs):
        return self.call("GET", path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.call("POST", path, body, **kwargs)

    def ok(self, method, path, body=None, **kwargs):
        """The JSON of a call that must succeed."""
        reply = self.call(method, path, body, **kwargs)
        assert reply.status == 200, (method, path, reply)
        return reply.json

    def refused(self, status, method, path, body=None, about="", **kwargs):
        """The message of a call that must fail so, and must name what it is about."""
        reply = self.call(method, path, body, **kwargs)
        assert reply.status == status, (method, path, reply)
        assert spelled(about) in spelled(reply.message), (about, reply)
        return reply.message

    def close(self):
        self.connection.close()


def spelled(name):
    """A field's name without regard to its spelling: ttl_seconds is ttlSeconds."""
    return name.lower().replace("_", "")


def quoted(name):
    return urllib.parse.quote(name, safe="")


class Org:
    """An org of its own, made by the operator."""

    def __init__(self, operator, name=None):
        self.operator = operator
        self.name = name or unique("org")
        self.path = f"/v1/orgs/{quoted(self.name)}"
        self.info = operator.ok("POST", "/v1/orgs", {"name": self.name})["organization"]

    def project(self, name=None, **fields):
        fields = {"runtime_host": "https://runtime.test", "primary_branch": "main", **fields}
        return self.operator.ok("POST", f"{self.path}/projects",
                                {"name": name or unique("project"), **fields})["project"]

    def service(self, org_role=None, project=None, project_role=None, **fields):
        return Service(self, org_role, project, project_role, fields)


class Service:
    """A service with one token and a connection that uses it."""

    def __init__(self, org, org_role, project, project_role, fields):
        body = {"name": unique("service"), **fields}
        if org_role:
            body["org_role_name"] = org_role
        if project:
            body.update(project=project, project_role_name=project_role)
        self.org = org
        self.info = org.operator.ok("POST", f"{org.path}/services", body)["service"]
        self.name = self.info["name"]
        self.path = f"{org.path}/services/{quoted(self.name)}"
        self.issued = self.issue_token()
        self.token = self.issued["token"]
        self.token_id = self.issued["id"]
        self.client = Client(org.operator.address, self.token)

    def issue_token(self, **fields):
        return self.org.operator.ok("POST", f"{self.path}/tokens", fields)

    def mint(self, project, body=None, **kwargs):
        """The reply to an attempt."""
        return self.client.post(credentials_path(self.org.name, project), body, **kwargs)

    def credential(self, project, body=None):
        reply = self.mint(project, body)
        assert reply.status == 200, reply
        return Credential(reply.json["accessToken"])


def credentials_path(org, project):
    return f"/v1/orgs/{quoted(org)}/projects/{quoted(project)}/credentials"


def metric(daemon, name):
    """A value of /metrics."""
    lines = Client(daemon.ops).get("/metrics").body.decode("utf-8").splitlines()
    [value] = [line.split(" ")[-1] for line in lines if line.startswith(f"{name} ")]
    return float(value)
