"""What mint tells of the replicas: how a change spread, and how each of them is."""

import json
import re
import signal
import subprocess

import pytest

from api import Client, Org, metric
from daemon import MINT, clean_environment, wait_until
from fleet import Fleet, hang

RECEIPT = re.compile(r"In force everywhere after \d+ ms: (.*)\.\n")
REPLICA = re.compile(r"\S+ (127\.0\.0\.1:\d+) \((\d+ ms|out of reach, and its lease has run out)\)")
BY = re.compile(r"In force everywhere by \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ \(in \d+s\)\.\n")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), 2, lease="2s", lease_margin="300ms",
                  poll="50ms")
    try:
        replicas = fleet.start().replicas
        wait_until(lambda: metric(replicas[0], "mintd_replicas") == 2, "both to be listed")
        yield replicas
    finally:
        for replica in fleet.replicas:
            if replica.process:
                replica.signal(signal.SIGCONT)
        fleet.end()


@pytest.fixture(scope="module")
def org(pair):
    return Org(Client(pair[0].address, pair[0].operator_token))


@pytest.fixture(scope="module")
def mint(pair, org, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")

    def run(*arguments):
        environment = clean_environment(MINT_URL=f"http://{pair[0].address}", HOME=str(home),
                                        MINT_TOKEN=pair[0].operator_token, MINT_ORG=org.name)
        ran = subprocess.run([MINT, *arguments], env=environment, stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran
        return ran
    return run


def commands(token_id):
    """One of each that changes something."""
    return (("org", "create", "receipts"), ("org", "edit", "receipts", "--display-name", "R"),
            ("org", "delete", "receipts"),
            ("project", "create", "board"), ("project", "edit", "board", "--description", "B"),
            ("service", "create", "gateway", "--org-role", "viewer"),
            ("service", "edit", "gateway", "--attributes", '{"a":1}'),
            ("service", "set-role", "gateway", "--project", "board", "--project-role", "issuer"),
            ("service", "set-role", "gateway", "--project", "board", "--remove"),
            ("service", "token", "issue", "gateway"),
            ("service", "token", "rotate", "gateway", "--overlap", "1h"),
            ("service", "token", "revoke", token_id),
            ("service", "delete", "gateway"), ("project", "delete", "board"))


def test_every_change_tells_how_it_spread(pair, org, mint):
    for command in commands(org.service("viewer").token_id):
        told = RECEIPT.fullmatch(mint(*command).stderr)
        assert told, command
        replicas = [REPLICA.fullmatch(one).group(1) for one in told.group(1).split(", ")]
        assert sorted(replicas) == sorted(replica.address for replica in pair), command


def test_no_wait(org, mint):
    for command in commands(org.service("viewer").token_id):
        assert BY.fullmatch(mint(*command, "--no-wait").stderr), command


def test_programs_get_the_whole_answer(org, mint):
    ran = mint("service", "token", "revoke", org.service("viewer").token_id, "--format", "json")
    assert json.loads(ran.stdout)["applied"]["everywhere"] and ran.stderr == ""
    ran = mint("project", "create", "whole", "--format", "json")
    assert {"id", "name", "applied"} < set(json.loads(ran.stdout)) and ran.stderr == ""
    ran = mint("project", "edit", "whole", "--no-wait", "--format", "json")
    assert {"name", "effectiveBy"} < set(json.loads(ran.stdout)) and ran.stderr == ""
    ran = mint("project", "delete", "whole", "--format", "csv")
    assert ran.stdout.startswith("applied\n") and ran.stderr == ""
    assert mint("project", "create", "whole", "--quiet").stderr == ""


def test_reading_tells_nothing(mint):
    assert mint("service", "list").stderr == ""


def listed(mint):
    """By address; how each is."""
    rows = json.loads(mint("replica", "list", "--format", "json").stdout)
    return {row["name"].split(" ")[-1]: row for row in rows}


def test_list_of_replicas(pair, org, mint):
    seq = org.operator.ok("PATCH", org.path, {"display_name": "L"})["applied"]["seq"]
    rows = listed(mint)
    assert list(rows) == [replica.address for replica in pair]  # who answers comes first
    assert [row["answersThis"] for row in rows.values()] == [True, False]
    for row in rows.values():
        assert int(row["appliedSeq"]) >= int(seq) and row["lease"] == "held", row
        assert row["reportAgeMilliseconds"] + row["leaseLeftMilliseconds"] in (1999, 2000), row
    lines = mint("replica", "list").stdout.splitlines()
    assert lines[0].split("  ")[0] == "NAME" and len(lines) == 3
    assert mint("replica", "list", "--format", "csv").stdout.startswith("id,name,answersThis,")
    assert org.operator.ok("GET", "/v1/replicas")["seq"] == seq
    service = org.service("admin")
    service.client.refused(403, "GET", "/v1/replicas")


def test_list_of_a_replica_that_hangs(pair, mint):
    address = pair[1].address
    hang(pair[1])
    try:
        hung = wait_until(lambda: [row for row in listed(mint).values()
                                   if row["name"].endswith(address) and row["lease"] != "held"],
                          "its lease to be over")
        assert hung[0]["leaseLeftMilliseconds"] == 0
        wait_until(lambda: listed(mint).get(address, {}).get("lease") in ("struck off", None),
                   "it to be struck off")
    finally:
        pair[1].signal(signal.SIGCONT)
    wait_until(lambda: listed(mint).get(address, {}).get("lease") == "held", "it to come back")


def test_a_replica_out_of_reach(pair, org, mint):
    service = org.service("viewer")
    hang(pair[1])
    try:
        told = RECEIPT.fullmatch(mint("service", "delete", service.name).stderr).group(1)
    finally:
        pair[1].signal(signal.SIGCONT)
    assert f"{pair[1].address} (out of reach, and its lease has run out)" in told
