"""A real haproxy that tells by send-proxy-v2 for whom it asks, and others that lie."""

import http.client
import json
import socket
import struct
import time
import subprocess

import pytest

from api import Client, Org, metric
from daemon import wait_until
from wire import Wire, request

# As an operator would write it; {…} is filled in. The health checks send a header too (LOCAL).
CONFIG = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend api
    bind {listen}
    default_backend mintd
backend mintd
    option httpchk GET /healthz
    http-check send hdr Host mint.test
    server mintd {mintd} send-proxy-v2 check check-send-proxy inter 100ms
"""


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return "127.0.0.1:%d" % server.getsockname()[1]


@pytest.fixture
def haproxy(tmp_path):
    """haproxy(daemon): the address of one in front of it."""
    processes = []

    def make(daemon):
        listen = free_address()
        config = tmp_path / "haproxy.cfg"
        config.write_text(CONFIG.format(listen=listen, mintd=daemon.address))
        with (tmp_path / "haproxy.log").open("wb") as log:
            processes.append(subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", config],
                                              stdin=subprocess.DEVNULL, stdout=log, stderr=log))

        def answers():
            assert processes[-1].poll() is None, (tmp_path / "haproxy.log").read_text()
            try:
                host, port = listen.split(":")
                return socket.create_connection((host, int(port)), 1).close() or True
            except OSError:
                return False
        wait_until(answers, "haproxy")
        return listen
    yield make
    for process in processes:
        process.terminate()
        process.wait(20)


def client_from(source, address, token):
    client = Client(address, token)
    client.connection = http.client.HTTPConnection(address, timeout=20, source_address=(source, 0))
    return client


def header(source):
    """A PROXY v2 header that says that the client is `source`."""
    addresses = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + b"\x10\x00\x1f\x90"
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", len(addresses)) + addresses


def peers(daemon, route):
    """Who called the route by the log."""
    lines = [json.loads(line) for line in daemon.log_lines(f'"{route}"')]
    return [line["peer"] for line in lines if line.get("route") == route]


def test_haproxy(make_daemon, haproxy):
    """The policy, the log, the last use and the audit see the client, not the proxy; haproxy's own
    checks come as from itself."""
    daemon = make_daemon(proxy_protocol="true", trusted_proxies="127.0.0.1/32")
    address = haproxy(daemon)
    org = Org(client_from("127.0.0.5", address, daemon.operator_token))
    project = org.project()["name"]
    service = org.service("issuer", policy={"allowedCidrs": ["127.0.0.2/32"]})
    for source, status in (("127.0.0.2", 200), ("127.0.0.3", 403), ("127.0.0.2", 200)):
        time.sleep(1.1)  # of the uses within a second any may be the last one
        service.client = client_from(source, address, service.token)
        assert service.mint(project).status == status
    assert metric(daemon, "mintd_connections_unproxied_total") == 0
    wait_until(lambda: peers(daemon, "credentials.issue")[2:], "the log")
    assert sorted(peers(daemon, "credentials.issue")) == ["127.0.0.2", "127.0.0.2", "127.0.0.3"]
    assert set(peers(daemon, "healthz")) == {"127.0.0.1"}
    records = org.operator.ok("GET", f"/v1/audit?org={org.name}")["auditRecords"]
    assert {record["address"] for record in records} == {"127.0.0.5"}
    daemon.restart()
    operator = client_from("127.0.0.5", haproxy(daemon), daemon.operator_token)
    [token] = operator.ok("GET", f"{service.path}/tokens")["tokens"]
    assert token["lastUsedAddress"] == "127.0.0.2"


def test_forged(make_daemon, haproxy):
    """Who is no proxy is who he is, whatever his header says; so is who lies through the proxy."""
    daemon = make_daemon(proxy_protocol="true", trusted_proxies="127.0.0.1/32")
    address = haproxy(daemon)
    org = Org(client_from("127.0.0.5", address, daemon.operator_token))
    project = org.project()["name"]
    service = org.service("issuer", policy={"allowedCidrs": ["127.0.0.2/32"]})
    asked = request("POST", f"{org.path}/projects/{project}/credentials",
                    Authorization=f"Bearer {service.token}")
    for source, status in (("127.0.0.1", 200), ("127.0.0.9", 403)):
        with Wire(daemon.address, source=source) as wire:
            wire.send(header("127.0.0.2") + asked)
            assert wire.reply().status == status
    with Wire(address) as wire:
        wire.send(header("127.0.0.2") + asked)
        assert b" 400 " in wire.read_until(b"\r\n")  # haproxy's own


@pytest.mark.parametrize("garbage", [
    request("GET", "/v1/ping"), b"PROXY TCP4 127.0.0.2 127.0.0.1 1 2\r\n" + request("GET", "/")])
def test_no_header(make_daemon, garbage):
    daemon = make_daemon(proxy_protocol="true")
    with Wire(daemon.address) as wire:
        wire.send(garbage)
        reply = wire.reply()
        assert reply.status == 400 and "send-proxy-v2" in reply.message
        assert wire.is_closed()
    assert metric(daemon, "mintd_connections_unproxied_total") == 1
    with Wire(daemon.address) as wire:
        wire.send(header("127.0.0.2") + request("GET", "/v1/ping"))
        assert wire.reply().status == 200


def test_off(wire):
    """Unless it is on a header is no way to begin."""
    wire.send(header("127.0.0.2") + request("GET", "/v1/ping"))
    assert wire.reply().status == 400
