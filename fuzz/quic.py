"""Fuzz target: datagrams of a QUIC client."""

from hellos import QUIC_V2, QuicClient, client_hello, crypto_frame
from hyperward.webscan.protocols.crypto_pieces import MAX_PIECES
from hyperward.webscan.protocols.model import Request
from hyperward.webscan.protocols.quic import More, NotQuic, QuicStart

_HELLO = client_hello("www.example.com", alpn=(b"h3",))
_CLIENT = QuicClient()
_MOST_CONNECTIONS = 4
_SEALED = b"\x00"

TOKENS = (
    b"\x06\x00",
    b"\x06\x40",
    b"\x02\x00\x00\x00",
    b"\xbf\xff\xff\xff",
    crypto_frame(0, _HELLO),
    crypto_frame(9, _HELLO[9:30]),
)
SEEDS = (
    _SEALED
    + crypto_frame(90, _HELLO[90:])
    + bytes(20)
    + crypto_frame(40, _HELLO[40:95])
    + b"\x01"
    + crypto_frame(0, _HELLO[:40]),
    _SEALED + b"\x02\x05\x00\x01\x00\x00\x00" + crypto_frame(0, _HELLO) + b"\x1c\x0a\x06\x03bye",
    _SEALED + crypto_frame(0, _HELLO) + crypto_frame(len(_HELLO), client_hello("b.example")),
    b"\x01" + QuicClient(QUIC_V2, token=b"token").packet(crypto_frame(0, _HELLO)) + b"\xd0" + bytes(9),
    b"\x01" + QuicClient().packet(crypto_frame(0, _HELLO)) + QuicClient(number=1).packet(b"\x01"),
)


def target(data: bytes) -> None:
    """Take the bytes as frames of Initials that are sealed here (first byte even), or as datagrams (odd).

    The same connection sees a half, all, the other half and all again, so that frames meet others.
    """
    start = QuicStart()
    rest = data[1:]
    parts = (rest[len(rest) // 2 :], rest, rest[: len(rest) // 2], rest)
    for part in parts:
        _CLIENT.number = 0
        sealed = not data or data[0] % 2 == 0
        shown = start.feed(_CLIENT.packet(part) if sealed else part)
        if not isinstance(shown, Request | More | NotQuic):
            raise AssertionError("something else came out")  # noqa: TRY004
    for connection in start._connections:
        pieces = connection._pieces
        held = len(pieces.start) + sum(map(len, pieces._pieces))
        if len(pieces._pieces) > MAX_PIECES or held > sum(map(len, parts)):
            raise AssertionError("a connection holds more than it was given")
    if len(start._connections) > _MOST_CONNECTIONS:
        raise AssertionError("connections grow")
