"""A web server on loopback that hands out a folder, and misbehaves as told."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range", ""), self.headers.get("Authorization", "")))
        self.close_connection = True
        path = self.server.folder / self.path.lstrip("/")
        if self.path in self.server.redirects:
            self.send_response(302)
            self.send_header("Location", self.server.redirects[self.path])
            self.end_headers()
            return
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        with contextlib.suppress(OSError):  # the client may have had enough
            for part, answer in self.server.answers.items():
                if part in self.path:
                    answer(self, content)
                    return
            self.whole(content)

    def whole(self, content: bytes) -> None:
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.resumes else 0
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """The server.

    Attributes:
        answers: what to do with paths that contain a text, instead of sending the file.
        redirects: location by path.
        requests: path, Range and Authorization of every request.
        stopping: set at the end, for answers that wait.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.answers: dict[str, Answer] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.resumes = True
        self.stopping = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


def endless(handler: Handler, content: bytes) -> None:
    """Send the file, and then more for ever."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content)
    while not handler.server.stopping.is_set():
        handler.wfile.write(b"\x00" * 65536)


def trickle(handler: Handler, content: bytes) -> None:
    """Send a byte now and then: never a gap that a time-out would notice."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    for place in range(len(content)):
        handler.wfile.write(content[place : place + 1])
        if handler.server.stopping.wait(0.02):
            return


def trickling_head(handler: Handler, _content: bytes) -> None:
    """Send headers byte by byte, for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not handler.server.stopping.wait(0.02):
        handler.wfile.write(b"a")


def half(handler: Handler, content: bytes) -> None:
    """Break off in the middle."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
