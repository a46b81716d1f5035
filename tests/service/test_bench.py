"""mint bench: what it measures is true, what goes wrong is told, and what it writes can be read."""

import asyncio
import html.parser
import json
import os
import re
import signal
import subprocess
import threading
import time
import xml.dom.minidom

import pytest

from api import Client, Org, metric
from daemon import MINT, clean_environment, wait_until

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


def reply(body):
    return REPLY % (len(body), body)


class Server:
    """Gives answer(n) to the n-th request of all; None: none, and no more on that connection."""

    def __init__(self, answer):
        self.count = 0
        self.heads = []
        self.loop = asyncio.new_event_loop()
        server = self

        class Connection(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport
                self.got = b""

            def data_received(self, data):
                *heads, self.got = (self.got + data).split(b"\r\n\r\n")
                for head in heads:
                    server.count += 1
                    server.heads.append(head)
                    answered = answer(server.count)
                    if answered is None:
                        return
                    self.transport.write(answered)
                    if b"Connection: close" in answered:
                        self.transport.close()
                        return

        listening = self.loop.create_server(Connection, "127.0.0.1", 0)
        self.server = self.loop.run_until_complete(listening)
        self.url = "http://127.0.0.1:%d/" % self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def close_listener(self):
        self.loop.call_soon_threadsafe(self.server.close)

    def end(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.server.close()


@pytest.fixture
def serve():
    servers = []

    def make(answer):
        servers.append(Server(answer))
        return servers[-1]
    yield make
    for server in servers:
        server.end()


def bench(*arguments, status=0, env=None, timeout=120):
    ran = subprocess.run([MINT, "bench", *map(str, arguments)], capture_output=True, text=True,
                         env={**clean_environment(), "HOME": "/nonexistent", **(env or {})},
                         stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    assert ran.returncode == status, ran
    return ran


def measure(*arguments, **options):
    return json.loads(bench(*arguments, "--format", "json", **options).stdout)


def share_above(result, us):
    """The share of requests that took longer, from the curve."""
    return 1 - max([point["quantile"] for point in result["curve"] if point["microseconds"] <= us],
                   default=0)


@pytest.fixture
def minter():
    """Flags and environment with which mint mints at a daemon of its own."""
    def make(daemon):
        org = Org(Client(daemon.address, daemon.operator_token))
        project = org.project()
        service = org.service(project=project["name"], project_role="issuer")
        return (["--url", f"http://{daemon.address}", "--org", org.name, "--project",
                 project["name"]], {"MINT_TOKEN": service.token})
    return make


@pytest.fixture(scope="module")
def minting(daemon, org, project):
    """What mint needs to mint for a project."""
    service = org.service(project=project["name"], project_role="issuer")
    return {"MINT_URL": f"http://{daemon.address}", "MINT_TOKEN": service.token,
            "MINT_ORG": org.name, "PROJECT": project["name"]}


def test_a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one(serve):
    """Once a second the server does nothing for 100 ms. Of the requests that are due in a second,
    those of (100 ms - x) take longer than x, so of all the share (100 ms - x) / 1 s does."""
    next_stall = [time.monotonic()]

    def answer(_):
        now = time.monotonic()
        if now >= next_stall[0]:
            next_stall[0] = now + 1
            time.sleep(0.1)
        return reply(b"{}")
    server = serve(answer)
    opened = measure("--target", server.url, "--rate", 500, "--duration", "3s", "--warmup", "0s",
                     "--connections", 4)
    assert opened["due"] == opened["good"] + opened["neverSent"] == 1500
    for x_ms in (20, 40, 60, 80):
        # What else the machine does makes it more, never less.
        assert share_above(opened, x_ms * 1000) >= 0.7 * (100 - x_ms) / 1000, x_ms
    closed = measure("--target", server.url, "--duration", "3s", "--warmup", "0s",
                     "--connections", 4)
    assert closed["latencyMicroseconds"]["max"] > 90_000
    for x_ms in (40, 60):
        assert share_above(closed, x_ms * 1000) < share_above(opened, x_ms * 1000) / 3, x_ms


def test_a_stopped_mintd_shows(make_daemon, minter):
    """It does nothing for half a second of four: an open loop's p99 must say so."""
    daemon = make_daemon()
    arguments, env = minter(daemon)
    arguments += ["--duration", "4s", "--warmup", "0s"]
    before = metric(daemon, "mintd_credentials_total")
    with subprocess.Popen([MINT, "bench", *arguments, "--rate", "200", "--format", "json"],
                          env={**clean_environment(), **env}, stdout=subprocess.PIPE) as loading:
        wait_until(lambda: metric(daemon, "mintd_credentials_total") > before + 100, "the load")
        daemon.signal(signal.SIGSTOP)
        time.sleep(0.5)
        daemon.signal(signal.SIGCONT)
        opened = json.loads(loading.stdout.read())
    assert loading.wait() == 0
    assert opened["latencyMicroseconds"]["p99"] >= 400_000
    assert opened["latencyMicroseconds"]["max"] >= 490_000
    assert max(point["maxMicroseconds"] for point in opened["overTime"]) >= 480_000


@pytest.mark.parametrize("flags", [["--rate", 300], []])
def test_mints_and_verifies(make_daemon, minter, tmp_path, flags):
    daemon = make_daemon()
    arguments, env = minter(daemon)
    page = tmp_path / "page.html"
    before = metric(daemon, "mintd_credentials_total")
    result = measure(*arguments, *flags, "--duration", "2s", "--warmup", "0s", "--html", page,
                     "--verify", 300, env=env)
    # All that mintd has minted is in the result, but for the trial before the run.
    assert metric(daemon, "mintd_credentials_total") - before == result["good"] + 1
    assert result["good"] == result["due"] > 100
    assert not flags or result["due"] == 600
    assert result["loop"] == ("open" if flags else "closed") and result["interrupted"] is False
    assert set(result["errors"].values()) == {0} and result["statusCodes"] == {}
    assert result["signatures"] == {"checked": 300, "wrong": 0}
    # In one the requests that were due in the time count, in the other the answers that came.
    assert result["goodPerSecond"] == pytest.approx(result["good"] / result["seconds"], rel=0.2)
    latency = result["latencyMicroseconds"]
    # Little's law: no time of a connection is lost but what mint needs to send again.
    under_way = latency["mean"] * result["goodPerSecond"] / 1e6
    assert flags or 0.7 * 32 < under_way < 1.1 * 32
    order = [latency[name] for name in ("p50", "p90", "p99", "p99.9", "p99.99", "max")]
    assert order == sorted(order) and 0 < latency["mean"] < latency["max"]
    curve = [point["microseconds"] for point in result["curve"]]
    assert curve == sorted(curve)
    assert [point["second"] for point in result["overTime"]] == [1, 2]
    assert result["steps"] == [] and result["kneePerSecond"] is None
    check_page(page.read_text(encoding="utf-8"), plots=2)


def check_page(text, plots):
    """Well-formed as XML and HTML, and nothing in it is fetched from elsewhere."""
    tags = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)
            assert not {"src", "href", "xlink:href", "srcset"} & {name for name, _ in attrs}
    Reader().feed(text)
    assert tags.count("svg") == plots and not {"script", "link", "img", "iframe"} & set(tags)
    assert "prefers-color-scheme:dark" in text
    assert not re.search(r"url\(|@import", text)
    document = xml.dom.minidom.parseString(text.split("\n", 1)[1])
    for line in document.getElementsByTagName("polyline"):
        pairs = line.getAttribute("points").split()
        points = [tuple(map(float, pair.split(","))) for pair in pairs]
        assert points and all(0 <= x <= 760 and 0 <= y <= 300 for x, y in points)
    assert "nan" not in text and "inf" not in text.replace("info", "")


def test_mint_costs_less_than_what_it_measures(make_daemon, minter):
    """One core of load can saturate more than one of mintd."""
    daemon = make_daemon(log_level="warning", workers=1)
    arguments, env = minter(daemon)

    def cpu_s():
        with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as stat:
            return sum(map(int, stat.read().split()[13:15])) / os.sysconf("SC_CLK_TCK")
    before = cpu_s()
    result = measure(*arguments, "--duration", "1s", "--warmup", "0s", env=env)
    each_us = (cpu_s() - before) * 1e6 / result["good"]
    assert 0 < result["self"]["cpuMicrosecondsPerRequest"] < each_us


@pytest.mark.parametrize("flags", [
    ["--pipeline", "8", "--batch", "5"], ["--no-keep-alive", "--attributes-size", "1KiB"],
    ["--rate", "300", "--threads", "2", "--no-keep-alive"],
    ["--rate", "300", "--pipeline", "3", "--email", "ann@example.com", "--ttl", "60s"],
])
def test_shapes_of_load(minting, flags):
    result = measure("--project", minting["PROJECT"], "--duration", "1s", "--warmup", "0s",
                     "--connections", "4", *flags, env=minting)
    assert result["due"] == result["good"] > 0
    if "--rate" in flags:
        assert result["good"] == 300
    assert result["signatures"]["wrong"] == 0
    assert result["signatures"]["checked"] >= (5 if "--batch" in flags else 1)


@pytest.mark.parametrize("warm, counts", [([], [40, 40, 40, 40, 40]),
                                          (["--warm", 60], [120, 20, 20, 20, 20])])
def test_tokens_take_turns(serve, tmp_path, warm, counts):
    """Of a hundred requests 60 are of the first token; the others share the rest."""
    tokens = [f"token-{i}" for i in range(5)]
    path = tmp_path / "tokens"
    path.write_text("\n".join(tokens) + "\n", encoding="ascii")
    server = serve(lambda n: reply(b"{}"))
    result = measure("--target", server.url, "--tokens", path, "--rate", 200, "--duration", "1s",
                     "--warmup", "0s", "--body", "{}", "--header", "X-Test: yes", *warm)
    assert result["good"] == 200 and result["target"].startswith("POST ")
    assert all(b"\r\nX-Test: yes\r\n" in head for head in server.heads)
    found = [re.search(rb"Authorization: Bearer ([\w-]+)", head)[1].decode()
             for head in server.heads[1:]]  # the first is the trial before the run
    assert [found.count(token) for token in tokens] == counts


def test_cold_tokens_are_looked_up(make_daemon, tmp_path):
    """Of 40 requests 20 are of one token; 19 others share the rest, and each is new to mintd."""
    daemon = make_daemon(workers=1)
    org = Org(Client(daemon.address, daemon.operator_token))
    project = org.project()["name"]
    path = tmp_path / "tokens"
    path.write_text("".join(org.service(project=project, project_role="issuer").token + "\n"
                            for _ in range(20)), encoding="ascii")
    names = ["mintd_cache_misses_total", 'mintd_cache_hits_total{tier="l1"}']
    before = [metric(daemon, name) for name in names]
    result = measure("--url", f"http://{daemon.address}", "--org", org.name, "--project", project,
                     "--tokens", path, "--warm", 50, "--rate", 40, "--duration", "1s", "--warmup",
                     "0s")
    assert result["good"] == 40
    misses, hits = [metric(daemon, name) - old for name, old in zip(names, before)]
    assert misses == 20 and hits == 41 - 20, (misses, hits)


def test_what_mintd_refuses_is_counted_by_status(make_daemon):
    """Above the rate limit, then without its token."""
    daemon = make_daemon()
    org = Org(Client(daemon.address, daemon.operator_token))
    project = org.project()["name"]
    service = org.service(project=project, project_role="issuer",
                          policy={"rateLimit": {"perSecond": 20, "burst": 20}})
    with subprocess.Popen([MINT, "bench", "--url", f"http://{daemon.address}", "--org", org.name,
                           "--project", project, "--rate", "100", "--duration", "3s", "--warmup",
                           "0s", "--format", "json"], stdout=subprocess.PIPE,
                          env=clean_environment(MINT_TOKEN=service.token)) as loading:
        wait_until(lambda: metric(daemon, "mintd_credentials_total") > 40, "the load")
        org.operator.ok("DELETE", service.path)
        result = json.loads(loading.stdout.read())
    assert loading.wait() == 1
    assert set(result["statusCodes"]) == {"429", "401"}
    assert result["due"] == 300 == result["good"] + sum(result["statusCodes"].values())
    # The trial before the run took one too.
    assert metric(daemon, "mintd_credentials_total") == result["good"] + 1


def forged(minting):
    token = bench_issue(minting)
    head, payload, signature = token.split(".")
    flipped = ("A" if signature[10] != "A" else "B")
    return token, f"{head}.{payload}.{signature[:10]}{flipped}{signature[11:]}"


def bench_issue(minting):
    ran = subprocess.run([MINT, "issue", "--project", minting["PROJECT"]], capture_output=True,
                         env={**clean_environment(), **minting}, text=True, timeout=60, check=True)
    return ran.stdout.strip()


def test_wrong_signatures_are_loud(serve, minting):
    good, bad = forged(minting)
    server = serve(lambda n: reply(json.dumps({"accessToken": bad if n % 10 == 0 else good}
                                              ).encode()))
    arguments = ["--target", server.url, "--rate", 200, "--duration", "1s", "--warmup", "0s",
                 "--jwks", minting["MINT_URL"] + "/.well-known/jwks.json", "--verify", 1000]
    ran = bench(*arguments, "--format", "json", status=1)
    result = json.loads(ran.stdout)
    assert result["signatures"] == {"checked": 200, "wrong": 20}
    assert result["errors"]["signature"] == 20
    assert "20 of 200 credentials that were checked HAVE NO GOOD SIGNATURE" in ran.stderr


@pytest.mark.parametrize("kind, answer", [
    ("status", b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"),
    ("reply", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
    ("reply", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nshort"),
    ("reply", reply(b'{"other":1}')),
    ("timeout", None),
])
def test_failures_by_kind(serve, kind, answer):
    """Every tenth request from the twentieth on; the rest goes well all the same."""
    server = serve(lambda n: answer if n > 10 and n % 10 == 0 else reply(b'{"accessToken":"x"}'))
    result = measure("--target", server.url, "--rate", 200, "--duration", "1s", "--warmup", "0s",
                     "--timeout", "1s", "--expect-json-field", "accessToken", status=1)
    assert result["due"] == 200
    errors = result["errors"]
    assert errors[kind] == sum(errors.values()) == 19 or kind == "timeout"
    assert 15 <= errors[kind] <= 20 and result["good"] == 200 - errors[kind]
    assert result["firstErrors"][kind]
    assert result["statusCodes"] == ({"503": 19} if kind == "status" else {})
    if kind == "timeout":
        assert share_above(result, 900_000) > 0.05


def test_a_server_that_goes_away(serve):
    server = serve(lambda n: reply(b"{}") if n < 20 else
                   b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    threading.Timer(0.7, server.close_listener).start()
    result = measure("--target", server.url, "--rate", 100, "--duration", "2s", "--warmup", "0s",
                     status=1)
    assert result["errors"]["connect"] > 0 and "refused" in result["firstErrors"]["connect"]
    assert sum(result["errors"].values()) + result["good"] + result["neverSent"] == 200


def test_an_announced_close_loses_nothing(serve):
    server = serve(lambda n: reply(b"{}") if n % 7 else
                   b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    result = measure("--target", server.url, "--duration", "1s", "--warmup", "0s", "--pipeline", 4,
                     "--connections", 3)
    assert result["due"] == result["good"] + result["neverSent"] and result["good"] > 50
    assert result["neverSent"] <= 12  # what was to be sent again when the time was over


def test_an_overload_is_not_hidden(serve):
    """20 ms a request is 50 a second at most: of 200 a second most are never sent, or late."""
    server = serve(lambda n: time.sleep(0.02) or reply(b"{}"))
    result = measure("--target", server.url, "--rate", 200, "--duration", "2s", "--warmup", "0s",
                     "--connections", 2)
    assert result["due"] == 400 and result["good"] + result["neverSent"] == 400
    assert result["neverSent"] > 200 and result["goodPerSecond"] < 60
    assert result["latencyMicroseconds"]["p50"] > 500_000


def test_finds_the_knee(serve, tmp_path):
    server = serve(lambda n: time.sleep(0.005) or reply(b"{}"))
    page = tmp_path / "page.html"
    ran = bench("--target", server.url, "--find-knee", "--rate", 60, "--step", "1s", "--duration",
                "1s", "--warmup", "0s", "--format", "json", "--html", page)
    result = json.loads(ran.stdout)
    assert 60 <= result["kneePerSecond"] <= 200
    assert abs(result["ratePerSecond"] - 0.7 * result["kneePerSecond"]) <= 1
    rates = [step["ratePerSecond"] for step in result["steps"]]
    assert rates == sorted(rates) and rates[-1] > result["kneePerSecond"]
    assert not result["steps"][-1]["keptUp"] and "not kept up with" in ran.stderr
    check_page(page.read_text(encoding="utf-8"), plots=4)


def test_an_interrupt_leaves_a_result(serve):
    server = serve(lambda n: reply(b"{}"))
    process = subprocess.Popen([MINT, "bench", "--target", server.url, "--duration", "1h",
                                "--warmup", "0s", "--rate", "100", "--format", "json"],
                               env=clean_environment(), stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    result = json.loads(out)
    assert process.returncode == 0 and result["interrupted"] is True
    assert 0.5 < result["seconds"] < 20 and result["due"] == result["good"] > 20


def test_a_terminal_sees_how_it_goes(serve):
    server = serve(lambda n: reply(b"{}"))
    here, there = os.openpty()
    ran = subprocess.run([MINT, "bench", "--target", server.url, "--rate", "50", "--duration", "1s",
                          "--warmup", "0s"], env=clean_environment(), stderr=there, text=True,
                         stdout=subprocess.PIPE, timeout=60, check=True)
    os.close(there)
    said = os.read(here, 4096).decode()
    os.close(here)
    assert re.search(r"1s +\d+/s  p99 [0-9.]+ [um]?s  max ", said), said
    assert "50 good" in ran.stdout and "p99 " not in said[said.rindex("\r"):]


def test_calibrates():
    result = measure("--calibrate", "--duration", "1s", "--warmup", "0s")
    assert result["due"] == result["good"] > 100
    assert 0 < result["self"]["busy"] <= 1.05


def test_a_spinning_mint_sends_in_time_and_tells_work_from_waiting():
    flags = ["--calibrate", "--rate", "1000", "--duration", "1s", "--warmup", "0s"]
    asleep, awake = measure(*flags)["self"], measure(*flags, "--spin")["self"]
    assert awake["lateP50Microseconds"] < asleep["lateP50Microseconds"] / 2, (asleep, awake)
    assert 0 < awake["busy"] < 0.5, awake
    result = measure("--calibrate", "--spin", "--connections", "2", "--duration", "1s")
    assert result["due"] == result["good"] > 100 and result["spin"] is True


def test_what_mint_itself_limits_is_told():
    """Load and server on one processor: each waits for the other."""
    one = {min(os.sched_getaffinity(0))}
    ran = subprocess.run([MINT, "bench", "--calibrate", "--duration", "1s", "--warmup", "0s"],
                         preexec_fn=lambda: os.sched_setaffinity(0, one), capture_output=True,
                         env=clean_environment(), text=True, timeout=60, check=True)
    assert "mint had to wait for a processor" in ran.stdout


def test_people_read_of_failures_by_status(serve):
    server = serve(lambda n: b"HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n" if n % 2 == 0
                   else reply(b"{}"))
    said = bench("--target", server.url.replace("127.0.0.1", "localhost"), "--rate", 100,
                 "--duration", "1s", "--warmup", "0s", status=1).stdout
    assert "50 good" in said and "50 another status than 2xx (429: 50)" in said


def test_a_first_request_that_fails_is_the_last(serve, minting):
    server = serve(lambda n: b"HTTP/1.1 404 No\r\nContent-Length: 7\r\n\r\nno such")
    said = bench("--target", server.url, status=1).stderr
    assert "the first request was refused: 404 no such" in said and server.count == 1
    said = bench("--url", "http://127.0.0.1:1", "--token", "x", "--org", "o", "--project", "p",
                 status=1).stderr
    assert "Connection refused" in said and "Is mintd running there?" in said


@pytest.mark.parametrize("flags, says", [
    (["--target", "http://192.0.2.1/"], "--allow-remote"),
    (["--target", "https://127.0.0.1/"], "plain HTTP"),
    (["--target", "ftp://127.0.0.1/"], "it must start with http://"),
    (["--target", "http://127.0.0.1:x/"], "a port that is none"),
    (["--connections", "0"], "from 1 to 10000"),
    (["--connections", "10001"], "from 1 to 10000"),
    (["--pipeline", "65"], "from 1 to 64"),
    (["--threads", "65"], "from 1 to 64"),
    (["--threads", "2", "--connections", "1"], "a connection of its own"),
    (["--rate", "10000001"], "from 1 to 10000000"),
    (["--duration", "0"], "from 1 to 86400"),
    (["--duration", "25h"], "from 1 to 86400"),
    (["--verify", "100001"], "from 0 to 100000"),
    (["--batch", "257"], "from 1 to 256"),
    (["--warm", "101"], "from 0 to 100"),
    (["--warm", "10"], "--warm needs --tokens"),
    (["--pipeline", "2", "--no-keep-alive"], "exclude each other"),
    (["--body", "x"], "need --target"),
    (["--target", "http://127.0.0.1:1", "--method", "HEAD"], "take GET"),
    (["--target", "http://127.0.0.1:1", "--method", "post"], "in capitals"),
    (["--target", "http://127.0.0.1:1", "--header", "x"], "Name: value"),
    (["--target", "http://127.0.0.1:1", "--header", "Content-Length: 1"], "set already"),
    (["--attributes-size", "10", "--email", "a@b.c"], "--attributes-size is"),
    (["--timeout", "0"], "must not be 0"),
])
def test_refuses_what_makes_no_sense(flags, says):
    ran = bench("--org", "o", "--project", "p", "--token", "t", *flags, status=2)
    assert says in ran.stderr


def test_says_what_is_missing():
    assert "needs --project" in bench("--org", "o", "--token", "t", status=2).stderr
    assert "no token" in bench("--org", "o", "--project", "p", status=2).stderr
