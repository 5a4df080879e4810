"""Fuzz target: the client's side of an HTTP/1 connection, and of one whose protocol has to be told first."""

from client_streams import play
from hellos import client_hello, records
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.protocols.http1 import Http1Stream
from hyperward.webscan.protocols.http1_head import read_clean_head, read_usual_head

TOKENS = (
    b"GET /a HTTP/1.1\r\n",
    b"\r\nHost: b.example\r\n",
    b"\nHost : c.example\n",
    b"\r\n\r\n",
    b"\n\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 70000\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b"Upgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"CONNECT d.example:443 HTTP/1.1\r\n\r\n",
    b"http://e.example/",
    b" HTTP/1.0",
    b"5\r\nabcde\r\n",
    b"0\r\n\r\n",
    b"FOO /",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x00\x05",
)
_NEXT = b"GET /evil HTTP/1.1\r\nHost: evil.example\r\n\r\n"
_POST = b"POST /up HTTP/1.1\r\nhost: a.example\r\n"
_H2C = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SEEDS = (
    b"GET /index.html?a=b HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: x/1.0 (y; z)\r\nAccept: */*\r\n\r\n" * 2,
    _POST + b"Content-Length: 11\r\n\r\nhello=world\r\nGET / HTTP/1.0\r\n\r\n",
    _POST + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-T: v\r\n\r\n" + _NEXT,
    _POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + _NEXT,
    b"GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 40\r\n\r\n" + _NEXT,
    b"CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\nGET /in HTTP/1.1\r\nHost: b.example\r\n\r\n",
    b"GET http://a.example/p HTTP/1.1\r\nHost: b.example\r\nHost: c.example\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a.example\n\nGET /b HTTP/1.1\n Host : b.example\n\n",
    _H2C + _PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"GET / HTTP/1.1\nHost: a.example\n\n"
    + _H2C
    + _PREFACE
    + b"\x00\x00\x09\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x04evil",
    b"CONNECT a.example:443 HTTP/1.1\n\n" + records(client_hello("b.example")),
    b"GET /old\r\n",
    b"EHLO mail.example\r\nMAIL FROM:<a@example>\r\n",
)


def target(data: bytes) -> None:
    """Feed the bytes whole and in pieces that they choose; all must show the same, and so must the quick path."""
    width = 1 + sum(data[:3]) % 37
    cuts = range(width, len(data), width)
    for make in (Http1Stream, lambda: client_stream(80 if data[:1] < b"\x20" else 53)):
        whole = play(make, data)
        if not whole == play(make, data, cuts) == play(make, data, cuts, skip=True):
            raise AssertionError("another split shows something else")
    usual = read_usual_head(data)
    if usual is not None:
        head = read_clean_head(data, 0)
        if head is None or head.end != len(data) or head.requests != (usual,):
            raise AssertionError("the quick path reads another request")
