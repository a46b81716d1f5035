"""mint's tokens and profiles, and what it does on a terminal."""

import json
import os
import pty
import select
import subprocess
import time

import pytest

from api import with_checksum
from daemon import MINT, clean_environment
from fake import TOKEN, fake, mint  # noqa: F401 (fixtures)


# ---- tokens and profiles

def test_token_sources(mint, fake, tmp_path):
    fake.on("GET", "/v1/orgs", {"organizations": []})
    file = tmp_path / "token"
    file.write_text("from-file\n", encoding="utf-8")
    mint("org", "list", "--token", "from-flag")
    mint("org", "list", "--token-file", file)
    mint("org", "list", "--token-file", "-", stdin="from-input\r\n")
    mint("org", "list", "--token", "-", stdin="from-input-too")
    mint("org", "list")
    assert [headers["Authorization"] for _, _, _, headers in fake.requests] == [
        "Bearer from-flag", "Bearer from-file", "Bearer from-input", "Bearer from-input-too",
        f"Bearer {TOKEN}"]
    assert "cannot read" in mint("org", "list", "--token-file", "/nowhere", status=2).stderr


def test_token_is_hidden_from_ps(fake):
    fake.server.RequestHandlerClass.do_GET = lambda handler: time.sleep(3)
    with subprocess.Popen([MINT, "ping", "--url", fake.url, "--token", TOKEN, "--timeout", "2"],
                          env=clean_environment(), stderr=subprocess.DEVNULL) as process:
        time.sleep(1)
        with open(f"/proc/{process.pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        process.kill()
    assert words[5] == b"*" * len(TOKEN)


def crc_token():
    """A token with a right checksum."""
    return with_checksum("mint_svc_" + "0" * 22 + "1" * 32)


def test_login(mint, fake, tmp_path):
    token = crc_token()
    none = {"MINT_URL": None, "MINT_TOKEN": None, "MINT_ORG": None}
    fake.on("GET", "/v1/ping", {"version": "1"})
    fake.on("GET", "/v1/orgs/acme/services", {"services": []})
    path = tmp_path / ".config" / "mint" / "default.json"
    ran = mint("login", "--url", fake.url + "/", "--org", "acme", stdin=token + "\n", env=none)
    assert ran.stdout == f"Wrote {path}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text(encoding="utf-8")) == {"url": fake.url, "org": "acme",
                                                            "token": token}
    assert [file.name for file in path.parent.iterdir()] == ["default.json"]
    mint("service", "list", env=none)
    assert fake.requests[-1][3]["Authorization"] == f"Bearer {token}"
    mint("service", "list", "--token", "other", env=none)
    assert fake.requests[-1][3]["Authorization"] == "Bearer other"
    # The profile's token is for the profile's server.
    other = fake.url.replace("127.0.0.1", "localhost")
    mint("service", "list", "--url", other, env=none)
    assert "Authorization" not in fake.requests[-1][3]


def test_login_into_a_profile_of_its_own(mint, fake, tmp_path):
    fake.on("GET", "/v1/ping", {"version": "1"})
    fake.on("GET", "/v1/orgs", {"organizations": []})
    home = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "MINT_TOKEN": None, "MINT_ORG": None}
    file = tmp_path / "token"
    file.write_text(crc_token(), encoding="utf-8")
    said = json.loads(mint("login", "--profile", "staging", "--token-file", file, "--format=json",
                           env=home).stdout)
    assert said == {"profile": str(tmp_path / "xdg" / "mint" / "staging.json")}
    mint("login", "--profile", "staging", "--token", crc_token(), env=home)  # again, over the old
    mint("org", "list", "--profile", "staging", env={**home, "MINT_URL": None})
    mint("org", "list", env={**home, "MINT_URL": None, "MINT_PROFILE": "staging"})
    assert fake.requests[-1][3]["Authorization"] == f"Bearer {crc_token()}"
    ran = mint("org", "list", "--profile", "nothing", env=home, status=2)
    assert "cannot read the profile" in ran.stderr
    ran = mint("org", "list", "--profile", "../x", env=home, status=2)
    assert "cannot be a profile's name" in ran.stderr


def test_login_refuses(mint, fake, tmp_path):
    fake.on("GET", "/v1/ping", {"message": "down"}, 503)
    assert "cut off or mistyped" in mint("login", stdin=TOKEN, status=1).stderr
    assert "cut off or mistyped" in mint("login", stdin="x", status=1).stderr
    assert "no token was given" in mint("login", stdin=" \n", status=1).stderr
    assert "cannot read" in mint("login", "--token-file", "/nowhere", status=1).stderr
    assert fake.requests == []
    assert "down (503" in mint("login", stdin=crc_token(), status=1).stderr
    assert not (tmp_path / ".config").exists()
    fake.answers[("GET", "/v1/ping")] = [(200, {"version": "1"})]
    (tmp_path / "file").write_text("", encoding="utf-8")
    home = {"XDG_CONFIG_HOME": str(tmp_path / "file")}
    ran = mint("login", stdin=crc_token(), env=home, status=1)
    assert "cannot write the profile" in ran.stderr
    for home in ("relative", None):
        ran = mint("login", stdin=crc_token(), env={"HOME": home}, status=1)
        assert "no place for profiles" in ran.stderr


def test_profiles_that_are_refused(mint, tmp_path):
    path = tmp_path / ".config" / "mint" / "default.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"token":"x"}', encoding="utf-8")
    path.chmod(0o640)
    assert "others can read the token" in mint("ping", status=2).stderr
    path.chmod(0o600)
    for text in ("", "[]", '{"token":1}', '{"tokn":"x"}'):
        path.write_text(text, encoding="utf-8")
        assert "is no profile; write it anew with mint login" in mint("ping", status=2).stderr


def test_no_home_is_fine(mint, fake):
    fake.on("GET", "/v1/ping", {"version": "1"})
    mint("ping", env={"HOME": None})


# ---- on a terminal

class Terminal:
    """mint with a terminal for everything; `size` is what it printed so far."""

    def __init__(self, arguments, env):
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            environment = {**clean_environment(), "TERM": "xterm", **env}
            os.execve(MINT, [str(MINT), *arguments], environment)
        self.output = ""

    def expect(self, text):
        deadline = time.monotonic() + 20
        while text not in self.output:
            assert time.monotonic() < deadline, self.output
            if select.select([self.descriptor], [], [], 0.1)[0]:
                self.output += self.read()

    def read(self):
        try:
            return os.read(self.descriptor, 4096).decode()
        except OSError:  # its other end is closed
            return ""

    def type(self, text):
        os.write(self.descriptor, text.encode())

    def end(self):
        while more := self.read():
            self.output += more
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.descriptor)
        return status


@pytest.fixture
def terminal(fake, tmp_path):
    env = {"MINT_URL": fake.url, "MINT_TOKEN": TOKEN, "MINT_ORG": "acme", "HOME": str(tmp_path)}
    return lambda *arguments, **extra: Terminal(arguments, {**env, **extra})


@pytest.mark.parametrize("answer, status", [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1),
                                            ("\x04", 1)])
def test_delete_asks(terminal, fake, answer, status):
    fake.on("DELETE", "/v1/orgs/acme/services/gate", {})
    run = terminal("service", "delete", "gate")
    run.expect('Delete service "gate" of org "acme" and all its tokens? [y/N] ')
    assert fake.requests == []
    run.type(answer)
    assert run.end() == status
    assert len(fake.requests) == (status == 0)
    assert ("nothing was done" in run.output) == (status == 1)


def test_yes_does_not_ask(terminal, fake):
    fake.on("DELETE", "/v1/services/tokens/t-1", {})
    run = terminal("service", "token", "revoke", "t-1", "-y")
    assert run.end() == 0 and "[y/N]" not in run.output and len(fake.requests) == 1


def test_login_types_without_echo(terminal, fake, tmp_path):
    fake.on("GET", "/v1/ping", {"version": "1"})
    run = terminal("login")
    run.expect("Token: ")
    run.type(crc_token() + "\n")
    assert run.end() == 0 and crc_token() not in run.output
    path = tmp_path / ".config" / "mint" / "default.json"
    assert json.loads(path.read_text(encoding="utf-8"))["token"] == crc_token()


def test_login_can_be_interrupted(terminal):
    run = terminal("login")
    run.expect("Token: ")
    run.type("abc\x03\n")
    assert run.end() == 1


def test_colors(terminal, fake):
    fake.on("GET", "/v1/orgs", {"organizations": []})
    run = terminal("org", "list")
    assert run.end() == 0 and "\x1b[1mNAME" in run.output
    for arguments, env in ((["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})):
        run = terminal("org", "list", *arguments, **env)
        assert run.end() == 0 and "\x1b" not in run.output
    run = terminal("org", "show", "x")
    assert run.end() == 1 and "\x1b[1;31mmint: error:\x1b[0m no such thing" in run.output


def test_verify_does_not_wait_for_a_terminal(terminal):
    run = terminal("verify")
    assert run.end() == 2 and "pipe one into mint verify" in run.output
