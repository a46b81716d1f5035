"""The registry in PostgreSQL: replicas that share it, and a server that has bad days."""

import subprocess

import pytest

from api import Client, Org, credentials_path
from daemon import MINTD, PATIENCE_S, Daemon, clean_environment, flags_of, run_mintd

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


def test_two_replicas(postgres, replicas):
    """What one acknowledges the other knows, by being told and not by its poll."""
    url = postgres.database()
    one, two = replicas(url, poll="5s"), replicas(url, poll="5s")
    operator = Client(one.address, one.operator_token)
    org = Org(operator)
    path = credentials_path(org.name, org.project()["name"])
    service = org.service("issuer")
    assert Client(two.address, service.token).post(path).status == 200
    assert Client(two.address, one.operator_token).get(org.path).status == 200


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
