"""What was acknowledged outlives kill -9 at any moment, and nothing is ever there by half."""

import http.client
import shutil
import sqlite3
import threading
from contextlib import closing

import pytest

from api import Client, Org, credentials_path
from daemon import Daemon, run_mintd, wait_until

WRITES = 200  # at least
KILLS = 10
WRITERS = 3
PRESENT, ABSENT = "present", "absent"


class Writer:
    """Makes, changes and deletes things of its own, one write at a time, and notes what must be.

    `known` maps a path to what its last acknowledged write made of it, `doubtful` to what it was
    before and what a write without an answer may have made of it."""

    def __init__(self, name, org, dice):
        self.name, self.org, self.dice = name, org, dice
        self.made = 0
        self.acknowledged = 0
        self.settled = 0
        self.known = {}
        self.doubtful = None
        self.failure = None
        self.tokens = {}

    def next_write(self):
        """→ method, path, body and (path, what it is then)."""
        live = [path for path, (state, _) in self.known.items() if state == PRESENT]
        kind = self.dice.choice(["projects", "services", "edit", "token", "delete"])
        if kind in ("projects", "services") or not live:
            kind = kind if kind in ("projects", "services") else "projects"
            self.made += 1
            name = f"{self.name}-{self.made}"
            body = {"name": name, "org_role_name": "issuer"} if kind == "services" else {
                "name": name, "description": ""}
            path = f"{self.org}/{kind}/{name}"
            return "POST", f"{self.org}/{kind}", body, (path, (PRESENT, ""))
        path = self.dice.choice(live)
        if kind == "delete":
            return "DELETE", path, None, (path, (ABSENT, ""))
        if kind == "token" and "/services/" in path:
            return "POST", f"{path}/tokens", {}, (path, self.known[path])
        self.made += 1
        value = f"edit-{self.made}"
        body = {"description": value} if "/projects/" in path else {"attributes": {"e": value}}
        return "PATCH", path, body, (path, (PRESENT, value))

    def write(self, client):
        method, path, body, (target, state) = self.next_write()
        before = self.known.get(target, (ABSENT, ""))
        self.doubtful = (target, before, state, method, path)
        reply = client.call(method, path, body)
        assert reply.status == 200, reply
        self.acknowledged += 1
        self.doubtful = None
        self.known[target] = state
        if path.endswith("/tokens"):
            self.tokens.setdefault(target, []).append(reply.json)

    def run(self, daemon):
        """Writes until the daemon is gone."""
        client = Client(daemon.address, daemon.operator_token)
        try:
            while True:
                self.write(client)
        except (ConnectionError, http.client.HTTPException):
            pass
        except AssertionError as failure:
            self.failure = failure
        finally:
            client.close()

    def check(self, client, project):
        """Every acknowledged write is there; the one in doubt is there wholly or not at all."""
        assert self.failure is None, self.failure
        if self.doubtful:
            target, before, after, method, path = self.doubtful
            found = self.look(client, target)
            assert found in (before, after), (self.doubtful, found)
            self.known[target] = found
            if path.endswith("/tokens"):
                rows = client.ok("GET", path)["tokens"]
                assert len(rows) - len(self.tokens.get(target, [])) in (0, 1)
                self.settled += len(rows) - len(self.tokens.get(target, []))
                self.tokens[target] = rows
            else:
                self.settled += found == after and found != before
            self.doubtful = None
        for path, state in self.known.items():
            assert self.look(client, path) == state, path
            issued = self.tokens.get(path, []) if state[0] == PRESENT else []
            if issued:
                rows = client.ok("GET", f"{path}/tokens")["tokens"]
                assert {row["id"] for row in rows} == {row["id"] for row in issued}
            for token in (row["token"] for row in issued if "token" in row):
                minting = Client(client.address, token)
                assert minting.post(project).status == 200
                minting.close()

    @staticmethod
    def look(client, path):
        reply = client.get(path)
        if reply.status == 404:
            return (ABSENT, "")
        assert reply.status == 200, reply
        if "/projects/" in path:
            return (PRESENT, reply.json["project"]["description"])
        return (PRESENT, reply.json["service"]["attributes"].get("e", ""))


def audit_rows(daemon, copy):
    """Checks a copy of the registry as the crash left it; → how many mutations it tells of."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in daemon.data.glob("registry.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, copy)
    with closing(sqlite3.connect(copy / "registry.db")) as registry:
        assert registry.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert registry.execute("PRAGMA foreign_key_check").fetchall() == []
        [(rows,)] = registry.execute("SELECT count(*) FROM audit").fetchall()
    return rows


def audit_rows_of(postgres, url, daemon):
    """The same where the registry is a server's, once that has noticed the daemon's death."""
    name = url.rsplit("/", 1)[1]
    left = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
    wait_until(lambda: postgres.sql(left) == "0", "the daemon's connections to end")
    ran = run_mintd("audit", "verify", *daemon.store_flags)
    assert ran.returncode == 0, ran
    return int(postgres.sql("SELECT count(*) FROM audit", name))


@pytest.mark.embedded
def test_kill_during_writes(tmp_path, dice, rounds):
    daemon = Daemon(tmp_path / "daemon")
    kill_during_writes(daemon, dice, rounds, lambda: audit_rows(daemon, tmp_path / "copy"))


def test_kill_during_writes_to_postgres(tmp_path, dice, rounds, postgres):
    url = postgres.database()
    # The first change after a kill waits until the one that was killed cannot mint any more.
    daemon = Daemon(tmp_path / "daemon", registry=url, lease="1s", lease_margin="100ms")
    kill_during_writes(daemon, dice, rounds, lambda: audit_rows_of(postgres, url, daemon))


def kill_during_writes(daemon, dice, rounds, count):
    """`count()`: how many mutations the registry tells of, which must be whole."""
    daemon.start()
    try:
        org = Org(Client(daemon.address, daemon.operator_token), "durable")
        project = credentials_path(org.name, org.project("kept")["name"])
        writers = [Writer(f"writer{number}", org.path, dice) for number in range(WRITERS)]
        base, kills = 3, 0  # the first key, the org, its project

        def done():
            return sum(writer.acknowledged for writer in writers)
        while done() < rounds(WRITES) or kills < rounds(KILLS):
            goal = done() + dice.randint(1, 30)
            threads = [threading.Thread(target=writer.run, args=(daemon,), daemon=True)
                       for writer in writers]
            for thread in threads:
                thread.start()
            wait_until(lambda goal=goal: done() >= goal, "the writes")
            threading.Event().wait(dice.random() * 0.01)  # the random moment
            daemon.kill()
            kills += 1
            for thread in threads:
                thread.join(30)
                assert not thread.is_alive()
            at_crash = count()
            daemon.start()
            client = Client(daemon.address, daemon.operator_token)
            for writer in writers:
                writer.check(client, project)
            client.close()
            mutations = done() + sum(writer.settled for writer in writers)
            assert at_crash - base == mutations
    finally:
        daemon.end()


def test_restart_keeps_everything(make_daemon):
    daemon = make_daemon()
    operator = Client(daemon.address, daemon.operator_token)
    org = Org(operator)
    name = org.project()["name"]
    service = org.service("issuer", attributes={"a": 1.50})
    before = [operator.ok("GET", path) for path in (org.path, service.path, "/v1/orgs")]
    keys = operator.ok("GET", "/.well-known/jwks.json")
    daemon.restart()
    operator = Client(daemon.address, daemon.operator_token)
    assert [operator.ok("GET", path) for path in (org.path, service.path, "/v1/orgs")] == before
    assert operator.ok("GET", "/.well-known/jwks.json") == keys
    assert Client(daemon.address, service.token).post(
        credentials_path(org.name, name)).status == 200


def test_last_use_outlives_a_stop(make_daemon):
    """Recorded late, but not lost when the daemon ends in order."""
    daemon = make_daemon()
    operator = Client(daemon.address, daemon.operator_token)
    org = Org(operator)
    name = org.project()["name"]
    service = org.service("issuer")
    assert service.mint(name).status == 200
    daemon.restart()
    operator = Client(daemon.address, daemon.operator_token)
    [row] = operator.ok("GET", f"{service.path}/tokens")["tokens"]
    assert row["lastUsedOn"] is not None
