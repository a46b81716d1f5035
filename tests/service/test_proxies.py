"""nginx asks mintd about every request, by its own auth_request module and nothing else."""

import http.server
import json
import subprocess
import threading

import pytest

from api import Client, Org, unpack
from daemon import clean_environment, wait_until

# As an operator would write it; {…} is filled in.
CONFIG = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen unix:{folder}/nginx.sock;
        location / {{
            auth_request /auth;
            auth_request_set $auth_subject $upstream_http_x_auth_subject;
            auth_request_set $auth_attributes $upstream_http_x_auth_attributes;
            auth_request_set $auth_challenge $upstream_http_www_authenticate;
            add_header WWW-Authenticate $auth_challenge always;
            proxy_set_header X-Auth-Subject $auth_subject;
            proxy_set_header X-Auth-Attributes $auth_attributes;
            proxy_set_header Authorization "";
            proxy_pass http://{upstream};
        }}
        location = /auth {{
            internal;
            proxy_pass http://{mintd}/v1/verify?org={org}&project=board;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_buffer_size 16k;
            proxy_buffers 4 16k;
        }}
    }}
}}
"""


class Upstream(http.server.BaseHTTPRequestHandler):
    """Tells what reached it."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        said = json.dumps({"method": self.command, "body": body,
                           "headers": {name.lower(): value for name, value in
                                       self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def own(operator):
    org = Org(operator)
    org.project("board")
    return org


@pytest.fixture
def nginx(operator, own, tmp_path):
    """ask("GET", jwt): what a client of nginx gets."""
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, args=[0.01], daemon=True).start()
    config = tmp_path / "nginx.conf"
    config.write_text(CONFIG.format(folder=tmp_path, mintd=operator.address, org=own.name,
                                    upstream=f"127.0.0.1:{upstream.server_port}"))
    process = subprocess.Popen(
        ["nginx", "-c", config, "-p", tmp_path, "-e", tmp_path / "error.log"],
        env=clean_environment(PATH="/usr/sbin:/usr/bin"))
    wait_until(lambda: (tmp_path / "nginx.pid").exists() or process.poll() is not None, "nginx")
    assert process.poll() is None

    def ask(method, jwt, *options):
        head = ["-H", f"Authorization: Bearer {jwt}"] if jwt else []
        ran = subprocess.run(
            ["curl", "-s", "-i", "--max-time", "20", "--unix-socket", tmp_path / "nginx.sock", "-X",
             method, *head, *options, "http://shop.test/boards"], capture_output=True, check=True)
        top, body = ran.stdout.decode().split("\r\n\r\n", 1)
        lines = top.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), headers, body
    yield ask
    process.terminate()
    process.wait(20)
    upstream.shutdown()
    upstream.server_close()


def test_nginx_lets_in_who_has_a_credential(own, nginx):
    gate = own.service("issuer")
    jwt = gate.credential("board", {"user_id": "ada"}).jwt
    status, _, body = nginx("POST", jwt, "-d", "x" * 100000, "-H", "X-Auth-Subject: root",
                            "-H", "X-Auth-Attributes: e30")
    assert status == 200
    said = json.loads(body)
    assert said["method"] == "POST" and said["body"] == "x" * 100000
    assert said["headers"]["x-auth-subject"] == "ada" and "authorization" not in said["headers"]
    assert json.loads(unpack(said["headers"]["x-auth-attributes"])) == {"id": "ada"}
    nobody = gate.credential("board", {"attributes": {"a": "é" * 1000}}).jwt
    said = json.loads(nginx("GET", nobody, "-H", "X-Auth-Subject: root")[2])
    assert "x-auth-subject" not in said["headers"]
    assert json.loads(unpack(said["headers"]["x-auth-attributes"])) == {"a": "é" * 1000}


def test_nginx_lets_nobody_else_in(operator, own, nginx):
    gate = own.service("issuer")
    jwt = gate.credential("board", {"user_id": "ada"}).jwt
    other = own.project()["name"]
    for wrong in (None, "x", jwt[:-2], gate.token, operator.token, gate.credential(other).jwt):
        status, headers, body = nginx("GET", wrong)
        assert status == 401 and "headers" not in body
        assert headers["www-authenticate"].startswith("bearer")
    stranger = Org(operator)
    stranger.project("board")
    assert nginx("GET", stranger.service("issuer").credential("board").jwt)[0] == 401
    for method in ("GET", "DELETE", "OPTIONS", "POST"):
        assert nginx(method, None)[0] == 401
    assert nginx("GET", jwt)[0] == 200
    Client(operator.address, operator.token).ok("DELETE", f"/v1/services/tokens/{gate.token_id}")
    assert nginx("GET", jwt)[0] == 401
