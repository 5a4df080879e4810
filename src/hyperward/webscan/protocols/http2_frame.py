"""Frames of HTTP/2 (RFC 9113, section 4 and 6): types, flags, what is inside a header frame. Pure."""

from enum import IntEnum, IntFlag

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins a connection with (RFC 9113, 3.4)."""
FRAME_HEADER = 9
_PRIORITY_FIELDS = 5


class FrameType(IntEnum):
    """Those that matter here."""

    DATA = 0
    HEADERS = 1
    SETTINGS = 4
    PUSH_PROMISE = 5
    GOAWAY = 7
    CONTINUATION = 9


class Flag(IntFlag):
    """Of DATA, HEADERS and CONTINUATION frames."""

    END_STREAM = 0x1
    END_HEADERS = 0x4
    PADDED = 0x8
    PRIORITY = 0x20


def frame(kind: FrameType, flags: Flag, stream: int, payload: bytes) -> bytes:
    """Return a frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def fragment(whole: bytes) -> bytes | None:
    """Return the part of the header block that a HEADERS or CONTINUATION frame carries; None when it is malformed.

    Args:
        whole: the frame with its header.
    """
    kind, flags = whole[3], whole[4]
    if kind == FrameType.CONTINUATION:
        return whole[FRAME_HEADER:]
    begin, end = FRAME_HEADER, len(whole)
    if flags & Flag.PADDED:
        if begin == end:
            return None
        end -= whole[begin]
        begin += 1
    if flags & Flag.PRIORITY:
        begin += _PRIORITY_FIELDS
    return whole[begin:end] if begin <= end else None
