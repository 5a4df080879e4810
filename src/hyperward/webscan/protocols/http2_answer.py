"""The answer to a request over HTTP/2 that is blocked. Pure."""

from hyperward.webscan.protocols.http2_frame import Flag, FrameType, frame

MAX_PAGE = 65535
"""Bytes that a server may send before the client opens the window (RFC 9113, 6.9.2)."""
_MAX_FRAME = 16384  # RFC 9113, 6.5.2
_FORBIDDEN = b"\x08\x03403"  # names by their index in the static table (RFC 7541, Appendix A): 8 is :status
_CONTENT_TYPE, _CONTENT_LENGTH, _CACHE_CONTROL = b"\x0f\x10", b"\x0f\x0d", b"\x0f\x09"  # 31, 28, 24


def block_response(stream: int, html: bytes, *, settings_needed: bool) -> bytes:
    """Return the frames that answer a request with status 403 and a page, and then end the connection.

    No field enters the table of the client, and no value is Huffman-coded: right whatever the server said before.

    Args:
        stream: of the request.
        html: page in UTF-8; cut at 65,535 bytes, the window that every client opens at first.
        settings_needed: nothing came from the server yet, so that the connection has to begin with SETTINGS.
    """
    page = html[:MAX_PAGE]
    fields = (
        _FORBIDDEN
        + _literal(_CONTENT_TYPE, b"text/html; charset=utf-8")
        + _literal(_CONTENT_LENGTH, b"%d" % len(page))
        + _literal(_CACHE_CONTROL, b"no-store")
    )
    parts = [frame(FrameType.SETTINGS, Flag(0), 0, b"")] if settings_needed else []
    parts.append(frame(FrameType.HEADERS, Flag.END_HEADERS, stream, fields))
    pieces = [page[begin : begin + _MAX_FRAME] for begin in range(0, len(page), _MAX_FRAME)] or [b""]
    parts += [frame(FrameType.DATA, Flag(0), stream, piece) for piece in pieces[:-1]]
    parts.append(frame(FrameType.DATA, Flag.END_STREAM, stream, pieces[-1]))
    parts.append(frame(FrameType.GOAWAY, Flag(0), 0, stream.to_bytes(4, "big") + bytes(4)))
    return b"".join(parts)


def _literal(name: bytes, value: bytes) -> bytes:
    """Return a field that is not indexed, with a value shorter than 127 bytes (RFC 7541, 6.2.2)."""
    return name + bytes((len(value),)) + value
