"""DNS queries in datagrams and TCP streams, and the answer to one that is blocked (RFC 1035, RFC 7766).

Only the header and the questions of a query are read; what follows them does not say what is asked for.
"""

import re

from dns.exception import DNSException
from dns.name import Name
from dns.wire import Parser

from hyperward.webscan.protocols.dns_answer import answer
from hyperward.webscan.protocols.model import Asked, Body, Finished, Request, Step, WebProtocol
from hyperward.webscan.protocols.window import FOREVER, Window

__all__ = ["DnsTcpStream", "answer", "message_begins", "queries"]

HEADER = 12
_LENGTH = 2  # before each message in TCP
_SHORTEST = HEADER + 5  # one question for the root
_MAX_QUESTIONS = 32  # servers answer the first one, or none
_RESPONSE_OR_OPCODE = 0xF8  # of the third byte
_STRICT_HIGH = 8  # first byte of the length: below the control bytes that text may begin with
# QDCOUNT, ANCOUNT, NSCOUNT and ARCOUNT, as far as they came; NSCOUNT is 1 in an IXFR (RFC 1995)
_COUNTS = {
    True: re.compile(rb"(?:\x00(?:\x01(?:\x00{0,3}|\x00{4}.{0,2}))?)?", re.DOTALL),
    False: re.compile(rb"(?:\x00(?:[^\x00](?:\x00?|\x00\x00.{0,4}))?)?", re.DOTALL),
}


def queries(datagram: bytes) -> tuple[Request, ...]:
    """Return what a message asks for, a request per question; none when it is no query or malformed before the first.

    A host is written as in a zone file (RFC 1035, 5.1) without the last dot: bytes that are no letters are escaped, so
    that a dot within a label is not taken for one between labels.
    """
    if len(datagram) < _SHORTEST or datagram[2] & _RESPONSE_OR_OPCODE:
        return ()
    number = int.from_bytes(datagram[:2], "big")
    count = int.from_bytes(datagram[4:6], "big")
    parser = Parser(datagram, HEADER)
    found: dict[bytes, None] = {}
    try:
        for _ in range(min(count, _MAX_QUESTIONS)):
            name = parser.get_name(decompress=True)
            parser.get_bytes(4)
            found[_text(name)] = None
    except DNSException:
        pass
    return tuple(Request(WebProtocol.DNS, host, query_id=number) for host in found)


def message_begins(data: bytes | bytearray, *, strict: bool) -> bool | None:
    """Tell whether a TCP stream begins with a DNS query; None when these are too few bytes to tell.

    Args:
        data: the first bytes.
        strict: on a port that is not DNS's own: one question, and not more bytes than a query has as a rule.
    """
    if strict and data and data[0] > _STRICT_HIGH:
        return False
    if len(data) < _LENGTH:
        return None
    head = bytes(data[_LENGTH : _LENGTH + HEADER])
    if int.from_bytes(data[:_LENGTH], "big") < _SHORTEST or any(byte & _RESPONSE_OR_OPCODE for byte in head[2:3]):
        return False
    if not _COUNTS[strict].fullmatch(head[4:]):
        return False
    return None if len(head) < HEADER else True


class DnsTcpStream:
    """The client's side of one DNS connection; see `ClientStream`. Messages that are no queries are passed over.

    Args:
        start: offset of the first message.
    """

    def __init__(self, *, start: int = 0) -> None:
        self._window = Window(start)
        self._finished = False
        self._begun = False

    @property
    def decided(self) -> int:
        """See `ClientStream`."""
        return FOREVER if self._finished else max(self._window.at, self._window.until)

    def feed(self, offset: int, data: bytes) -> list[Step]:
        """See `ClientStream`."""
        if self._finished:
            return []
        steps: list[Step] = []
        window = self._window
        if not window.put(offset, data):
            self._finish("bytes of the stream are missing", steps)
            return steps
        while self._message(steps):
            pass
        window.settle()
        return steps

    def _message(self, steps: list[Step]) -> bool:
        """Read the next message; False when more bytes are needed."""
        window = self._window
        data, pos = window.data, window.pos
        if window.at < window.until:
            return False
        if not self._begun:
            self._begun = bool(begins := message_begins(data, strict=False))
            if not begins:
                return begins is False and self._finish("no DNS query", steps)
        have = len(data) - pos
        end = pos + _LENGTH + int.from_bytes(data[pos : pos + _LENGTH], "big")
        if have < _LENGTH or have < min(_LENGTH + HEADER, end - pos):
            return False
        if end - pos < _LENGTH + HEADER or data[pos + _LENGTH + 2] & _RESPONSE_OR_OPCODE:
            steps.append(Body(window.start + end))
            return window.skip(window.start + end)
        if have < end - pos:
            return False
        found = queries(bytes(data[pos + _LENGTH : end]))
        window.pos = end
        steps.extend(Asked(request, window.at) for request in found)
        return True

    def _finish(self, why: str, steps: list[Step]) -> bool:
        self._finished = True
        self._window.clear()
        steps.append(Finished(why))
        return False


def _text(name: Name) -> bytes:
    return name.to_text(omit_final_dot=True).encode("ascii")
