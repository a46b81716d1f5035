"""Several replicas on one registry: what one acknowledges as cut, no other mints for."""

import datetime
import json
import signal
import socket
import sqlite3
import struct
import time

import pytest

from api import Client, Org, credentials_path, metric
from daemon import wait_until
from fleet import Fleet, hang

MARGIN_S = 0.3


class Site:
    """A fleet with an org, a project, and a service whose tokens mint on every replica."""

    def __init__(self, folder, count, lease_s, **settings):
        self.lease_s = lease_s
        self.fleet = Fleet(folder, count, lease=f"{lease_s}s", lease_margin="300ms",
                           poll="50ms", **settings).start()
        self.replicas = self.fleet.replicas
        self.operators = [Client(replica.address, self.replicas[0].operator_token)
                          for replica in self.replicas]
        self.org = Org(self.operators[0])
        self.project = self.org.project()["name"]
        self.service = self.org.service("issuer")
        self.path = credentials_path(self.org.name, self.project)

    def status(self, number, token):
        client = Client(self.replicas[number].address, token)
        try:
            return client.post(self.path).status
        finally:
            client.close()

    def warm_token(self):
        issued = self.service.issue_token()
        for number in range(len(self.replicas)):
            assert self.status(number, issued["token"]) == 200
        return issued

    def revoke(self, issued, by=0, query=""):
        return self.operators[by].call("DELETE", f"/v1/services/tokens/{issued['id']}{query}")

    def lease_left_s(self, number):
        """Of a replica that hangs, by what the first one knows: until it is struck off."""
        name = self.replicas[number].address
        rows = self.operators[0].ok("GET", "/v1/replicas")["replicas"]
        silent_ms = next(row["reportAgeMilliseconds"] for row in rows if row["name"].endswith(name))
        return self.lease_s + MARGIN_S - (silent_ms + 1) / 1000


@pytest.fixture
def make_site(tmp_path):
    sites = []

    def make(count, lease_s=1, **settings):
        sites.append(Site(tmp_path, count, lease_s, **settings))
        return sites[-1]
    yield make
    for site in sites:
        for replica in site.replicas:
            if replica.process:
                replica.signal(signal.SIGCONT)
        site.fleet.end()


def test_revoked_here_is_revoked_there(make_site, rounds):
    site = make_site(3)
    for number in range(rounds(10)):
        issued = site.warm_token()
        reply = site.revoke(issued, by=number % 3)
        assert [site.status(i, issued["token"]) for i in range(3)] == [401, 401, 401]
        applied = reply.json["applied"]
        assert reply.status == 200 and applied["everywhere"], reply
        assert len({row["id"] for row in applied["replicas"]}) == 3
        assert {row["name"].split(" ")[-1] for row in applied["replicas"]} == \
            {replica.address for replica in site.replicas}
        assert all(row["milliseconds"] <= applied["milliseconds"] + 1
                   for row in applied["replicas"])
    assert [metric(replica, "mintd_replicas") for replica in site.replicas] == [3, 3, 3]


def test_a_replica_that_stops_is_not_waited_for(make_site):
    site = make_site(2)
    site.replicas[1].stop()
    issued = site.service.issue_token()
    assert len(site.revoke(issued).json["applied"]["replicas"]) == 1


def test_a_replica_that_hangs(make_site):
    """It is waited for until its lease is over; when it wakes up it mints nothing by what it
    remembers; and it comes back by itself."""
    site = make_site(2, lease_s=3)
    issued = site.warm_token()
    hang(site.replicas[1])
    begun = time.monotonic()
    left_s = site.lease_left_s(1)
    applied = site.revoke(issued).json["applied"]
    took_s = time.monotonic() - begun
    assert left_s < took_s < left_s + 5, applied
    assert not applied["everywhere"]
    assert [row["milliseconds"] is None for row in applied["replicas"]] == [False, True]
    site.replicas[0].log_lines("nobody waits for it any more")
    site.replicas[1].signal(signal.SIGCONT)
    assert site.status(1, issued["token"]) in (401, 503)
    other = site.service.issue_token()
    wait_until(lambda: site.status(1, other["token"]) == 200, "the replica to come back")
    assert site.status(1, issued["token"]) == 401
    assert site.revoke(other).json["applied"]["everywhere"]
    assert site.status(1, other["token"]) == 401


def test_killed_replica_delays_one_lease_at_most(make_site):
    site = make_site(2)
    site.replicas[1].kill()
    begun = time.monotonic()
    for _ in range(3):
        site.revoke(site.service.issue_token())
    assert time.monotonic() - begun < 3 * (site.lease_s + MARGIN_S) + 10
    wait_until(lambda: metric(site.replicas[0], "mintd_replicas") == 1, "it to be struck off")
    assert len(site.revoke(site.service.issue_token()).json["applied"]["replicas"]) == 1


def test_without_waiting(make_site):
    site = make_site(2, lease_s=3)
    issued = site.warm_token()
    hang(site.replicas[1])
    begun = time.monotonic()
    reply = site.revoke(issued, query="?wait=0")
    assert time.monotonic() - begun < site.lease_s
    assert reply.status == 202 and "applied" not in reply.json
    by = datetime.datetime.fromisoformat(reply.json["effectiveBy"].replace("Z", "+00:00"))
    left = by.timestamp() - time.time()
    assert 0 < left < site.lease_s + MARGIN_S + 3
    time.sleep(max(0, site.lease_s + MARGIN_S - (time.monotonic() - begun)))
    site.replicas[1].signal(signal.SIGCONT)
    assert site.status(1, issued["token"]) != 200
    site.operators[0].refused(400, "DELETE", "/v1/services/tokens/x?wait=2", about="wait")


def revoke_waits(site):
    """A revoke that waits for a replica that hangs: the connection that it was asked for on."""
    issued = site.warm_token()
    hang(site.replicas[1])
    client = site.operators[0]
    client.connection.request("DELETE", f"/v1/services/tokens/{issued['id']}",
                              headers={"Authorization": f"Bearer {client.token}"})
    time.sleep(0.3)
    return client.connection


def drained(site):
    """The answer to such a revoke while its own replica is told to end."""
    connection = revoke_waits(site)
    site.replicas[0].signal(signal.SIGTERM)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_drain_waits_with_who_waits(make_site):
    """Also with workers that have nothing left to do: without them no change is applied."""
    status, answer = drained(make_site(2, workers=4))
    assert status == 200 and not answer["applied"]["everywhere"]
    assert [row["milliseconds"] is None for row in answer["applied"]["replicas"]] == [False, True]


def test_drain_ends_before_the_lease(make_site):
    """Nobody's answer is lost: it says by when the change is in force."""
    status, answer = drained(make_site(2, lease_s=10, drain_timeout="1s"))
    assert status == 202 and "effectiveBy" in answer and "applied" not in answer


def test_drain_does_not_wait_for_who_left(make_site):
    site = make_site(2, lease_s=60, drain_timeout="60s")
    connection = revoke_waits(site)
    # Cut off: the end of its stream alone says only that it asks no more.
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    begun = time.monotonic()
    site.replicas[0].stop()
    assert time.monotonic() - begun < 20


def test_drain_is_acknowledged(make_site):
    """Changes under way while it ends are applied everywhere as ever."""
    site = make_site(3, workers=4)
    client = site.operators[0]
    locked = sqlite3.connect(site.replicas[0].data / "registry.db", isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    client.connection.request("POST", f"{site.service.path}/tokens", b"{}",
                              headers={"Authorization": f"Bearer {client.token}"})
    time.sleep(0.2)
    site.replicas[0].signal(signal.SIGTERM)
    time.sleep(0.3)
    locked.execute("ROLLBACK")
    locked.close()
    answer = client.connection.getresponse()
    assert answer.status == 200, answer.read()
    assert len(json.loads(answer.read())["applied"]["replicas"]) == 3
    site.replicas[0].wait()


def test_killed_and_started_again(make_site):
    """A replica's next life is another one: nothing of the first is acknowledged for it."""
    site = make_site(2)
    issued = site.warm_token()
    site.replicas[1].kill()
    site.replicas[1].start()
    site.revoke(issued)
    assert [site.status(i, issued["token"]) for i in range(2)] == [401, 401]
