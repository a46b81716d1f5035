"""Fixtures: one daemon for all that need no settings of their own, and a factory for the others.

MINTD_TEST_REGISTRY=postgres runs the tests with their registries in PostgreSQL, but for those that
look into the file of an embedded one (marked `embedded`)."""

import os
import random

import pytest

from api import Client, Org
from daemon import MINTD, Daemon
from postgres import Postgres
from wire import Wire


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="ten times the rounds of the long tests")
    parser.addoption("--seed", type=int, default=None, help="repeat the random tests of a run")


def pytest_configure(config):
    config.addinivalue_line("markers", "embedded: looks into the file of an embedded registry")


def pytest_sessionstart(session):
    if not MINTD.is_file():
        raise pytest.UsageError(f"there is no {MINTD}: build it, or say where it is with MINTD")
    if os.environ.get("MINTD_TEST_REGISTRY") == "postgres":
        session.postgres = Postgres().create()
        Daemon.new_registry = session.postgres.database


def pytest_sessionfinish(session):
    if hasattr(session, "postgres"):
        session.postgres.remove()


def pytest_collection_modifyitems(items):
    if Daemon.new_registry:
        for item in items:
            if item.get_closest_marker("embedded"):
                item.add_marker(pytest.mark.skip("of the embedded registry alone"))


@pytest.fixture(scope="session")
def postgres():
    """A server, for tests that do it no harm."""
    server = Postgres()
    try:
        yield server.create()
    finally:
        server.remove()


@pytest.fixture
def rounds(request):
    """rounds(20): how often to repeat what has to be tried many times."""
    return lambda count: count * 10 if request.config.getoption("--full") else count


@pytest.fixture
def dice(request):
    """A random generator; its seed is shown when the test fails."""
    seed = request.config.getoption("--seed")
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    print(f"seed: repeat with --seed {seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def daemon(tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp("shared"))
    try:
        yield daemon.start()
    finally:
        daemon.end()


@pytest.fixture
def make_daemon(tmp_path):
    """make_daemon(header_timeout="300ms"): a daemon that was started; ended after the test."""
    daemons = []

    def make(**settings):
        daemons.append(Daemon(tmp_path / f"daemon-{len(daemons)}", **settings))
        return daemons[-1].start()
    yield make
    for daemon in daemons:
        daemon.end()


@pytest.fixture(scope="session")
def operator(daemon):
    return Client(daemon.address, daemon.operator_token)


@pytest.fixture(scope="module")
def org(operator):
    return Org(operator)


@pytest.fixture(scope="module")
def project(org):
    return org.project()


@pytest.fixture(scope="module")
def admin(org):
    """A service that may do everything in its org."""
    return org.service("admin")


@pytest.fixture
def client(daemon):
    """A fresh connection without a token."""
    client = Client(daemon.address)
    yield client
    client.close()


@pytest.fixture
def wire(daemon):
    with Wire(daemon.address) as wire:
        yield wire
