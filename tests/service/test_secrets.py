"""Planted secrets: in no log of any level, no error, no metric, and no file but the key's own."""

import base64
import json
import sqlite3
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api import Client, Credential, Org, credentials_path, unpack
from daemon import SECRET, Daemon, run_mintd
from wire import Wire, request

LEVELS = ["debug", "info", "warning", "error"]
PLANTED = "s3cr3t-planted-by-the-test"


def forms(secret):
    """The bytes of a secret as they may turn up: themselves, hex, base64 of both alphabets."""
    return {secret, secret.hex().encode(), secret.hex().upper().encode(),
            base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")}


def token_secret(token):
    """The 24 secret bytes that the token's digits spell."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    number = 0
    for digit in token[len("mint_svc_"):-6]:
        number = number * 62 + digits.index(digit)
    return number.to_bytes(40, "big")[16:]


class Story:
    """A daemon that was asked all kinds of things, and everything secret of it."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.operator = Client(daemon.address, daemon.operator_token)
        self.org = Org(self.operator)
        self.path = credentials_path(self.org.name, self.org.project()["name"])
        self.service = self.org.service("admin")
        self.tokens = [daemon.operator_token, self.service.token]
        self.jwts = []
        self.answers = []
        self.mint()
        self.err()
        self.raw()
        self.answers.append(Client(daemon.ops).get("/metrics").body)
        self.answers.append(Client(daemon.ops).get("/readyz").body)

    def mint(self):
        for body in ({}, {"user_email": "a@b.test"}, {"attributes": {"password": PLANTED}},
                     {"external_user_id": PLANTED}):
            self.jwts.append(self.service.client.ok("POST", self.path, body)["accessToken"])
        revoked = self.service.issue_token()
        self.tokens.append(revoked["token"])
        self.operator.ok("DELETE", f"/v1/services/tokens/{revoked['id']}")

    def err(self):
        """Requests that fail, with secrets where a hurried user puts them."""
        client = self.service.client
        for token in self.tokens + self.jwts:
            damaged = token[:-1] + ("0" if token[-1] != "0" else "1")
            for method, path, body, headers in (
                    ("GET", "/v1/orgs", None, {"Authorization": f"Bearer {damaged}"}),
                    ("GET", "/v1/orgs", None, {"Authorization": f"Basic {token}"}),
                    ("GET", "/v1/orgs", None, {"Authorization": token, "X-Token": token}),
                    ("GET", "/v1/ping", None, {"X-Request-Id": "a", "Cookie": f"token={token}"}),
                    ("GET", f"/v1/orgs?access_token={token}", None, {}),
                    ("POST", self.path, {"user_id": {"token": token}}, {}),
                    ("POST", self.path, '{"attributes":{"t":"%s",}}' % token, {}),
                    ("POST", self.path, {"branch": "other", "attributes": {"t": token}}, {})):
                reply = client.call(method, path, body, headers=headers)
                assert reply.status != 200 or path == "/v1/ping", reply
                self.answers.append(reply.body)

    def raw(self):
        for damage in (b"\0", b"\r", b"\x80"):
            with Wire(self.daemon.address) as wire:
                data = request("GET", "/v1/orgs", Authorization=f"Bearer {self.service.token}?")
                wire.send(data.replace(b"?", damage))
                self.answers.append(wire.reply().body)


@pytest.fixture(scope="module", params=LEVELS)
def story(request, tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp(request.param), log_level=request.param)
    try:
        story = Story(daemon.start())
        story.master_key = (daemon.data / "master.key").read_bytes().strip()
        if len(story.master_key) == 64:
            story.master_key = bytes.fromhex(story.master_key.decode())
        assert len(story.master_key) == 32
        daemon.stop()
        yield story
    finally:
        daemon.end()


def secrets_of(story):
    found = set()
    for token in story.tokens:
        found |= {token.encode(), token[-60:].encode()} | forms(token_secret(token))
    for jwt in story.jwts:
        found |= {jwt.encode(), jwt.rsplit(".", 1)[1].encode()}
    return found | forms(story.master_key) | {PLANTED.encode()}


def assert_clean(data, story, where):
    for secret in secrets_of(story):
        assert secret not in data, f"{secret!r} in {where}"
    assert not SECRET.search(data.decode("latin-1")), where


def test_logs(story):
    log = story.daemon.log_path.read_bytes()
    assert_clean(log, story, "the log")
    if story.daemon.settings["log_level"] in ("debug", "info"):
        assert log.count(b"\n") > 50, "nothing was logged, so nothing was tested"


def test_errors_and_metrics(story):
    assert len(story.answers) > 50
    for answer in story.answers:
        assert_clean(answer, story, answer)


@pytest.mark.embedded
def test_files(story):
    """The data folder has hashes of tokens and sealed seeds, and one file with the master key."""
    files = [file for file in story.daemon.folder.rglob("*") if file.is_file()]
    assert any(file.name == "registry.db" and file.stat().st_size > 10000 for file in files)
    for file in files:
        if file.name not in ("master.key", "token"):
            assert_clean(file.read_bytes(), story, file)


@pytest.mark.embedded
def test_seeds(story):
    """No 32 bytes of the registry are the seed of a published key."""
    kids = {Credential(jwt).header["kid"] for jwt in story.jwts}
    with closing(sqlite3.connect(story.daemon.data / "registry.db")) as registry:
        public = {bytes(row[0]) for row in registry.execute("SELECT public_key FROM keys")}
        tables = [row[0] for row in registry.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'")]
        values = [value for table in tables for row in registry.execute(f"SELECT * FROM {table}")
                  for value in row if isinstance(value, bytes) and len(value) >= 32]
    assert kids and public and len(values) > 5
    for value in values:
        for at in range(len(value) - 31):
            key = Ed25519PrivateKey.from_private_bytes(value[at:at + 32]).public_key()
            assert key.public_bytes(Encoding.Raw, PublicFormat.Raw) not in public
    assert all(len(key) == 32 for key in public) and len(unpack(next(iter(kids)))) == 32


@pytest.mark.embedded
def test_audit_holds_no_secret_attributes_of_users(story):
    """The audit tells of management, not of whom credentials were for."""
    with closing(sqlite3.connect(story.daemon.data / "registry.db")) as registry:
        rows = registry.execute("SELECT * FROM audit").fetchall()
    assert len(rows) >= 5 and PLANTED not in json.dumps(rows, default=repr)


def test_master_key_by_environment_is_in_no_output(tmp_path):
    key = "c0ffee" * 10 + "c0ff"
    for arguments in (("config",), ("init", "--data-dir", tmp_path / "data"),
                      ("serve", "--listen", "nonsense", "--data-dir", tmp_path / "data")):
        ran = run_mintd(*arguments, env={"MINTD_MASTER_KEY": key})
        assert key not in ran.stdout + ran.stderr
    assert not (tmp_path / "data" / "master.key").exists()


def test_core_dumps_are_off(daemon):
    """The limit that the daemon sets itself; nothing of its memory goes to disk in a crash."""
    with open(f"/proc/{daemon.process.pid}/limits", encoding="ascii") as limits:
        [line] = [line for line in limits if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
