"""A publisher of lists on loopback that can do what publishers do: break off, never end, change, drip."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 1024


class Publisher(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag = CONTENT, '"one"'
        self.break_after = -1
        self.endless = self.drips = False
        self.asked: list[dict[str, str]] = []
        self.files: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/list"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gives up is what some tests are for."""


class Handler(BaseHTTPRequestHandler):
    server: Publisher

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        publisher = self.server
        publisher.asked.append(dict(self.headers))
        if self.path in publisher.files:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(publisher.files[self.path])
            return
        if self.path != "/list":
            self.send_error(404)
            return
        if self.headers.get("If-None-Match") == publisher.etag:
            self.send_response(304)
            self.end_headers()
            return
        start = 0
        if "Range" in self.headers and self.headers.get("If-Range") == publisher.etag:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(publisher.content) - 1}/{len(publisher.content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", publisher.etag)
        body = publisher.content[start:]
        if not publisher.endless:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if publisher.break_after >= 0:
            self.wfile.write(body[: publisher.break_after])
            publisher.break_after = -1
            self.close_connection = True
            return
        self.wfile.write(body)
        while publisher.endless:
            self.wfile.write(b"x" * 65536)


@contextmanager
def serving() -> Iterator[Publisher]:
    """Serve on loopback for as long as the context lasts."""
    with Publisher() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
