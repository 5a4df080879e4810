"""What reading a client's first bytes costs: `python bench/request_heads.py`. No root.

Prints the microseconds of the parser for each kind of request, of a new connection and of a kept one, the best of
several rounds. Exit code 1 when a usual GET head, whole in one segment, costs more than 5 µs.
"""

import sys
import time
from collections.abc import Callable, Iterator

from hpack import Encoder

from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.protocols.dns import queries
from hyperward.webscan.protocols.http2_frame import PREFACE, Flag, FrameType, frame

LIMIT_US = 5.0
ROUNDS, CALLS = 15, 3000

BROWSER = (
    b"GET /index.html?x=1&y=2 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) "
    b"AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\nAccept: text/html,"
    b"application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\nAccept-Encoding: "
    b"gzip, deflate\r\nAccept-Language: en-US,en;q=0.9,de;q=0.8\r\nConnection: keep-alive\r\n"
    b"Upgrade-Insecure-Requests: 1\r\nReferer: http://www.example.com/start/page.html\r\nCookie: "
    b"session=abcdefabcdefabcdef0123456789; theme=dark; consent=yes\r\n\r\n"
)
CURL = b"GET /x HTTP/1.1\r\nHost: example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
POST = BROWSER.replace(b"GET", b"POST", 1).replace(b"\r\n\r\n", b"\r\nContent-Length: 11\r\n\r\nhello=world")
BARE = CURL.replace(b"\r", b"")
QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01"
FIELDS = [(":method", "GET"), (":scheme", "http"), (":authority", "www.example.com"), (":path", "/index.html?x=1")]
HTTP2 = PREFACE + frame(FrameType.SETTINGS, Flag(0), 0, b"")
HTTP2 += frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 1, Encoder().encode(FIELDS))


def opened(data: bytes) -> Callable[[], object]:
    """Return what reads the bytes as those of a new connection."""
    return lambda: client_stream(80).feed(0, data)


def kept(data: bytes) -> Callable[[], object]:
    """Return what reads the bytes as the next ones of the same connection."""
    stream, offset = client_stream(80), 0

    def read() -> object:
        nonlocal offset
        offset += len(data)
        return stream.feed(offset - len(data), data)

    return read


def halves(data: bytes) -> Callable[[], object]:
    """Return what reads the bytes in two segments."""

    def read() -> object:
        stream, middle = client_stream(80), len(data) // 2
        return stream.feed(0, data[:middle]), stream.feed(middle, data[middle:])

    return read


def cases() -> Iterator[tuple[str, Callable[[], object], float]]:
    """Return each kind with its limit in microseconds, 0 for none."""
    yield f"browser GET, {len(BROWSER)} bytes, new connection", opened(BROWSER), LIMIT_US
    yield "browser GET, kept connection", kept(BROWSER), LIMIT_US
    yield f"curl GET, {len(CURL)} bytes, new connection", opened(CURL), LIMIT_US
    yield "curl GET, kept connection", kept(CURL), LIMIT_US
    yield "browser GET in two segments", halves(BROWSER), 0
    yield "browser POST with its body", opened(POST), 0
    yield "ten pipelined curl GETs", opened(CURL * 10), 0
    yield "curl GET with bare line feeds", opened(BARE), 0
    yield "HTTP/2 preface, settings and a GET", opened(HTTP2), 0
    yield "SMTP greeting, which is let go", opened(b"EHLO mail.example\r\n"), 0
    yield "DNS query", lambda: queries(QUERY), 0


def microseconds(call: Callable[[], object]) -> float:
    """Return the time of one call, of the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(CALLS):
            call()
        best = min(best, time.perf_counter() - begin)
    return best / CALLS * 1e6


def main() -> int:
    """Print one line per kind."""
    slow = False
    for name, call, limit in cases():
        spent = microseconds(call)
        slow = slow or (limit > 0 and spent > limit)
        print(f"{name:<45} {spent:6.1f} µs" + (f"   limit {limit:.0f}" if limit else ""))
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
