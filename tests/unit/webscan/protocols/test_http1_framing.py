"""Streams that servers read differently: whatever they read, the request that is hidden from the others is seen."""

import re
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_streams import play
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.protocols.http1 import Http1Stream
from hyperward.webscan.protocols.window import FOREVER

EVIL = b"GET /evil HTTP/1.1\r\nHost: evil.example\r\n\r\n"
START = b"POST / HTTP/1.1\r\nHost: a.example\r\n"

TRICKS = {
    "length before chunks": START + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + EVIL,
    "chunks before length": START + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2a\r\n" + EVIL,
    "length over the request": START + b"Content-Length: 900\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EVIL,
    "two lengths, first wins": START + b"Content-Length: 0\r\nContent-Length: 900\r\n\r\n" + EVIL,
    "two lengths, last wins": START + b"Content-Length: 900\r\nContent-Length: 0\r\n\r\n" + EVIL,
    "list of lengths": START + b"Content-Length: 900, 0\r\n\r\n" + EVIL,
    "signed length": START + b"Content-Length: +900\r\n\r\n" + EVIL,
    "hexadecimal length": START + b"Content-Length: 0x384\r\n\r\n" + EVIL,
    "length over 64 bits": START + b"Content-Length: 18446744073709551616\r\n\r\n" + EVIL,
    "empty length": START + b"Content-Length:\r\n\r\n" + EVIL,
    "blank within a length": START + b"Content-Length: 9 00\r\n\r\n" + EVIL,
    "blank before the colon": START + b"Content-Length : 900\r\n\r\n" + EVIL,
    "tab before the colon": START + b"Transfer-Encoding\t: chunked\r\nContent-Length: 900\r\n\r\n0\r\n\r\n" + EVIL,
    "folded coding": START + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 900\r\n\r\n0\r\n\r\n" + EVIL,
    "folded length": START + b"X: y\r\n Content-Length: 900\r\n\r\n" + EVIL,
    "vertical tab": START + b"Transfer-Encoding:\x0bchunked\r\nContent-Length: 900\r\n\r\n0\r\n\r\n" + EVIL,
    "coding nobody has": START + b"Transfer-Encoding: xchunked\r\nContent-Length: 900\r\n\r\n0\r\n\r\n" + EVIL,
    "coding without a length": START + b"Transfer-Encoding: identity\r\n\r\n" + EVIL,
    "two codings": START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n2a\r\n" + EVIL + b"0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n2a\r\n" + EVIL + b"\r\n0\r\n\r\n",
    "length behind a bare line feed": START + b"X: y\nContent-Length: 900\r\n\r\n" + EVIL,
    "length behind a bare carriage return": START + b"X: y\rContent-Length: 900\r\n\r\n" + EVIL,
    "length behind a zero byte": START + b"X: y\r\n\x00Content-Length: 900\r\n\r\n" + EVIL,
    "length behind a line that is no field": START + b"rubbish\r\nContent-Length: 900\r\n\r\n" + EVIL,
    "long s": START + "Tran\u017ffer-Encoding: chunked\r\nContent-Length: 900\r\n\r\n0\r\n\r\n".encode() + EVIL,
    "end of the head by bare line feeds": START + b"X: y\n\nContent-Length: 900\r\n\r\n" + EVIL,
    "host after bare line feeds": b"GET /evil HTTP/1.1\r\nHost: a\r\nX: y\n\nHost: evil.example\r\n\r\n",
    "body of a GET": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 42\r\n\r\n" + EVIL,
    "body of a GET after empty lines": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 48\r\n\r\n\r\n\r\n\r\n" + EVIL,
    "beginning of a request as a body": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n" + EVIL,
    "body that is not waited for": START + b"Expect: 100-continue\r\nContent-Length: 900\r\n\r\n" + EVIL,
    "chunks of a GET": b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2a\r\n" + EVIL + b"0\r\n\r\n",
    "chunk size with a bare line feed": START + b"Transfer-Encoding: chunked\r\n\r\n1;\n" + EVIL,
    "chunk size with a sign": START + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + EVIL,
    "chunk size as in C": START + b"Transfer-Encoding: chunked\r\n\r\n0x2a\r\n" + EVIL,
    "chunk size over 64 bits": START + b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + EVIL,
    "chunk without its line end": START + b"Transfer-Encoding: chunked\r\n\r\n1\r\naXY0\r\n\r\n" + EVIL,
    "trailer that is none": START + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX y\r\n" + EVIL,
    "rubbish between requests": START + b"Content-Length: 3\r\n\r\nabcrubbish\r\n" + EVIL,
    "ignored upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n" + EVIL,
    "refused connect": b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" + EVIL,
    "connect with a body": b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 9\r\n\r\n{12345678" + EVIL,
    "bare line feeds and an upgrade": b"GET / HTTP/1.1\nHost: a\nUpgrade: x\n\n{}" + EVIL,
    "head within a field": START + b"Content-Length: 1\r\nContent-Length: 75\r\n\r\n"
    b"GET /good HTTP/1.1\r\nHost: good.example\r\nX: " + EVIL,
    "field that is a request line": START + b"Content-Length : 1\r\n\r\n"
    b"GET /evil HTTP/1.1\r\nVia: /good HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "no version after rubbish": b"GET /x\r\n\r\nmore" + EVIL,
}  # fmt: skip


@pytest.mark.parametrize("data", TRICKS.values(), ids=TRICKS)
def test_no_reading_hides_a_request(data: bytes) -> None:
    for cuts in ((), range(len(data))):
        played = play(lambda: client_stream(8080), data, cuts, skip=True)
        assert (b"evil.example", b"/evil") in [(host, target) for _, host, target in played.lines]
        assert FOREVER > played.decided >= len(data)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 900\r\nContent-Length: 900\r\n",
        b"Content-Length:900\r\n",
        b"content-length: \t 900 \t\r\n",
        b"CONTENT-LENGTH: 000900\r\n",
        b"Content-Length: 900\r\nX-Content-Length: 7\r\nContent_Length: 7\r\n",
    ],
)
def test_where_all_servers_agree_a_body_is_passed_over(head: bytes) -> None:
    begin = START + head + b"\r\n"
    played = play(Http1Stream, begin + b"GET /text HTTP/1.1\r\nHost: text\r\n\r\n".ljust(900) + EVIL)
    assert played.names == [b"a.example", b"evil.example"]


@pytest.mark.parametrize("body", [b'{"query": 1}', b"a=b&c=d e", b"word", b"two words", b"\x00\x01\x02", b"x" * 40])
def test_an_ordinary_body_where_few_have_one_is_passed_over(body: bytes) -> None:
    head = b"GET /_search HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (len(body) + 5000)
    stream = Http1Stream()
    stream.feed(0, head)
    stream.feed(len(head), body + b"\n")
    assert stream.decided == (len(head) + len(body) + 5000)


# Servers as found in the field, each with its own idea of framing. What any of them reads has to be seen.


@dataclass(frozen=True)
class Server:
    """A made-up server.

    Args:
        length_first: Content-Length goes before Transfer-Encoding.
        last: of several fields the last one counts.
        loose: bare line feeds end lines, and blanks and control bytes around names and values are not minded.
        fat_get: GET has a body too.
    """

    length_first: bool
    last: bool
    loose: bool
    fat_get: bool

    def served(self, data: bytes) -> set[tuple[bytes, bytes]]:
        """Return host and target of every request that it answers."""
        found: set[tuple[bytes, bytes]] = set()
        rest: bytes | None = data
        while rest is not None:
            rest = rest.lstrip(b"\r\n")
            end = re.search(rb"\r?\n\r?\n" if self.loose else rb"\r\n\r\n", rest)
            if end is None:
                break
            first, *lines = re.split(rb"\r?\n" if self.loose else rb"\r\n", rest[: end.start()])
            words = first.split() if self.loose else first.split(b" ")
            if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
                break
            fields = self.fields(lines)
            host = fields.get(b"host", b"").split(b"\n")[0]
            if host:
                found.add((host, words[1]))
            rest = self.after_body(rest[end.end() :], words[0], fields)
        return found

    def fields(self, lines: list[bytes]) -> dict[bytes, bytes]:
        fields: dict[bytes, bytes] = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            name = name.lower().strip(b" \t\x00\x0b") if self.loose else name.lower()
            if colon and (self.last or name not in fields):
                fields[name] = value.strip(b" \t\x00\x0b" if self.loose else b" \t")
        return fields

    def after_body(self, data: bytes, method: bytes, fields: dict[bytes, bytes]) -> bytes | None:
        if method == b"GET" and not self.fat_get:
            return data
        chunked = fields.get(b"transfer-encoding", b"").lower() == b"chunked"
        length = fields.get(b"content-length")
        if length is not None and (self.length_first or not chunked):
            return data[int(length) :] if length.isdigit() else None
        return after_chunks(data) if chunked else data


def after_chunks(data: bytes) -> bytes | None:
    while match := re.match(rb"\s*([0-9A-Fa-f]+)[^\r\n]*\r?\n", data):
        size = int(match[1], 16)
        data = data[match.end() + size :]
        data = data[2:] if data[:2] == b"\r\n" else data
        if not size:
            return data
    return None


PIECES = st.sampled_from(
    [
        b"GET /1 HTTP/1.1\r\n", b"POST /2 HTTP/1.1\r\n", b"GET /3 HTTP/1.1\n", b"POST /4 HTTP/1.0\r\n",
        b"Host: a\r\n", b"Host: b\n", b"host : c\r\n", b"\x0bHost: d\r\n", b"X: y\r\n", b"X: y\n",
        b"Expect: 100-continue\r\n", b"Content-Length: 5\r\n", b"Content-Length: 30\r\n", b"Content-Length : 9\r\n",
        b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\n", b"\r\n", b"\n", b"5\r\nabcde\r\n", b"1a\r\n", b"0\r\n\r\n", b"0\r\n",
        b"hello", b"G", b" ",
    ]
)  # fmt: skip
SERVERS = st.builds(Server, *[st.booleans()] * 4)


@given(st.lists(PIECES, min_size=4, max_size=30), SERVERS, st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=300)
def test_whatever_a_server_reads_was_seen(pieces: list[bytes], server: Server, cuts: list[int]) -> None:
    data = b"POST /0 HTTP/1.1\r\nHost: z\r\n" + b"".join(pieces) + b"\r\n\r\n"
    seen = {(host, target) for _, host, target in play(Http1Stream, data, cuts, skip=True).lines}
    assert server.served(data) <= seen
