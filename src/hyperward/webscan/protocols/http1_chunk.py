"""Lines of the chunked coding (RFC 9112, 7.1), taken only in the form on which all servers agree. Pure."""

import re

from hyperward.webscan.protocols.http1_line import TOKEN

_MAX_LINE = 8192
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t -~\x80-\xff]*)?\r\n")
_SIZE_PART = re.compile(rb"(?:[0-9A-Fa-f]{1,15}(?:[ \t]*(?:;[\t -~\x80-\xff]*)?\r?)?)?")
_FIELD = re.compile(TOKEN + rb"+:[\t -~\x80-\xff]*\r\n|\r\n")
_FIELD_PART = re.compile(rb"(?:" + TOKEN + rb"+(?::[\t -~\x80-\xff]*\r?)?|\r)?")


def size_line(data: bytes | bytearray, pos: int) -> tuple[int, int] | None:
    """Read the line of a chunk's size at index `pos`.

    Returns:
        The index after the line and the size; index 0 when more bytes are needed. None when servers may differ about
        it.
    """
    match = _SIZE.match(data, pos, pos + _MAX_LINE)
    if match is not None:
        return match.end(), int(match[1], 16)
    return _more(_SIZE_PART, data, pos)


def trailer_line(data: bytes | bytearray, pos: int) -> tuple[int, int] | None:
    """Read a line of the trailer section at index `pos`.

    Returns:
        The index after the line and its length, 2 for the empty line at the end; otherwise as `size_line`.
    """
    match = _FIELD.match(data, pos, pos + _MAX_LINE)
    if match is not None:
        return match.end(), match.end() - pos
    return _more(_FIELD_PART, data, pos)


def _more(part: re.Pattern[bytes], data: bytes | bytearray, pos: int) -> tuple[int, int] | None:
    if len(data) - pos >= _MAX_LINE or not part.fullmatch(data, pos):
        return None
    return 0, 0
