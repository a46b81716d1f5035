"""Tokens rotated by overlap, their last uses, and the warning before one expires."""

import calendar
import json
import subprocess
import time

import pytest

from api import Client, Org, credentials_path, metric
from daemon import MINT, clean_environment, wait_until


@pytest.fixture
def own(operator):
    return Org(operator)


@pytest.fixture
def service(own):
    return own.service("issuer")


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def tokens(operator, service):
    return {row["id"]: row for row in operator.ok("GET", f"{service.path}/tokens")["tokens"]}


def works(service, token, project):
    client = Client(service.client.address, token)
    status = client.post(credentials_path(service.org.name, project), {}).status
    assert status in (200, 401)
    return status == 200


@pytest.mark.parametrize("name", ["rotate_overlap_seconds", "rotateOverlapSeconds"])
def test_old_and_new_work_side_by_side(operator, own, service, name):
    project, bystander = own.project()["name"], own.service("issuer")
    second = service.issue_token(ttl_seconds=60)
    new = service.issue_token(**{name: 3600})
    assert all(works(service, token, project)
               for token in (service.token, second["token"], new["token"]))
    rows = tokens(operator, service)
    assert rows[new["id"]]["expiresOn"] is None
    left = seconds(rows[service.token_id]["expiresOn"]) - time.time()
    assert 3500 < left <= 3600
    assert rows[second["id"]]["expiresOn"] == second["expiresOn"]
    assert tokens(operator, bystander)[bystander.token_id]["expiresOn"] is None


def test_the_old_one_ends_with_the_overlap(own, service):
    project = own.project()["name"]
    assert works(service, service.token, project)
    new = service.issue_token(rotate_overlap_seconds=1, ttl_seconds=3600)
    assert works(service, new["token"], project)
    wait_until(lambda: not works(service, service.token, project), "the old token's end")
    assert works(service, new["token"], project)


def test_no_overlap(own, service):
    """When the answer is there, the old one is out everywhere."""
    project = own.project()["name"]
    for _ in range(20):
        assert works(service, service.token, project)
        new = service.issue_token(rotate_overlap_seconds=0)
        assert not works(service, service.token, project)
        service.token = new["token"]


@pytest.mark.parametrize("value", [-1, "x", 1.5, 4294967296, {}])
def test_an_overlap_that_is_none(operator, service, value):
    operator.refused(400, "POST", f"{service.path}/tokens", {"rotate_overlap_seconds": value},
                     "rotate_overlap_seconds")
    assert len(tokens(operator, service)) == 1


def test_one_record_tells_of_it(operator, own, service):
    new = service.issue_token(rotate_overlap_seconds=3600)
    [record, before] = operator.ok("GET", f"/v1/audit?org={own.name}&page_size=2")["auditRecords"]
    assert (record["action"], record["target"]) == ("tokens.issue",
                                                    f"token of service {service.name}")
    assert record["after"]["id"] == new["id"] and record["after"]["othersExpire"] > time.time()
    assert before["after"]["id"] == service.token_id


def test_mint_rotates(operator, own, service):
    def run(*arguments):
        env = {**clean_environment(), "MINT_URL": f"http://{operator.address}",
               "MINT_TOKEN": operator.token, "MINT_ORG": own.name}
        env.pop("HOME", None)
        return subprocess.run([MINT, "service", "token", *arguments], env=env, check=True,
                              capture_output=True, text=True, timeout=60).stdout
    said = run("rotate", service.name, "--overlap", "72h", "--description", "blue")
    assert said.startswith(f'Issued a token for service "{service.name}" in org "{own.name}"; its '
                           "other tokens expire in 72h at the latest.\nAccess token: mint_svc_")
    rows = tokens(operator, service)
    assert sorted(row["description"] for row in rows.values()) == ["", "blue"]
    assert 71 * 3600 < seconds(rows[service.token_id]["expiresOn"]) - time.time() <= 72 * 3600
    new = json.loads(run("rotate", service.name, "--overlap", "0s", "--format", "json"))
    assert works(service, new["token"], own.project()["name"])
    assert len(run("list", service.name).splitlines()) == 4


def test_last_use(make_daemon):
    """Which of two tokens is out of use, and where the other one is used."""
    daemon = make_daemon(trusted_proxies="127.0.0.1/32")
    operator = Client(daemon.address, daemon.operator_token)
    org = Org(operator)
    service = org.service("issuer")
    new = service.issue_token(rotate_overlap_seconds=3600)
    Client(daemon.address, new["token"]).ok("GET", "/v1/roles",
                                            headers={"X-Forwarded-For": "198.51.100.7"})
    daemon.restart()
    rows = tokens(Client(daemon.address, daemon.operator_token), service)
    assert rows[service.token_id]["lastUsedOn"] is None
    assert rows[service.token_id]["lastUsedAddress"] == ""
    assert abs(seconds(rows[new["id"]]["lastUsedOn"]) - time.time()) < 30
    assert rows[new["id"]]["lastUsedAddress"] == "198.51.100.7"


def test_a_warning_before_it_expires(make_daemon):
    daemon = make_daemon()
    operator = Client(daemon.address, daemon.operator_token)
    org = Org(operator)
    service, other = org.service("issuer"), org.service("issuer")
    week = 7 * 86400
    late = service.issue_token(ttl_seconds=week - 60)
    service.issue_token(ttl_seconds=week + 3600)
    soon = service.issue_token(ttl_seconds=3600)
    revoked = other.issue_token(ttl_seconds=3600)
    operator.ok("DELETE", f"/v1/services/tokens/{revoked['id']}")
    service.client.ok("GET", "/v1/roles")
    Client(daemon.address, soon["token"]).ok("GET", "/v1/roles")
    assert metric(daemon, "mintd_tokens_expiring") == 0  # as of the start
    assert "token_expires" not in daemon.log
    daemon.restart()
    lines = [json.loads(line) for line in daemon.log_lines("token_expires", 2)]
    assert [line["token"] for line in lines] == [soon["id"], late["id"]]
    assert {(line["level"], line["org"], line["service"]) for line in lines} == {
        ("warning", org.name, service.name)}
    assert lines[0]["expires"] == soon["expiresOn"]
    assert "last_used" in lines[0] and "last_used" not in lines[1]
    assert metric(daemon, "mintd_tokens_expiring") == 2
