"""The registry in PostgreSQL: replicas that share it, and a server that has bad days."""

import concurrent.futures
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import closing

import pytest

from api import Client, Credential, Org, credentials_path, metric, unique
from daemon import (MINTD, PATIENCE_S, Daemon, clean_environment, flags_of, run_mintd, wait_until)
from postgres import Postgres, program

MASTER_KEY = "7" * 64


def start(folder, registry, **settings):
    """A replica; all have the same master key, and give up on the registry sooner than usual."""
    settings = {"lease": "5s", "registry_timeout": "1s", **settings}
    daemon = Daemon(folder, registry=registry, **settings)
    return daemon.start(env={"MINTD_MASTER_KEY": MASTER_KEY})


@pytest.fixture
def replicas(tmp_path):
    """replicas(url): one more replica on this registry; ended after the test."""
    started = []

    def make(registry, **settings):
        settings.setdefault("operator_token_file", tmp_path / "token")
        started.append(start(tmp_path / f"replica-{len(started)}", registry, **settings))
        return started[-1]
    yield make
    for daemon in started:
        daemon.end()


class Story:
    """An org whose issuer has minted on this replica, so that its token is cached there, and one
    that has not."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.operator = Client(daemon.address, daemon.operator_token)
        self.org = Org(self.operator)
        self.path = credentials_path(self.org.name, self.org.project()["name"])
        self.cached, self.fresh = self.org.service("issuer"), self.org.service("issuer")
        self.cached.client.ok("POST", self.path)

    def manage(self):
        """The status of a change, one of those that a good day and a bad day have."""
        reply = self.operator.post("/v1/orgs", {"name": unique("org")})
        assert reply.status in (200, 503), reply
        return reply.status

    def is_bad(self):
        """Cached tokens mint on; whatever needs the registry is told to come back."""
        self.cached.client.ok("POST", self.path)
        self.fresh.client.refused(503, "POST", self.path)
        return self.manage() == 503

    def is_good(self):
        return self.manage() == 200 and self.fresh.client.post(self.path).status == 200


def test_two_replicas(postgres, replicas):
    """What one has changed the other acts on because it was told, long before its poll."""
    url = postgres.database()
    one, two = (replicas(url, poll="10s", lease="30s") for _ in range(2))
    story = Story(one)
    elsewhere = Client(two.address, story.cached.token)
    elsewhere.ok("POST", story.path)
    story.operator.ok("DELETE", f"/v1/services/tokens/{story.cached.token_id}")
    wait_until(lambda: elsewhere.post(story.path).status == 401, "the other to hear of it", 5)


def test_started_at_once(postgres, tmp_path):
    """Ten on an empty database: one makes the tables, and no other is in its way."""
    url = postgres.database()
    command = [MINTD, "init", *flags_of({"registry": url, "data_dir": tmp_path})]
    environment = clean_environment(MINTD_MASTER_KEY=MASTER_KEY)
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True) for _ in range(10)]
    ended = [(process.communicate(timeout=PATIENCE_S)[1], process.returncode)
             for process in started]
    assert sorted(status for _, status in ended) == [0] + [1] * 9, ended
    assert all("initialised before" in message for message, status in ended if status), ended
    name = url.rsplit("/", 1)[1]
    assert postgres.sql("SELECT count(*) FROM rev_counter", name) == "1"
    assert postgres.sql("SELECT count(*) FROM tokens", name) == "1"


def test_password_is_not_shown():
    url = "postgresql://mint:geheim@localhost:1/mint?sslpassword=geheim"
    shown = run_mintd("config", "--registry", url)
    assert "postgresql://mint:********@localhost:1/mint?sslpassword=********" in shown.stdout
    for command in ("config", "serve", "init"):
        ran = run_mintd(command, "--registry", url, "--master-key", MASTER_KEY)
        assert "geheim" not in ran.stdout + ran.stderr


@pytest.fixture
def servers():
    """servers(max_connections=20): a server that may be harmed; removed after the test."""
    made = []

    def make(**settings):
        made.append(Postgres(**settings))
        return made[-1].create()
    yield make
    for server in made:
        server.remove()


def test_killed_and_restarted(servers, replicas):
    server = servers(fsync="on")
    story = Story(replicas(server.database(), lease="20s"))
    for _ in range(2):
        assert story.is_good()
        story.fresh = story.org.service("issuer")
        server.stop(signal.SIGQUIT)
        assert story.is_bad()
        server.start()
        wait_until(story.is_good, "the registry to be well again", 10)


def test_paused(servers, replicas):
    server = servers()
    daemon = replicas(server.database(), lease="30s")
    story = Story(daemon)
    server.signal_all(signal.SIGSTOP)
    try:
        until = time.monotonic() + 6
        while time.monotonic() < until:
            assert story.is_bad()
    finally:
        server.signal_all(signal.SIGCONT)
    wait_until(story.is_good, "the registry to be well again", 10)


def test_somebody_hangs_with_the_lock(postgres, replicas):
    """Who lives says so all the same: it is listed, so it may mint."""
    url = postgres.database()
    stories = [Story(replicas(url, lease="1s", lease_margin="300ms")) for _ in range(2)]
    wait_until(lambda: metric(stories[0].daemon, "mintd_replicas") == 2, "both to be listed")
    command = [program("psql"), "-X", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as holder:
        holder.stdin.write("BEGIN; SELECT 'has it' FROM pg_advisory_xact_lock(1835626100);\n")
        holder.stdin.flush()
        while "has it" not in holder.stdout.readline():
            pass
        until = time.monotonic() + 2
        while time.monotonic() < until:
            for story in stories:
                story.cached.client.ok("POST", story.path)
        holder.stdin.close()
    assert all(story.manage() == 200 for story in stories)


def test_a_replica_that_hangs_in_a_change(postgres, replicas):
    """PostgreSQL ends its transaction, and all others wait no longer."""
    url = postgres.database()
    name = url.rsplit("/", 1)[1]
    hanging, story = (Story(replicas(url)) for _ in range(2))
    in_lock = ("SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
               f" WHERE d.datname = '{name}' AND locktype = 'advisory' AND granted")
    stop = threading.Event()

    def change():
        while not stop.is_set():
            hanging.manage()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        changes = threads.submit(change)
        try:
            for _ in range(50):
                hanging.daemon.signal(signal.SIGSTOP)
                if postgres.sql(in_lock) == "1":
                    break
                hanging.daemon.signal(signal.SIGCONT)
            else:
                pytest.skip("it was never caught in a change")
            wait_until(lambda: postgres.sql(in_lock) == "0", "the lock to be free", 5)
            assert story.operator.post("/v1/orgs?wait=0", {"name": unique("org")}).status == 202
        finally:
            stop.set()
            hanging.daemon.signal(signal.SIGCONT)
        changes.result()
    wait_until(hanging.is_good, "it to be well again")


def test_too_many_connections(servers, replicas):
    server = servers()
    server.sql("CREATE ROLE app LOGIN")
    server.sql("CREATE DATABASE app OWNER app")
    daemon = replicas(server.url("app").replace("mint@", "app@"))
    story = Story(daemon)
    server.sql("ALTER ROLE app CONNECTION LIMIT 0")
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
    assert story.is_bad()
    assert "too many connections for role" in daemon.log_lines("REGISTRY_AWAY")[0]
    server.sql("ALTER ROLE app CONNECTION LIMIT 100")
    wait_until(story.is_good, "the registry to be well again", 10)


def test_read_only_for_a_while(servers, replicas):
    """An administrator makes it so; a connection that was open before notices as well."""
    server = servers()
    story = Story(replicas(server.database()))
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    server.sql("SELECT pg_reload_conf()")
    wait_until(lambda: story.manage() == 503, "changes to be refused", 10)
    story.cached.client.ok("POST", story.path)
    server.sql("ALTER SYSTEM RESET default_transaction_read_only")
    server.sql("SELECT pg_reload_conf()")
    wait_until(story.is_good, "the registry to be well again", 10)


def test_failover(servers, replicas):
    """Two hosts in the URL; the second takes over what the first had acknowledged."""
    first = servers()
    url = first.database()
    second = first.standby()
    try:
        both = url.replace(f":{first.port}/", f":{first.port},127.0.0.1:{second.port}/")
        first.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        first.sql("SELECT pg_reload_conf()")
        # Behind a take-over a change waits for a lease: a replica may be in no list.
        story = Story(replicas(both, lease="8s"))
        orgs = story.operator.ok("GET", "/v1/orgs")
        epoch = "SELECT log_epoch FROM rev_counter", url.rsplit("/", 1)[1]
        before = first.sql(*epoch)
        first.stop(signal.SIGQUIT)
        assert story.is_bad()
        second.sql("SELECT pg_promote()")
        second.sql("ALTER SYSTEM RESET synchronous_standby_names")
        second.sql("SELECT pg_reload_conf()")
        wait_until(lambda: story.operator.get("/v1/orgs").status == 200, "the other server", 10)
        assert story.operator.ok("GET", "/v1/orgs") == orgs
        wait_until(story.is_good, "changes to be taken", 10)
        assert second.sql(*epoch) != before, "who remembers more than it knows would not notice"
    finally:
        second.remove()


def content(run, url):
    """What `mintd registry check` says of it; it must be well."""
    ran = run("registry", "check", "--registry", url)
    assert ran.returncode == 0 and "the registry is well" in ran.stdout, ran
    return ran.stdout


def rows_of(file):
    """How many rows each table has, but for what no copy takes along."""
    with closing(sqlite3.connect(file)) as registry:
        names = {row[0] for row in registry.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'replicas'")}
        return {name: registry.execute(
            f"SELECT count(*) FROM {name}" + " WHERE name <> 'probe'" * (name == "meta")
        ).fetchone()[0] for name in names}


def test_copied_there_and_back(servers, replicas, tmp_path):
    """Tokens, keys and the audit record go along; not the epoch, so that caches are emptied."""
    server = servers(fsync="on")
    file, there = f"sqlite:{tmp_path}/registry.db", server.database()
    back = f"sqlite:{tmp_path}/back.db"
    daemon = replicas(file)
    story = Story(daemon)
    minted = story.cached.credential(story.path.split("/")[5])
    before = [story.operator.ok("GET", path) for path in (story.org.path, "/v1/audit")]
    daemon.stop()
    assert "no more" in run_mintd("registry", "copy", file, there).stdout
    assert run_mintd("registry", "copy", there, back).returncode == 0
    assert content(run_mintd, file) == content(run_mintd, there) == content(run_mintd, back)
    refused = run_mintd("registry", "copy", file, there)
    assert refused.returncode == 1 and "not empty" in refused.stderr
    assert rows_of(tmp_path / "registry.db") == rows_of(tmp_path / "back.db")
    epochs = {server.sql("SELECT log_epoch FROM rev_counter", there.rsplit("/", 1)[1])}
    for name in ("registry.db", "back.db"):
        with closing(sqlite3.connect(tmp_path / name)) as registry:
            [row] = registry.execute("SELECT log_epoch FROM rev_counter")
            epochs.add(str(row[0]))
    assert len(epochs) == 3
    for url in (there, back):
        copy = replicas(url)
        operator = Client(copy.address, daemon.operator_token)
        assert [operator.ok("GET", path) for path in (story.org.path, "/v1/audit")] == before
        again = Client(copy.address, story.cached.token).ok("POST", story.path)["accessToken"]
        assert Credential(again).header["kid"] == minted.header["kid"]


def test_migrate(postgres, tmp_path):
    url = postgres.database()
    none = run_mintd("registry", "check", "--registry", url)
    assert none.returncode == 1 and "there is no registry yet" in none.stderr
    assert "from version 0 to" in run_mintd("registry", "migrate", "--registry", url).stdout
    assert "as it should" in run_mintd("registry", "migrate", "--registry", url).stdout
    assert run_mintd("init", "--registry", url, "--data-dir", tmp_path).returncode == 0


DAMAGES = {
    "projects whose org": "ALTER TABLE projects DROP CONSTRAINT projects_org_id_fkey;"
                          "UPDATE projects SET org_id = '\\x00'",
    "tokens whose service": "ALTER TABLE tokens DROP CONSTRAINT tokens_service_id_fkey;"
                            "UPDATE tokens SET service_id = '\\x00' WHERE service_id IS NOT NULL",
    "changes that": "UPDATE rev_counter SET seq = 1",
    "active signing keys": "UPDATE keys SET state = 'retired'",
    "an index that is not valid": "UPDATE pg_index SET indisvalid = false"
                                  " WHERE indexrelid = 'orgs_name'::regclass",
    "audit record is not whole": "UPDATE audit SET actor_name = 'x' WHERE id = 2",
}


def test_check_finds_what_is_wrong(servers, replicas):
    server = servers(fsync="on")
    daemon = replicas(server.database())
    Story(daemon)
    name = daemon.settings["registry"].rsplit("/", 1)[1]
    daemon.stop()
    for number, (what, damage) in enumerate(DAMAGES.items()):
        server.sql(f"CREATE DATABASE damaged{number} TEMPLATE {name}")
        server.sql(damage, f"damaged{number}")
        ran = run_mintd("registry", "check", "--registry", server.url(f"damaged{number}"))
        assert ran.returncode == 1 and what in ran.stderr, (what, ran)
    content(run_mintd, server.url(name))


def test_check_tells_of_a_server_that_loses_commits(postgres, tmp_path):
    url = postgres.database()
    assert run_mintd("init", "--registry", url, "--data-dir", tmp_path).returncode == 0
    ran = run_mintd("registry", "check", "--registry", url)
    assert ran.returncode == 1 and "fsync = off" in ran.stderr
