"""A fleet behind HAProxy, asked for credentials all the time while tokens come and go; and what of
the answers was wrong."""

import collections
import http.client
import random
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from api import Client, Org, credentials_path, metric
from daemon import Daemon, clean_environment, wait_until
from postgres import Postgres, free_port
from revoking import Line

MASTER_KEY = "5" * 64
REPLICAS = 3


class Process:
    """A helper program in a folder, with its output in a file there."""

    def __init__(self, folder, name, *command):
        self.command, self.log = list(map(str, command)), folder / f"{name}.log"
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=clean_environment(), cwd="/")
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Redis(Process):
    """A redis-server on a socket of its own."""

    def __init__(self, folder):
        self.socket = folder / "redis.socket"
        super().__init__(folder, "redis", "redis-server", "--port", 0, "--unixsocket", self.socket,
                         "--save", "", "--appendonly", "no", "--dir", folder)

    def start(self):
        super().start()
        wait_until(lambda: self.cli("PING") == "PONG", "Redis to start")
        return self

    def cli(self, *words, text=""):
        """What redis-cli says; "" if it cannot reach it."""
        return subprocess.run(["redis-cli", "-s", self.socket, *map(str, words)], input=text,
                              capture_output=True, text=True, check=False,
                              timeout=20).stdout.strip()


HAPROXY = """
global
    maxconn 2000
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response
    default-server check inter 200ms fall 2 rise 1
frontend public
    bind 127.0.0.1:{port}
    default_backend mintd
backend mintd
    balance roundrobin
    option httpchk GET /readyz
{servers}
"""


class FleetUnderLoad:
    """Three replicas on PostgreSQL and Redis behind HAProxy."""

    def __init__(self, folder, lease_s=3, durable=False, **settings):
        """`durable`: PostgreSQL syncs what it commits, as it does where it is in earnest."""
        self.folder, self.lease_s = Path(folder), lease_s
        self.margin_s = 0.2
        self.postgres = Postgres(max_connections=40, fsync="on" if durable else "off")
        self.redis = Redis(self.folder)
        self.settings = {"lease": f"{lease_s}s", "lease_margin": "200ms", "workers": 1,
                         "registry_timeout": "1s", "log_level": "info", "log_requests": "false",
                         "redis": f"unix:{self.redis.socket}", **settings}
        self.replicas, self.haproxy, self.port = [], None, free_port()

    def settings_of(self, _number, registry):
        """The settings of a replica."""
        return {"registry": registry, **self.settings}

    def start(self):
        self.postgres.create()
        self.redis.start()
        registry = self.postgres.database()
        for number in range(REPLICAS):
            daemon = Daemon(self.folder / f"replica-{number + 1}",
                            listen=f"127.0.0.1:{free_port()}",
                            operator_token_file=self.folder / "operator",
                            **self.settings_of(number, registry))
            self.replicas.append(daemon)
            self.start_replica(daemon)
        servers = "\n".join(f"    server mintd-{i + 1} {daemon.address}"
                            for i, daemon in enumerate(self.replicas))
        config = self.folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=self.port, servers=servers), encoding="ascii")
        self.haproxy = Process(self.folder, "haproxy", "haproxy", "-f", config, "-db").start()
        wait_until(self.is_served, "HAProxy to serve")
        return self

    def start_replica(self, daemon, **env):
        return daemon.start(env={"MINTD_MASTER_KEY": MASTER_KEY, **env})

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def is_served(self):
        try:
            connection = http.client.HTTPConnection(self.address, timeout=2)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def is_well(self):
        """Clients are served, and every replica hears of changes."""
        return self.is_served() and all(
            metric(daemon, "mintd_lease_left_ms") > self.lease_s * 500 for daemon in self.replicas)

    def end(self):
        for process in (self.haproxy, self.redis):
            if process:
                process.end()
        for daemon in self.replicas:
            if daemon.process:
                daemon.kill()
        self.postgres.remove()


@dataclass
class Token:
    """A token of the load, and when it was revoked: asked for, and acknowledged."""

    secret: str
    token_id: str
    path: str
    is_new: bool = False  # perhaps not yet looked up by every replica
    revoke_asked: float = 0.0
    revoke_done: float = 0.0
    accepted: list = field(default_factory=list)  # when requests were sent since it was asked for


@dataclass
class Findings:
    """What the answers came to."""

    sent: int = 0
    failed: collections.Counter = field(default_factory=collections.Counter)
    revoked: int = 0
    not_revoked: collections.Counter = field(default_factory=collections.Counter)
    after_acknowledgement_s: list = field(default_factory=list)
    after_commit_s: float = 0.0
    good_refused: list = field(default_factory=list)
    new_failed: int = 0  # 503 for a new token, whose look-up needs the registry
    slowest_s: float = 0.0

    def __str__(self):
        failed = " ".join(f"{code}:{count}" for code, count in sorted(self.failed.items()))
        late = max(self.after_acknowledgement_s, default=0)
        new = f" (and {self.new_failed} of new tokens)" if self.new_failed else ""
        return (f"{self.sent:6} sent, failed {failed or 'none'}{new}; {self.revoked} revoked, "
                f"accepted after the acknowledgement: {len(self.after_acknowledgement_s) or 'none'}"
                f"{f' (by {late:.3f} s)' if late else ''}, after the commit by at most "
                f"{self.after_commit_s:.3f} s; good tokens told 401: "
                f"{len(self.good_refused) or 'none'}; slowest {self.slowest_s:.2f} s")


class Threads:
    """Run while the context lasts: `threads`, which look at `stopping`."""

    def __init__(self):
        self.stopping = threading.Event()
        self.threads = []

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Load(Threads):
    """Threads that mint with tokens that stay, and with tokens that are made, used and revoked."""

    def __init__(self, fleet, threads=3, stable=12):
        super().__init__()
        self.fleet, self.findings, self.lock = fleet, Findings(), threading.Lock()
        self.operator = Client(fleet.address, fleet.replicas[0].operator_token)
        self.org = Org(self.operator)
        self.project = self.org.project()["name"]
        self.path = credentials_path(self.org.name, self.project)
        self.services = [self.org.service("issuer") for _ in range(stable)]
        self.stable = [Token(s.token, s.token_id, self.path) for s in self.services]
        self.moving = collections.deque(maxlen=24)
        self.threads = [threading.Thread(target=self.mint, args=(i,)) for i in range(threads)]
        self.threads.append(threading.Thread(target=self.churn))

    def take_findings(self):
        """What was found since the last time."""
        with self.lock:
            taken, self.findings = self.findings, Findings()
        return taken

    def mint(self, seed):
        dice = random.Random(seed)
        connection = None
        while not self.stopping.is_set():
            moving = list(self.moving)
            token = dice.choice(moving) if moving and dice.random() < 0.4 else dice.choice(
                self.stable)
            try:
                connection = connection or http.client.HTTPConnection(self.fleet.address,
                                                                      timeout=15)
                sent = time.monotonic()
                connection.request("POST", token.path, b'{"attributes":{"tenant":"a"}}',
                                   {"Authorization": f"Bearer {token.secret}"})
                answer = connection.getresponse()
                answer.read()
                status = answer.status
                if answer.will_close:
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
                connection = None
            self.judge(token, sent, time.monotonic(), status)
            time.sleep(0.002)

    def judge(self, token, sent, received, status):
        asked, done = token.revoke_asked, token.revoke_done
        with self.lock:
            found = self.findings
            found.sent += 1
            found.slowest_s = max(found.slowest_s, received - sent)
            if status == 200 and done and sent > done:
                found.after_acknowledgement_s.append(sent - done)
            if status == 200 and asked:
                token.accepted.append(sent)
            if status == 401 and (not asked or received < asked):
                found.good_refused.append(token.token_id)
            # A token that is being revoked may be refused, or not be looked up at the moment.
            if status == 503 and token.is_new and not asked:
                found.new_failed += 1
            elif status != 200 and not (asked and status in (401, 503)):
                found.failed[status] += 1

    def churn(self):
        """A token is made and used for a moment; then it is revoked, and still tried."""
        line = Line(self.fleet.address)
        path = self.services[0].path
        while not self.stopping.is_set():
            made = line.ask("POST", f"{path}/tokens", self.operator.token)
            if made.status == 200:
                token = Token(made.json["token"], made.json["id"], self.path, is_new=True)
                self.moving.append(token)
                time.sleep(0.15)
                self.revoke(line, token)
            time.sleep(0.05)

    def revoke(self, line, token):
        token.revoke_asked = time.monotonic()
        answer = line.ask("DELETE", f"/v1/services/tokens/{token.token_id}", self.operator.token)
        with self.lock:
            if answer.status == 200:
                token.revoke_done = answer.received
                self.findings.revoked += 1
                committed = answer.received - answer.json["applied"]["milliseconds"] / 1000
                for sent in token.accepted:
                    self.findings.after_commit_s = max(self.findings.after_commit_s,
                                                       sent - committed)
            else:
                self.findings.not_revoked[answer.status] += 1
