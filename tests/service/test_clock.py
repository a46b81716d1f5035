"""The wall clock is set while mintd serves: lives, leases and keys go by time that passes."""

import json
import time
from pathlib import Path

import pytest

from api import Client, Org, metric
from daemon import MINTD, Daemon, wait_until

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
DAY = 86400


class Clock:
    """What libfaketime shows the daemon; the monotonic clock stays true."""

    def __init__(self, path):
        self.path = path
        self.set("+0")

    def set(self, word):
        new = self.path.with_suffix(".new")
        new.write_text(word, encoding="ascii")
        new.rename(self.path)

    def shift(self, seconds):
        self.set(f"{seconds:+d}")

    def at(self, utc):
        self.set(f"@{utc}")

    def environment(self):
        return {"LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(self.path), "TZ": "UTC",
                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_DONT_RESET": "1"}


@pytest.fixture
def clocked(tmp_path, monkeypatch):
    """clocked(lease="1s"): a daemon under a clock of its own, and that clock."""
    if LIBRARY is None:
        pytest.skip("libfaketime is not there: deps/install --tests")
    if any(name in MINTD.read_bytes() for name in (b"__asan_init", b"__tsan_init")):
        pytest.skip("a sanitizer has to be loaded first, and so has libfaketime")
    monkeypatch.setattr("api.DATE_SKEW_S", float("inf"))
    daemons = []

    def make(**settings):
        number = len(daemons)
        clock = Clock(tmp_path / f"clock-{number}")
        daemons.append(Daemon(tmp_path / f"daemon-{number}", **settings))
        return daemons[-1].start(env=clock.environment()), clock
    yield make
    for daemon in daemons:
        daemon.end()


SET = {"+1 h": lambda clock: clock.shift(3600), "-1 h": lambda clock: clock.shift(-3600),
       "+1 day": lambda clock: clock.shift(DAY), "-1 day": lambda clock: clock.shift(-DAY),
       "1970": lambda clock: clock.at("1970-01-02 00:00:00"),
       "2038": lambda clock: clock.at("2038-01-19 03:14:05"),  # two seconds before 2^31
       "2106": lambda clock: clock.at("2106-02-07 06:28:13")}  # two seconds before 2^32
SHOWN = {"1970": DAY, "2038": 2 ** 31 - 3, "2106": 2 ** 32 - 3}


def test_lives_are_as_long_whatever_the_clock(clocked):
    """Scorecard 22: exp − iat = ttl always, and an alarm at each jump."""
    daemon, clock = clocked(key_rotation="90d")
    org = Org(Client(daemon.address, daemon.operator_token))
    service, project = org.service("issuer"), org.project()["name"]
    [kid] = [key["kid"] for key in org.operator.ok("GET", "/v1/keys")["keys"]]
    jumps = 0
    for name, change in SET.items():
        change(clock)
        jumps += 1
        wait_until(lambda: metric(daemon, "mintd_clock_jumps_total") >= jumps, f"the alarm: {name}")
        end = time.monotonic() + (5 if name.startswith("2") else 1)  # over the edges of 32 bits
        while time.monotonic() < end:
            for ttl in (1, 3600, DAY):
                claims = service.credential(project, {"ttl_seconds": ttl}).claims
                assert claims["exp"] - claims["iat"] == ttl, name
                assert claims["iat"] - claims["nbf"] == 5
            if name in SHOWN:
                assert SHOWN[name] <= claims["iat"] < SHOWN[name] + 30
            time.sleep(0.1)
        clock.shift(0)
        jumps += 1
        wait_until(lambda: metric(daemon, "mintd_clock_jumps_total") >= jumps, f"the alarm: {name}")
    assert metric(daemon, "mintd_clock_jumps_total") == jumps == 2 * len(SET)
    lines = [json.loads(line) for line in daemon.log_lines('"event":"clock"', jumps)]
    assert all(line["level"] == "warning" for line in lines)
    assert abs(service.credential(project).claims["iat"] - time.time()) < 5
    states = {key["kid"]: key["state"] for key in org.operator.ok("GET", "/v1/keys")["keys"]}
    assert states[kid] == "active"  # no other took its place before its time



class Rotation:
    """A daemon whose key is replaced while its clock jumps."""

    def __init__(self, name, daemon, clock):
        self.clock, self.client = clock, Client(daemon.address, daemon.operator_token)
        [self.old] = self.states()
        self.begun = self.looked = time.monotonic()
        self.new = self.client.ok("POST", "/v1/keys/rotate")["key"]["kid"]
        SET[name](clock)

    def states(self):
        return {key["kid"]: key["state"] for key in self.client.ok("GET", "/v1/keys")["keys"]}

    def has_signed(self):
        """Whether the new key does by now; then the clock jumps back."""
        before, self.looked = self.looked, time.monotonic()
        if self.states()[self.new] != "active":
            return False
        assert time.monotonic() - self.begun > 3 + 2 - 1.1
        self.begun = before  # it did not sign yet
        self.clock.shift(0)
        return True

    def has_ended(self):
        if self.old in self.states():
            return False
        assert time.monotonic() - self.begun > 5 + 3 + 2 - 1.1
        assert self.states() == {self.new: "active"}
        return True


def test_no_key_signs_or_goes_early(clocked):
    """One that was just published or retired waits by time that passes, not by the clock."""
    settings = {"jwks_max_age": "3s", "poll": "50ms", "lease": "1s", "lease_margin": "0ms",
                "max_ttl": "5s", "default_ttl": "5s", "not_before_skew": "0s", "key_rotation": 0,
                "workers": 1}
    rotations = {name: Rotation(name, *clocked(**settings)) for name in SET}
    for condition in (Rotation.has_signed, Rotation.has_ended):
        left = dict(rotations)

        def all_have(condition=condition, left=left):
            for name in [name for name, rotation in left.items() if condition(rotation)]:
                del left[name]
            return not left
        wait_until(all_have, "each clock's keys", 200)
