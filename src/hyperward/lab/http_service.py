"""The lab's web server: a small site, bodies of any size, and the checksum of what is sent to it."""

import hashlib
import json
import socket
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from hyperward.lab.content import BLOCK_SIZE, MAX_BODY, block
from hyperward.lab.records import RecordWriter

_CHUNK_LINE = 64
_PAGES = {
    "/": b'<!DOCTYPE html><title>Hyperward lab</title><h1>Hyperward lab</h1><a href="/about.html">More</a>\n',
    "/about.html": b"<!DOCTYPE html><title>About</title><p>It exists to be attacked, and to be protected.</p>\n",
}
_SITE = b"<!DOCTYPE html><title>A page</title><p>A page of a site that somebody might list.</p>\n"
"""What is below /site/, whatever its name: so that a listed path is there to be had where nobody protects."""


class HttpService(ThreadingHTTPServer):
    """Listens on a port for IPv4 and IPv6; `name` is the service in its records."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        writer: RecordWriter,
        port: int = 80,
        *,
        name: str = "http",
        handler: "type[HttpHandler] | None" = None,
    ) -> None:
        self.writer = writer
        self.name = name
        super().__init__(("::", port), handler or HttpHandler)

    def server_bind(self) -> None:
        """Bind for both families; the base class would also look up a host name, which takes long without DNS."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "lab", int(self.socket.getsockname()[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that was cut is what the lab is for, no error."""


class HttpHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "lab"
    sys_version = ""
    timeout = 60
    server: HttpService

    def setup(self) -> None:
        """Record the connection, whether or not a request will come."""
        super().setup()
        self.server.writer.write(self.server.name, "connection", self.client_address[0])

    def do_GET(self) -> None:
        """Send a page, or `/big?bytes=N`."""
        self._record(0, "")
        parts = urlsplit(self.path)
        if parts.path == "/big":
            size = parse_qs(parts.query).get("bytes", ["0"])[0]
            if not size.isdecimal() or len(size) > 12 or int(size) > MAX_BODY:  # noqa: PLR2004 - digits of 4 GiB and more
                self._send(HTTPStatus.BAD_REQUEST, b"bytes= is a number up to 4 GiB\n")
                return
            self._send_big(int(size))
            return
        page = _SITE if parts.path.startswith("/site/") else _PAGES.get(parts.path)
        self._send(HTTPStatus.OK if page else HTTPStatus.NOT_FOUND, page or b"Not found\n")

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def do_POST(self) -> None:
        """Take a body and answer with its size and checksum."""
        digest = hashlib.sha256()
        size = 0
        try:
            for piece in self._body():
                digest.update(piece)
                size += len(piece)
        except ValueError:
            self.close_connection = True
            self._send(HTTPStatus.BAD_REQUEST, b"a body that cannot be read\n")
            return
        self._record(size, digest.hexdigest())
        self._send(HTTPStatus.OK, json.dumps({"bytes": size, "sha256": digest.hexdigest()}).encode() + b"\n")

    do_PUT = do_POST  # noqa: N815 - the base class's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """Say nothing on stderr: the records say it all."""

    def _record(self, size: int, checksum: str) -> None:
        self.server.writer.write(
            self.server.name,
            "request",
            self.client_address[0],
            method=self.command,
            target=self.path,
            headers=dict(self.headers.items()),
            body_bytes=size,
            body_sha256=checksum,
        )

    def _send(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_big(self, size: int) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command == "HEAD":
            return
        view = memoryview(block())
        while size > 0:
            self.connection.sendall(view[:size])
            size -= BLOCK_SIZE

    def _body(self) -> Iterator[bytes]:
        """Yield the pieces of the request's body; ValueError when it is malformed or larger than 4 GiB."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield from self._read(_number(self.headers.get("Content-Length", "0"), 10))
            return
        while size := _number(self.rfile.readline(_CHUNK_LINE).decode("latin-1").partition(";")[0].strip(), 16):
            yield from self._read(size)
            self.rfile.readline(_CHUNK_LINE)
        self.rfile.readline(_CHUNK_LINE)

    def _read(self, size: int) -> Iterator[bytes]:
        while size > 0:
            piece = self.rfile.read(min(size, BLOCK_SIZE))
            if not piece:
                raise ValueError("the body ended early")
            size -= len(piece)
            yield piece


def _number(text: str, base: int) -> int:
    number = int(text, base)
    if not 0 <= number <= MAX_BODY:
        raise ValueError("a size out of range")
    return number
