"""A server that answers what a test wants, and mint run against it."""

import http.server
import json
import subprocess
import threading

import pytest

from daemon import MINT, clean_environment

TOKEN = "mint_svc_" + "0" * 60
REQUEST_ID = "r-0123456789"


class Fake:
    """An HTTP server that gives the prepared answers in turn and keeps what it was asked."""

    def __init__(self):
        self.answers = {}
        self.requests = []
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fake.requests.append((self.command, self.path, body.decode(), self.headers))
                answers = fake.answers.get((self.command, self.path.split("?")[0]), [])
                status, reply = answers.pop(0) if len(answers) > 1 else (
                    answers[0] if answers else (404, {"code": 5, "message": "no such thing",
                                                      "details": []}))
                reply = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("X-Request-Id", REQUEST_ID)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)
            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that has gone is none
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()

    def on(self, method, path, reply, status=200):
        self.answers.setdefault((method, path), []).append((status, reply))

    @property
    def asked(self):
        """Method and path of each request, and its body as JSON."""
        return [(method, path, json.loads(body) if body else None)
                for method, path, body, _ in self.requests]


@pytest.fixture
def fake():
    fake = Fake()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


@pytest.fixture
def mint(fake, tmp_path):
    """mint("org", "list", status=0): runs it against the fake server and gives what it printed."""
    def run(*arguments, status=0, stdin=None, env=None):
        variables = {"MINT_URL": fake.url, "MINT_TOKEN": TOKEN, "MINT_ORG": "acme",
                     "HOME": str(tmp_path), **(env or {})}
        variables = {name: value for name, value in variables.items() if value is not None}
        environment = clean_environment()
        for name in ("XDG_CONFIG_HOME", "HOME"):
            environment.pop(name, None)
        ran = subprocess.run([MINT, *map(str, arguments)], env={**environment, **variables},
                             input=stdin if stdin is not None else "", capture_output=True,
                             text=True, timeout=60, check=False)
        assert ran.returncode == status, ran
        return ran
    return run
