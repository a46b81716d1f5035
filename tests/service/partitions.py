#!/usr/bin/python3
"""Replicas that hang or are cut off while others revoke: who mints for what was revoked, and when.

    tests/service/partitions.py [--seed N] [--count 200] [--verbose]

starts PostgreSQL, Redis and three mintd with a lease of a second; each replica reaches the others'
parts through ways of its own. A round draws from the seed what happens to one replica, that it
hangs or its ways are cut or held up, and for how long (0.2 to 3 s); and when meanwhile the other
two revoke a token each, which all replicas know and are asked with all the time. The exit code is 1
if

  - a credential was minted for a request sent after the acknowledgement (P1), or for one sent later
    than lease and margin after the commit (P2); its iat is looked at as well, for requests that
    waited in a replica that hung;
  - a revoke was not answered, or, as its receipt says, by more than --slack later than lease and
    margin after the commit; to the client it may take half a second longer, where a replica hung
    while it held the registry's lock;
  - a token that was not revoked was told 401."""

import argparse
import base64
import concurrent.futures
import contextlib
import json
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from daemon import wait_until  # noqa: E402
from postgres import free_port  # noqa: E402
from revoking import Line, Site  # noqa: E402
from under_load import REPLICAS, FleetUnderLoad, Process  # noqa: E402

LEASE_S = 1
ASKERS = 2  # a replica; one may be stuck in it
FLIGHT_S = 0.001  # the receipt counts whole milliseconds
STALL_S = 0.5  # of a transaction that others wait for, before PostgreSQL ends it
WAY = """
defaults
    mode tcp
    timeout connect 1s
    timeout client 1h
    timeout server 1h
listen way
    bind 127.0.0.1:{port}
    server there {target}
"""


class Way(Process):
    """A TCP connection's way to a target, a HAProxy: it dies, or stops, and so does the way."""

    def __init__(self, folder, name, target):
        self.port = free_port()
        config = folder / f"{name}.cfg"
        config.write_text(WAY.format(port=self.port, target=target), encoding="ascii")
        super().__init__(folder, name, "haproxy", "-f", config, "-db")

    def start(self):
        super().start()
        wait_until(self.is_open, "a way to open")
        return self

    def is_open(self):
        with contextlib.suppress(OSError), \
                socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


class DividedFleet(FleetUnderLoad):
    """Its replicas can be parted from PostgreSQL and Redis one by one."""

    def __init__(self, folder):
        super().__init__(folder, lease_s=LEASE_S)
        self.to_registry, self.to_redis = [], []

    def settings_of(self, number, registry):
        here = f"127.0.0.1:{self.postgres.port}"
        registry_way = Way(self.folder, f"to-registry-{number}", here).start()
        redis_way = Way(self.folder, f"to-redis-{number}", f"unix@{self.redis.socket}").start()
        self.to_registry.append(registry_way)
        self.to_redis.append(redis_way)
        return {**super().settings_of(number, registry),
                "registry": registry.replace(here, f"127.0.0.1:{registry_way.port}"),
                "redis": f"redis://127.0.0.1:{redis_way.port}"}

    def end(self):
        super().end()
        for way in self.to_registry + self.to_redis:
            way.end()


@contextlib.contextmanager
def held(process):
    process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)


@contextlib.contextmanager
def cut(way):
    way.end()
    try:
        yield
    finally:
        way.start()


# For each part of a replica's world what may befall it.
TROUBLES = (
    {"hangs": lambda fleet, number: held(fleet.replicas[number])},
    {"is cut off from the registry": lambda fleet, number: cut(fleet.to_registry[number]),
     "hears nothing of the registry": lambda fleet, number: held(fleet.to_registry[number])},
    {"is cut off from Redis": lambda fleet, number: cut(fleet.to_redis[number]),
     "hears nothing of Redis": lambda fleet, number: held(fleet.to_redis[number])},
)


def draw_troubles(dice):
    """At least one, of each part one at most: by name."""
    drawn = {}
    while not drawn:
        for part in TROUBLES:
            if dice.random() < 0.5:
                name = dice.choice(sorted(part))
                drawn[name] = part[name]
    return drawn


class Asker(threading.Thread):
    """Asks a replica for credentials with all tokens in turn."""

    def __init__(self, site, address):
        super().__init__(daemon=True)
        self.site, self.line = site, Line(address)
        self.tokens, self.answers, self.is_over = [], [], False
        self.start()

    def run(self):
        while not self.is_over:
            for token in list(self.tokens):
                self.answers.append((token["id"], self.site.mint(self.line, token)))
            time.sleep(0.005)

    def take_answers(self):
        taken, self.answers = self.answers, []
        return taken


@dataclass
class Revoke:
    """Of one token by one replica: moments by the monotonic clock."""

    token: dict
    answer: object = None

    @property
    def is_done(self):
        return self.answer.status == 200

    @property
    def committed(self):
        return self.answer.received - self.answer.json["applied"]["milliseconds"] / 1000


def issued_at(answer):
    """The iat of a credential, which is a whole second: by the monotonic clock."""
    payload = answer.json["accessToken"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims["iat"] - time.time() + time.monotonic()


@dataclass
class Findings:
    """What the rounds came to."""

    rounds: int = 0
    revoked: int = 0
    answers: int = 0
    slowest_s: float = 0.0  # from the commit to the answer, by the receipt
    took_s: float = 0.0  # to the client
    longest_s: float = 0.0  # minted after the commit
    everywhere: int = 0
    wrong: list = field(default_factory=list)

    def judge(self, fleet, slack_s, revoke, answers):
        bound_s = fleet.lease_s + fleet.margin_s
        if not revoke.is_done:
            self.wrong.append(f"a revoke was refused: {revoke.answer.status} "
                              f"{revoke.answer.body.decode()}")
            return
        self.revoked += 1
        self.everywhere += revoke.answer.json["applied"]["everywhere"]
        waited_s = revoke.answer.json["applied"]["milliseconds"] / 1000
        self.slowest_s = max(self.slowest_s, waited_s)
        self.took_s = max(self.took_s, revoke.answer.took_s)
        if waited_s > bound_s + slack_s or revoke.answer.took_s > bound_s + STALL_S + slack_s:
            self.wrong.append(f"a revoke took {revoke.answer.took_s:.3f} s, and {waited_s:.3f} s "
                              "from its commit on")
        for answer in answers:
            since = max(answer.sent, issued_at(answer))
            self.longest_s = max(self.longest_s, since - revoke.committed)
            if since > revoke.answer.received:
                self.wrong.append(
                    f"P1: minted {since - revoke.answer.received:.3f} s after the answer")
            if since - revoke.committed > bound_s + FLIGHT_S:
                self.wrong.append(f"P2: minted {since - revoke.committed:.3f} s after the commit")


class Rounds:
    """A fleet and what is drawn for it."""

    def __init__(self, fleet, seed, slack_s):
        self.fleet, self.slack_s, self.dice = fleet, slack_s, random.Random(seed)
        self.site = Site(fleet.address, fleet.replicas)
        self.good = {"id": self.site.service.token_id, "token": self.site.service.token}
        self.askers = [Asker(self.site, replica.address)
                       for replica in fleet.replicas for _ in range(ASKERS)]
        self.findings = Findings()

    def end(self):
        for asker in self.askers:
            asker.is_over = True
        for asker in self.askers:
            asker.join()

    def trouble(self, troubles, number, lasts_s):
        with contextlib.ExitStack() as stack:
            for begin in troubles.values():
                stack.enter_context(begin(self.fleet, number))
            time.sleep(lasts_s)

    def revoke(self, revoke, number, after_s):
        time.sleep(after_s)
        revoke.answer = self.site.revoke(revoke.token, self.site.replicas[number])

    def take_answers(self):
        """Those with credentials, by token; and how the good token fared."""
        minted = {}
        for token_id, answer in [one for asker in self.askers for one in asker.take_answers()]:
            self.findings.answers += 1
            if answer.status == 200:
                minted.setdefault(token_id, []).append(answer)
            elif answer.status == 401 and token_id == self.good["id"]:
                self.findings.wrong.append("a good token was told 401")
        return minted

    def is_well(self):
        return len(self.site.who_mints(self.good)) == REPLICAS

    def run_one(self):
        """A round; gives what happened in it."""
        number = self.dice.randrange(REPLICAS)
        troubles = draw_troubles(self.dice)
        lasts_s = self.dice.uniform(0.2, 3)
        offsets_s = [self.dice.uniform(0, lasts_s) for _ in range(REPLICAS - 1)]
        wait_until(self.is_well, "every replica to mint")
        revokes = [Revoke(token) for token in self.site.make_tokens(REPLICAS - 1)]
        for asker in self.askers:
            asker.tokens = [self.good, *(revoke.token for revoke in revokes)]
        others = [other for other in range(REPLICAS) if other != number]
        with concurrent.futures.ThreadPoolExecutor(REPLICAS) as threads:
            done = [threads.submit(self.trouble, troubles, number, lasts_s)]
            done += [threads.submit(self.revoke, *one)
                     for one in zip(revokes, others, offsets_s, strict=True)]
            for future in done:
                future.result()
        time.sleep(0.3)
        minted = self.take_answers()
        self.findings.rounds += 1
        for revoke in revokes:
            self.findings.judge(self.fleet, self.slack_s, revoke,
                                minted.get(revoke.token["id"], []))
        times = ", ".join(f"{revoke.answer.took_s:.3f} s" for revoke in revokes)
        return (f"replica {number + 1} {' and '.join(troubles)} for {lasts_s:.2f} s; "
                f"answered after {times}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--count", type=int, default=200, help="of rounds")
    parser.add_argument("--slack", type=float, default=0.05, metavar="SECONDS",
                        help="how much later a revoke may be answered on this machine")
    parser.add_argument("--verbose", action="store_true", help="a line for each round")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mintd-partitions-") as folder:
        fleet = DividedFleet(folder)
        try:
            rounds = Rounds(fleet.start(), given.seed, given.slack)
            found = rounds.findings
            while found.rounds < given.count:
                wrong = len(found.wrong)
                told = rounds.run_one()
                if given.verbose or len(found.wrong) > wrong:
                    print(f"{found.rounds:4} {told}",
                          *(f"\n     WRONG: {what}" for what in found.wrong[wrong:]), flush=True)
            rounds.end()
        finally:
            fleet.end()
    print(f"{found.rounds} rounds, {found.revoked} revokes ({found.everywhere} seen everywhere), "
          f"answered at most {found.slowest_s:.3f} s after the commit by their receipts (lease and "
          f"margin: {fleet.lease_s + fleet.margin_s} s), {found.took_s:.3f} s to the client; "
          f"{found.answers} requests; minted after the commit by at most {found.longest_s:.3f} s; "
          f"wrong: {len(found.wrong) or 'nothing'}")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
