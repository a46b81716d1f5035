"""Tokens that every replica knows, revoked and tried again."""

import http.client
import json
import time
from dataclasses import dataclass

from api import Client, Org, credentials_path
from daemon import wait_until


@dataclass
class Answer:
    """Of a request, and when it was sent and answered. Status 0: none came."""

    status: int
    body: bytes
    sent: float
    received: float

    @property
    def took_s(self):
        return self.received - self.sent

    @property
    def json(self):
        return json.loads(self.body)


class Line:
    """A connection for requests whose time matters: nothing else is done with the answers."""

    def __init__(self, address, timeout_s=20):
        self.connection = http.client.HTTPConnection(address, timeout=timeout_s)

    def ask(self, method, path, token, body=None):
        sent = time.monotonic()
        try:
            self.connection.request(method, path, body, {"Authorization": f"Bearer {token}"})
            answer = self.connection.getresponse()
            status, body = answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            status, body = 0, b""
        return Answer(status, body, sent, time.monotonic())


class Site:
    """An org on a fleet with a project and a service whose tokens may mint for it. `address` is
    where all replicas are reached."""

    def __init__(self, address, replicas):
        self.operator = Client(address, replicas[0].operator_token)
        self.org = Org(self.operator)
        self.project = self.org.project()["name"]
        self.service = self.org.service("issuer")
        self.path = credentials_path(self.org.name, self.project)
        self.front = Line(address)
        self.replicas = [Line(replica.address) for replica in replicas]

    def make_tokens(self, count):
        """New ones, which each replica has minted with."""
        made = [self.operator.post(f"{self.service.path}/tokens?wait=0").json
                for _ in range(count)]
        for token in made:
            wait_until(lambda known=token: len(self.who_mints(known)) == len(self.replicas),
                       "every replica to know a token")
        return made

    def mint(self, line, token):
        return line.ask("POST", self.path, token["token"])

    def who_mints(self, token):
        """The numbers of the replicas that take the token now."""
        return [number for number, line in enumerate(self.replicas)
                if self.mint(line, token).status == 200]

    def revoke(self, token, line=None):
        return (line or self.front).ask("DELETE", f"/v1/services/tokens/{token['id']}",
                                        self.operator.token)
