"""Raw connections, for requests that no client would send."""

import http.client
import io
import socket

from api import Reply


class Wire:
    """A TCP connection to the daemon; replies are read strictly."""

    def __init__(self, address, timeout=20, source=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout,
                                               source_address=source and (source, 0))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def finish(self):
        """Sends no more; still reads."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def receive(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def read_until(self, end):
        while end not in self.buffer:
            assert self.receive(), f"the connection ended within a head: {self.buffer!r}"
        head, self.buffer = self.buffer.split(end, 1)
        return head + end

    def read_exactly(self, count):
        while len(self.buffer) < count:
            assert self.receive(), f"the connection ended within a body: {self.buffer!r}"
        body, self.buffer = self.buffer[:count], self.buffer[count:]
        return body

    def read_head(self):
        head = self.read_until(b"\r\n\r\n")
        assert head.count(b"\n") == head.count(b"\r\n") == head.count(b"\r"), head
        line, rest = head.split(b"\r\n", 1)
        version, status, _ = line.split(b" ", 2)
        assert version == b"HTTP/1.1", head
        return int(status), http.client.parse_headers(io.BytesIO(rest))

    def interim(self):
        """The status of a reply of the 1xx kind."""
        status, headers = self.read_head()
        assert 100 <= status < 200 and not headers.keys(), (status, headers)
        return status

    def reply(self, method="GET"):
        """The next final reply; interim ones before it are passed over."""
        status, headers = self.read_head()
        while status == 100:
            status, headers = self.read_head()
        assert "Transfer-Encoding" not in headers
        has_body = method != "HEAD" and status not in (204, 304)
        body = self.read_exactly(int(headers["Content-Length"])) if has_body else b""
        return Reply(status, headers, body, method).check()

    def is_closed(self):
        """Waits for the end; whatever comes before it is a reply that nobody asked for."""
        while self.receive():
            pass
        assert not self.buffer, self.buffer
        return True


def request(method, target, body=b"", version="HTTP/1.1", **headers):
    """The bytes of a request: request("POST", "/v1/orgs", b"{}", X_Request_Id="a")."""
    given = {"Host": "mint.test", **{k.replace("_", "-"): v for k, v in headers.items()}}
    if body or method in ("POST", "PUT", "PATCH"):
        given.setdefault("Content-Length", len(body))
    lines = [f"{method} {target} {version}", *(f"{k}: {v}" for k, v in given.items()
                                              if v is not None)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*chunks):
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
