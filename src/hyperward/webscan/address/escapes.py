"""Percent-escapes: decoded until none is left, then written once.

Decoding is a rewriting of `%XX` to a byte. No two escapes overlap (`%` is not a hexadecimal digit), so the order of
rewriting does not matter and there is just one end: some passes over the whole text reach it for all that is not
hostile, one pass with a stack reaches it for the rest in linear time.
"""

import re
from typing import Final

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_PASSES: Final = 4
_PERCENT: Final = ord("%")
_UNSAFE: Final = re.compile(rb"[\x00-\x20\x7f-\xff#%]")
_WRITTEN: Final = [b"%%%02X" % value for value in range(256)]
_HEX: Final = {ord(sign): int(sign, 16) for sign in "0123456789abcdefABCDEF"}


def decode(data: bytes) -> bytes:
    """Return `data` with percent-escapes decoded until there is none left, in time linear in its length."""
    for _ in range(_PASSES):
        if b"%" not in data:
            return data
        decoded = _ESCAPE.sub(_byte, data)
        if len(decoded) == len(data):
            return data
        data = decoded
    return _decode_with_stack(data)


def encode(data: bytes) -> str:
    """Return `data` with the bytes escaped that Safe Browsing escapes: up to 32, from 127 on, `#` and `%`."""
    return _UNSAFE.sub(_escape, data).decode("ascii")


def escape(data: bytes, unsafe: re.Pattern[bytes]) -> str:
    """Return `data`, which is ASCII apart from what `unsafe` matches, with each byte that it matches escaped."""
    return unsafe.sub(_escape, data).decode("ascii")


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode("ascii"))


def _escape(found: re.Match[bytes]) -> bytes:
    return _WRITTEN[found[0][0]]


def _decode_with_stack(data: bytes) -> bytes:
    out = bytearray()
    for value in data:
        out.append(value)
        # A decoded byte may complete the escape before it, which may complete the one before that.
        while len(out) > 2 and out[-3] == _PERCENT and out[-2] in _HEX and out[-1] in _HEX:  # noqa: PLR2004
            value = _HEX[out[-2]] << 4 | _HEX[out[-1]]  # noqa: PLW2901 - the byte that stands there now
            out[-3:] = bytes((value,))
    return bytes(out)
