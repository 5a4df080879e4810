"""Fuzz target: the client's side of an HTTP/2 connection."""

from client_streams import play
from hyperward.webscan.protocols.http2 import MAX_TABLE, PREFACE, Http2Stream
from hyperward.webscan.protocols.http2_frame import Flag, FrameType, frame

_GET = bytes.fromhex("828684418c f1e3c2e5f23a6ba0ab90f4ff")  # RFC 7541, C.4.1
_LITERAL = b"\x83\x86\x04\x05/evil\x40\x04host\x0aa.example:8\x00\x01x\x01y"
_SETTINGS = frame(FrameType.SETTINGS, Flag(0), 0, b"\x00\x03\x00\x00\x00\x64")
_WHOLE = Flag.END_HEADERS | Flag.END_STREAM

TOKENS = (
    frame(FrameType.HEADERS, _WHOLE, 5, _GET),
    frame(FrameType.HEADERS, Flag(0), 7, _LITERAL[:5]),
    frame(FrameType.CONTINUATION, Flag(0), 7, b""),
    frame(FrameType.CONTINUATION, Flag.END_HEADERS, 7, _LITERAL[5:]),
    frame(FrameType.DATA, Flag.END_STREAM, 5, b"x" * 20),
    frame(FrameType.PUSH_PROMISE, Flag(0), 2, b"\x00\x00\x00\x04"),
    b"\x3f\xe1\x1f",  # table size 4,096
    b"\x20",  # table size 0
    b"\xbe" * 200,  # the newest entry of the table, again and again
    b"\x00\x00\x09",
)
SEEDS = (
    PREFACE
    + _SETTINGS
    + frame(FrameType.HEADERS, _WHOLE, 1, _GET)
    + frame(FrameType.HEADERS, _WHOLE, 3, b"\x82\x86\x84\xbe"),
    PREFACE
    + _SETTINGS
    + frame(
        FrameType.HEADERS, Flag.END_HEADERS | Flag.PADDED | Flag.PRIORITY, 1, b"\x03" + bytes(5) + _LITERAL + bytes(3)
    )
    + frame(FrameType.DATA, Flag(0), 1, b"body" * 9)
    + frame(FrameType.HEADERS, _WHOLE, 1, b"\x40\x01t\x01v"),
    PREFACE
    + _SETTINGS
    + frame(FrameType.HEADERS, Flag(0), 1, _LITERAL[:3])
    + frame(FrameType.CONTINUATION, Flag(0), 1, _LITERAL[3:9])
    + frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1, _LITERAL[9:])
    + frame(FrameType.GOAWAY, Flag(0), 0, bytes(8)),
)


def target(data: bytes) -> None:
    """Feed the bytes whole and in pieces that they choose; all must show the same, and the table keeps to its size."""
    streams: list[Http2Stream] = []

    def make() -> Http2Stream:
        streams.append(Http2Stream())
        return streams[-1]

    width = 1 + sum(data[-3:]) % 37
    cuts = range(width, len(data), width)
    whole = play(make, data)
    if not whole == play(make, data, cuts) == play(make, data, cuts, skip=True):
        raise AssertionError("another split shows something else")
    entries = streams[0]._decoder.header_table.dynamic_entries
    if not all(type(part) is bytes for entry in entries for part in entry):
        raise AssertionError("the table keeps whole header blocks alive")
    if sum(32 + len(name) + len(value) for name, value in entries) > MAX_TABLE:
        raise AssertionError("the table is larger than it may be")
