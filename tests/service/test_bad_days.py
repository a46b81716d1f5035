"""A fleet's bad days, each under load; tests/service/bad_days.py prints them as a table."""

import pytest

import bad_days
from under_load import FleetUnderLoad, Load

QUICK = ("a-good-day", "redis-killed", "redis-paused", "redis-entries-swapped", "registry-killed",
         "replica-killed", "replica-paused")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = FleetUnderLoad(tmp_path_factory.mktemp("fleet"), lease_s=6)
    try:
        yield fleet.start()
    finally:
        fleet.end()


@pytest.fixture(scope="module")
def load(fleet):
    with Load(fleet) as load:
        yield load


@pytest.mark.parametrize("name", bad_days.DAYS)
def test_bad_day(name, fleet, load, request):
    if name not in QUICK and not request.config.getoption("--full"):
        pytest.skip("with --full")
    if name == "clocks-apart" and not bad_days.faketime():
        pytest.skip("there is no libfaketime")
    findings = bad_days.live(name, fleet, load, 2)
    assert findings.sent > 100, findings
    # With a replica or the registry away a revoke waits for longer than the day may last.
    assert findings.revoked > 0 or name.startswith(("registry", "replica")), findings
    assert not bad_days.wrong_of(name, findings, fleet), findings
