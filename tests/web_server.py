"""A small HTTP server and its client for the data path of the web scan, in namespaces of a `web_lab`."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from web_lab import WebLab

TIMEOUT = 20.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer `/N` with N bytes."""
        self._answer(b"x" * int(self.path.rsplit("/", 1)[1]))

    def do_POST(self) -> None:
        """Answer with the number of bytes that came, and their sum."""
        left, total = int(self.headers["content-length"]), 0
        length = left
        while left:
            chunk = self.rfile.read(min(left, 1 << 16))
            if not chunk:
                return
            left -= len(chunk)
            total += sum(chunk)
        self._answer(f"{length} {total}".encode())

    def _answer(self, body: bytes) -> None:
        self.server.requests.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Keeps the paths that were asked for."""

    daemon_threads = True
    requests: list[str]

    def handle_error(self, *_: Any) -> None:
        """A client that went away is what some tests are about."""


class _Server6(Server):
    address_family = socket.AF_INET6


@contextmanager
def server(lab: WebLab, address: str = "0.0.0.0") -> Iterator[Server]:
    """Serve on port 80 of the network's namespace."""
    with lab.inside("net"):
        made = (_Server6 if ":" in address else Server)((address, 80), _Handler)
    made.requests = []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


@contextmanager
def connection(
    lab: WebLab, address: str, *, vm: int = 0, timeout: float = TIMEOUT
) -> Iterator[http.client.HTTPConnection]:
    """Connect from a VM."""
    made = http.client.HTTPConnection(address, 80, timeout=timeout)
    try:
        with lab.inside(f"vm{vm}"):
            made.connect()
        yield made
    finally:
        made.close()


def get(client: http.client.HTTPConnection, path: str) -> bytes:
    """Ask and return the body."""
    client.request("GET", path)
    return client.getresponse().read()


def post(client: http.client.HTTPConnection, length: int) -> None:
    """Send a body and check that all of it came."""
    body = (b"0123456789abcdef" * (length // 16 + 1))[:length]
    client.request("POST", "/", body)
    assert client.getresponse().read().decode() == f"{length} {sum(body)}"
