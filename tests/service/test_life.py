"""The life of the process: how it starts, reloads and ends, and what it says when it cannot."""

import errno
import json
import os
import re
import signal
import socket
import sqlite3
import stat
import time
from contextlib import closing

import pytest

from api import Client, Credential, Org, credentials_path
from daemon import ISSUER, Daemon, run_mintd, wait_until
from test_http import metrics
from wire import Wire, request

TOKEN_IN_TEXT = re.compile(r"mint_opr_[0-9a-zA-Z]{60}")


def fails(*arguments, words=(), env=None):
    """Runs a mintd that must refuse to run, and say why in a line or a few."""
    ran = run_mintd(*arguments, env=env)
    assert 0 < ran.returncode < 125, ran
    assert "Sanitizer" not in ran.stderr and "check failed" not in ran.stderr, ran.stderr
    assert ran.stderr.strip() and ran.stderr.count("\n") <= 5, ran.stderr
    for word in words:
        assert str(word) in ran.stderr, (word, ran.stderr)
    return ran


def serve(folder, *flags):
    return ("serve", "--data-dir", folder / "data", "--listen", "127.0.0.1:0", "--ops-listen", "",
            "--log-format", "text", *flags)


@pytest.fixture
def initialised(tmp_path):
    """A folder with a data folder that `mintd init` made."""
    ran = run_mintd("init", "--data-dir", tmp_path / "data")
    assert ran.returncode == 0, ran
    return tmp_path


# ---- start

@pytest.mark.embedded
def test_init_prints_the_operator_token_once(tmp_path):
    ran = run_mintd("init", "--data-dir", tmp_path / "data")
    assert ran.returncode == 0, ran
    [token] = TOKEN_IN_TEXT.findall(ran.stdout)
    key = tmp_path / "data" / "master.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) & 0o077 == 0
    before = {file: file.read_bytes() for file in (tmp_path / "data").iterdir()}
    again = fails("init", "--data-dir", tmp_path / "data", words=[tmp_path / "data"])
    assert not TOKEN_IN_TEXT.search(again.stdout + again.stderr)
    assert key.read_bytes() == before[key]
    daemon = Daemon(tmp_path, operator_token_file=None)
    try:
        client = Client(daemon.start().address, token)
        client.ok("GET", "/v1/orgs")
        assert token not in daemon.log
    finally:
        daemon.end()


def test_serve_makes_the_token_file(make_daemon):
    daemon = make_daemon()
    file = daemon.settings["operator_token_file"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert TOKEN_IN_TEXT.fullmatch(daemon.operator_token)
    before = daemon.operator_token
    daemon.restart()
    assert daemon.operator_token == before


def test_serve_without_init_says_how(tmp_path):
    fails(*serve(tmp_path), words=["init", tmp_path / "data"])


def test_busy_port(make_daemon, initialised):
    address = make_daemon().address
    for flag in ("--listen", "--ops-listen"):
        fails(*serve(initialised), flag, address, words=[address, "in use"])


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:x", "127.0.0.1:65536", "[::1:80",
                                     "256.0.0.1:80", "192.0.2.1:0", "unix:/nothing/here/socket"])
def test_bad_address(initialised, address):
    fails(*serve(initialised), "--listen", address, words=[address])


@pytest.mark.embedded
def test_second_daemon_on_the_data(make_daemon):
    daemon = make_daemon()
    fails(*serve(daemon.folder), words=[daemon.data])
    fails("init", "--data-dir", daemon.data, words=[daemon.data])
    Client(daemon.address, daemon.operator_token).ok("GET", "/v1/orgs")


def test_data_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("x", encoding="ascii")
    for command in (("init",), ("serve", "--init", "--listen", "127.0.0.1:0")):
        folder = tmp_path / "file" / "data"
        fails(*command, "--data-dir", folder, words=[folder, os.strerror(errno.ENOTDIR)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_data_folder_that_is_not_writable(tmp_path):
    (tmp_path / "data").mkdir(mode=0o500)
    fails("init", "--data-dir", tmp_path / "data",
          words=[tmp_path / "data", os.strerror(errno.EACCES)])


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604])
def test_master_key_that_others_can_read(initialised, mode):
    key = initialised / "data" / "master.key"
    key.chmod(mode)
    fails(*serve(initialised), words=[key, "0600"])


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 1000, b"0" * 63 + b"g"])
def test_master_key_that_is_none(initialised, content):
    key = initialised / "data" / "master.key"
    key.write_bytes(content)
    fails(*serve(initialised), words=[key])


def test_lost_master_key_is_not_made_anew(initialised):
    """A new one could open nothing: the signing keys would be lost without a word."""
    key = initialised / "data" / "master.key"
    key.unlink()
    for flags in ((), ("--init",)):
        fails(*serve(initialised, *flags), words=[key])
        assert not key.exists()


def test_another_master_key(initialised):
    message = fails(*serve(initialised), env={"MINTD_MASTER_KEY": "5a" * 32}).stderr
    assert "master key" in message and "5a5a" not in message


def test_registry_of_no_known_kind(initialised):
    fails(*serve(initialised), "--registry", "oracle://x", words=["oracle ", "postgresql://"])


@pytest.mark.embedded
def test_registry_that_is_none(initialised):
    (initialised / "data" / "registry.db").write_bytes(b"no database" * 1000)
    for file in (initialised / "data").glob("registry.db-*"):
        file.unlink()
    fails(*serve(initialised), words=["registry"])


# ---- flags, environment, file

@pytest.mark.parametrize("flags, words", [
    (["--lisen", "x"], ["--lisen", "--listen"]), (["--workers", "-1"], ["workers"]),
    (["--workers", "257"], ["workers", "256"]), (["--workers"], ["workers"]),
    (["--workers", "two"], ["workers", "two"]), (["--workers="], ["workers"]),
    (["--idle-timeout", "5 parsecs"], ["idle-timeout", "5 parsecs"]),
    (["--idle-timeout", "1ms"], ["idle-timeout"]), (["--body-bytes", "1GiB"], ["body-bytes"]),
    (["--log-level", "loud"], ["log-level", "loud"]), (["--log-format", "xml"], ["log-format"]),
    (["--brand", "Mint!"], ["brand"]), (["--brand", "x" * 17], ["brand"]),
    (["--master-key", "xyz"], ["master-key"]), (["--log-requests=maybe"], ["log-requests"]),
    (["stray"], ["stray"]), (["-x"], ["-x"]), (["--config", "/nothing/here"], ["/nothing/here"])])
def test_bad_flags(tmp_path, flags, words):
    ran = fails(*serve(tmp_path), *flags, words=words)
    assert not (tmp_path / "data").exists() and "xyz" not in ran.stderr


@pytest.mark.parametrize("arguments", [[], ["srve"], ["--serve"], ["config", "stray"]])
def test_bad_commands(arguments):
    ran = run_mintd(*arguments)
    assert 0 < ran.returncode < 125 and ran.stderr and not ran.stdout, ran


@pytest.mark.parametrize("arguments, word", [
    (["--help"], "serve"), (["serve", "--help"], "--data-dir"), (["init", "--help"], "--data-dir"),
    (["config", "--help"], "--data-dir"), (["--version"], "mintd ")])
def test_help(arguments, word):
    ran = run_mintd(*arguments)
    assert ran.returncode == 0 and not ran.stderr and word in ran.stdout, ran
    assert all(len(line) <= 100 for line in ran.stdout.splitlines())


def test_bad_environment(tmp_path):
    fails(*serve(tmp_path), env={"MINTD_WORKERS": "abc"}, words=["MINTD_WORKERS", "abc"])
    fails(*serve(tmp_path), env={"MINTD_WORKRES": "1"}, words=["MINTD_WORKRES"])


@pytest.mark.parametrize("line, words", [
    ("workers = many", ["workers", "many"]), ("wokers = 1", ["wokers", "workers"]),
    ("workers", ["workers"]), ("= 1", []), ("workers = 1\nworkers = 2", ["workers"])])
def test_bad_file(tmp_path, line, words):
    file = tmp_path / "mintd.conf"
    file.write_text(f"# a comment\n\nlisten = 127.0.0.1:0\n{line}\n", encoding="utf-8")
    number = 4 + line.count("\n")
    fails(*serve(tmp_path), "--config", file, words=[f"{file.name}:{number}", *words])


def test_sources_of_settings(tmp_path):
    """Default, file, environment, flag: each over the one before; `mintd config` says which."""
    file = tmp_path / "mintd.conf"
    file.write_text("brand = one\nworkers = 3\nlease = 20s  # short\n", encoding="utf-8")
    ran = run_mintd("config", "--config", file, "--brand", "three", "--pipeline=8",
                    env={"MINTD_BRAND": "two", "MINTD_WORKERS": "4", "MINTD_MASTER_KEY": "ab" * 32})
    assert ran.returncode == 0, ran
    lines = {name: (value, source) for name, value, source in
             re.findall(r"(?m)^([a-z-]+) = (.*?) +# (.*)$", ran.stdout)}
    assert lines["brand"] == ("three", "--brand") and lines["pipeline"] == ("8", "--pipeline")
    assert lines["workers"] == ("4", "MINTD_WORKERS") and lines["poll"] == ("250ms", "default")
    assert lines["lease"][0] == "20s" and lines["lease"][1].endswith(f"{file.name}:3")
    assert lines["master-key"] == ("********", "MINTD_MASTER_KEY")
    assert "abab" not in ran.stdout + ran.stderr


def test_reload(tmp_path):
    """SIGHUP takes on what can be, keeps what cannot, and refuses a broken file as a whole."""
    file = tmp_path / "mintd.conf"
    file.write_text("default-ttl = 100\n", encoding="utf-8")
    daemon = Daemon(tmp_path, config=file)
    try:
        daemon.start()
        org = Org(Client(daemon.address, daemon.operator_token))
        path = credentials_path(org.name, org.project()["name"])
        client = org.service("issuer").client

        def life():
            return client.ok("POST", path)["ttlSeconds"]
        assert life() == 100
        file.write_text("default-ttl = 200\nbrand = other\n", encoding="utf-8")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: life() == 200, "the new setting")
        assert daemon.log_lines("brand"), "a setting that needs a restart is told"
        file.write_text("default-ttl = 300\nnonsense\n", encoding="utf-8")
        daemon.signal(signal.SIGHUP)
        assert daemon.log_lines(f"{file.name}:2")
        assert life() == 200
        assert org.service("guest").token.startswith("mint_svc_")
    finally:
        daemon.end()


# ---- addresses

@pytest.mark.parametrize("listen", ["[::1]:0", ":0"])
def test_listens(make_daemon, listen):
    if listen == "[::1]:0" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    daemon = make_daemon(listen=listen)
    port = daemon.address.rsplit(":", 1)[1]
    host = "[::1]" if listen == "[::1]:0" else "127.0.0.1"
    client = Client(f"{host}:{port}")
    client.ok("GET", "/v1/ping")


def has_ipv6():
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
        return True


def test_listens_on_a_unix_socket(tmp_path):
    path = tmp_path / "s"
    daemon = Daemon(tmp_path, listen=f"unix:{path}")
    try:
        daemon.start()
        with closing(socket.socket(socket.AF_UNIX)) as one:
            one.settimeout(10)
            one.connect(str(path))
            one.sendall(request("GET", "/v1/ping", Connection="close"))
            assert one.recv(100).startswith(b"HTTP/1.1 200 ")
        daemon.kill()  # the socket file stays, and is no obstacle
        assert path.exists()
        daemon.start()
    finally:
        daemon.end()


def test_no_ops_listener(make_daemon):
    daemon = make_daemon(ops_listen="")
    assert not daemon.ready["ops"]
    assert Client(daemon.address).get("/healthz").status == 200


def test_issuer_is_the_address_unless_told(make_daemon):
    daemon = make_daemon(issuer=None)
    document = Client(daemon.address).ok("GET", "/.well-known/openid-configuration")
    assert document["issuer"] == f"http://{daemon.address}" != ISSUER


def test_brand(make_daemon):
    daemon = make_daemon(brand="rill")
    assert daemon.operator_token.startswith("rill_opr_")
    org = Org(Client(daemon.address, daemon.operator_token))
    service = org.service("viewer")
    assert service.token.startswith("rill_svc_") and service.issued["prefix"][:9] == "rill_svc_"
    service.client.ok("GET", org.path)


# ---- end

def in_flight(ops):
    return next(value for name, value in metrics(ops).items()
                if name.startswith("mintd_requests_in_flight"))


@pytest.fixture
def writes_wait():
    """writes_wait(daemon): until it is closed, no write of the daemon gets through."""
    locks = []

    def take(daemon):
        registry = sqlite3.connect(daemon.data / "registry.db", isolation_level=None)
        registry.execute("BEGIN IMMEDIATE")
        locks.append(registry)
        return registry
    yield take
    for registry in locks:
        registry.close()


@pytest.mark.embedded
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain(make_daemon, writes_wait, number):
    """What is under way is answered, what is idle closed, what is new not taken; then exit 0."""
    daemon = make_daemon()
    org = Org(Client(daemon.address, daemon.operator_token))
    service = org.service("guest")
    ops = Client(daemon.ops)
    wires = [Wire(daemon.address) for _ in range(10)]
    idle = Wire(daemon.address)
    assert idle.send(request("GET", "/v1/ping")).reply().status == 200
    lock = writes_wait(daemon)
    data = request("POST", f"{service.path}/tokens", b"{}",
                   Authorization=f"Bearer {daemon.operator_token}")
    for wire in wires:
        wire.send(data)
    wait_until(lambda: in_flight(ops) >= 10, "the requests to be under way")
    daemon.signal(number)
    assert idle.is_closed()
    wait_until(lambda: not accepts(daemon.address), "the listener to close")
    assert daemon.process.poll() is None
    lock.execute("ROLLBACK")
    for wire in wires:
        reply = wire.reply()
        assert reply.status == 200 and reply.json["token"]
        assert reply.headers["Connection"] == "close" and wire.is_closed()
    daemon.wait()
    daemon.start()
    operator = Client(daemon.address, daemon.operator_token)
    assert len(operator.ok("GET", f"{service.path}/tokens")["tokens"]) == 11


def accepts(address):
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 5).close()
    except OSError:
        return False
    return True


def test_drain_ends_in_time(make_daemon):
    """A client that never finishes its request holds nobody up for longer than the setting."""
    daemon = make_daemon(drain_timeout="500ms")
    wires = [Wire(daemon.address).send(request("POST", "/v1/orgs", Content_Length=5))
             for _ in range(4)]
    ops = Client(daemon.ops)
    wait_until(lambda: metrics(ops)["mintd_connections"] >= 4, "the connections")
    start = time.monotonic()
    daemon.stop()
    assert time.monotonic() - start < 5
    for wire in wires:
        wire.socket.close()


@pytest.mark.embedded
def test_not_ready_while_draining(make_daemon, writes_wait):
    daemon = make_daemon()
    org = Org(Client(daemon.address, daemon.operator_token))
    service = org.service("guest")
    ops = Client(daemon.ops)
    assert ops.get("/readyz").status == 200
    lock = writes_wait(daemon)
    wire = Wire(daemon.address)
    wire.send(request("POST", f"{service.path}/tokens", b"{}",
                      Authorization=f"Bearer {daemon.operator_token}"))
    wait_until(lambda: in_flight(ops) >= 1, "the request to be under way")
    daemon.signal(signal.SIGTERM)

    def not_ready():
        ops.connection.request("GET", "/readyz")
        answer = ops.connection.getresponse()
        return json.load(answer) if answer.status == 503 else answer.read() and None
    assert "drain" in wait_until(not_ready, "readyz to say no")["serving"]["reason"]
    lock.execute("ROLLBACK")
    assert wire.reply().status == 200
    daemon.wait()


def test_ends_under_load(make_daemon, rounds):
    """SIGTERM at any moment of a pipelined load: exit 0, and no reply is cut off in its middle."""
    for _ in range(rounds(3)):
        daemon = make_daemon()
        org = Org(Client(daemon.address, daemon.operator_token))
        path = credentials_path(org.name, org.project()["name"])
        data = request("POST", path, b"{}", Authorization=f"Bearer {org.service('issuer').token}")
        wires = [Wire(daemon.address).send(data * 50) for _ in range(4)]
        for wire in wires:
            assert wire.reply().status == 200
        daemon.signal(signal.SIGTERM)
        for wire in wires:
            while wire.buffer or wire.receive():
                reply = wire.reply()
                assert reply.status == 200 and Credential(reply.json["accessToken"])
        daemon.wait()



def test_starts_and_ends_often(make_daemon, rounds):
    """What the registry still has to do at the end finds whom it does it for."""
    daemon = make_daemon()
    for _ in range(rounds(25)):
        client = Client(daemon.address, daemon.operator_token)
        client.ok("GET", "/v1/orgs")
        client.close()
        daemon.restart()
