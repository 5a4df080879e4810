"""Fuzz target: DNS queries in datagrams and streams, and the answers to them."""

from dns.exception import DNSException
from dns.message import from_wire

from client_streams import play
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.protocols.dns import HEADER, DnsTcpStream, answer, queries

_NAME = b"\x03www\x07example\x03com\x00"
_EDNS = b"\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00"
_QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x01\x00\x00" + _NAME + b"\x00\x01\x00\x01"
_WITH_EDNS = b"\x12\x35\x01\x20\x00\x01\x00\x00\x00\x00\x00\x01" + _NAME + b"\x00\x1c\x00\x01" + _EDNS
_TWO = b"\x12\x36\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00" + _NAME + b"\x00\x01\x00\x01\x01a\xc0\x10\x00\x41\x00\x01"
_ODD = b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04a.b\\\x02\x00\xff\x00\x00\xff\x00\x01"
_MESSAGES = (_QUERY, _WITH_EDNS, _TWO, _ODD)

TOKENS = (b"\xc0\x0c", b"\xc0\x00", b"\xff\xff", b"\x3f" + b"a" * 63, _NAME, _EDNS, b"\x41")
SEEDS = (*_MESSAGES, b"".join(len(message).to_bytes(2, "big") + message for message in _MESSAGES))


def target(data: bytes) -> None:
    """Read the bytes as a datagram and as a stream; what is read can be answered, and dnspython reads the answer."""
    width = 1 + sum(data[-3:]) % 37
    cuts = range(width, len(data), width)
    for make in (DnsTcpStream, lambda: client_stream(53), lambda: client_stream(5353)):
        whole = play(make, data)
        if not whole == play(make, data, cuts) == play(make, data, cuts, skip=True):
            raise AssertionError("another split shows something else")
    found = queries(data)
    for sinkhole4, sinkhole6 in (("", ""), ("192.0.2.1", "2001:db8::1")):
        response = answer(data, sinkhole4=sinkhole4, sinkhole6=sinkhole6)
        if response[:2] != data[:2] and len(data) >= HEADER:
            raise AssertionError("the answer is to another query")
        if not found:
            continue
        try:
            message = from_wire(response)
        except DNSException as error:
            raise AssertionError("the answer cannot be read") from error
        if message.question and message.question[0].name.to_text(omit_final_dot=True).encode() != found[0].host:
            raise AssertionError("the answer is about another name")
