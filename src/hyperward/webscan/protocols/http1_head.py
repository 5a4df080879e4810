"""Heads that are exactly as RFC 9112 wants them, which nearly all are: one regular expression, and what they mean.

A head that this module does not take is read by `http1_hunt`.
"""

import re
from dataclasses import dataclass

from hyperward.webscan.protocols.http1_line import BODYLESS, METHODS, TOKEN, Line, requests
from hyperward.webscan.protocols.model import Request, WebProtocol

_HEAD = re.compile(
    rb"([A-Z][A-Z_\-]{1,20}) ([!-~\x80-\xff]+) HTTP/1\.([01])\r\n(?:" + TOKEN + rb"++:[\t -~\x80-\xff]*+\r\n)*+\r\n"
)
_FIELDS = re.compile(rb"\n(host|content-length|transfer-encoding|upgrade|expect):[\t ]*([^\r]*)", re.IGNORECASE)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_VERSIONS = {b"0": "1.0", b"1": "1.1"}
_MAX_HOSTS = 16
_HTTP = WebProtocol.HTTP
_BLANKS = b" \t"
_HOST_LENGTH = len(b"host")


@dataclass(frozen=True, slots=True)
class Framing:
    """What follows a head.

    Args:
        length: of the body in bytes.
        chunked: the body is in chunks.
        unclear: servers may differ about where the body ends.
        doubtful: servers may not read the body as one.
        tunnel: another protocol may follow (CONNECT, Upgrade).
    """

    length: int = 0
    chunked: bool = False
    unclear: bool = False
    doubtful: bool = False
    tunnel: bool = False


@dataclass(slots=True)
class Head:
    """A head whose last byte is before index `end`."""

    end: int
    requests: tuple[Request, ...]
    framing: Framing


def read_usual_head(data: bytes | bytearray) -> Request | None:
    """Read bytes that are one whole perfect head, with a path, one Host field and no body; None for all others.

    It says the same as `read_clean_head`, in half the time.
    """
    match = _HEAD.match(data)
    if match is None or match.end() != len(data):
        return None
    method, target, minor = match.groups()
    fields = _FIELDS.findall(data, match.end(3))
    # the expression matches no other field of the length of "host"
    if len(fields) != 1 or len(fields[0][0]) != _HOST_LENGTH or target[:1] != b"/" or method not in METHODS:
        return None
    if method == b"CONNECT":
        return None
    return Request(_HTTP, fields[0][1].rstrip(_BLANKS), target, method, _VERSIONS[minor])


def read_clean_head(data: bytes | bytearray, pos: int) -> Head | None:
    """Read the head that begins at index `pos`; None when it is not complete or not perfect.

    Every Host field is a request of its own, the first and last 16 of them.
    """
    match = _HEAD.match(data, pos)
    if match is None:
        return None
    method, target, minor = match.groups()
    if method not in METHODS:
        return None
    fields = _FIELDS.findall(data, match.end(3), match.end())
    named = [(name.lower(), value.rstrip(_BLANKS)) for name, value in fields]
    hosts = tuple(dict.fromkeys(value for name, value in named if name == b"host"))
    if len(hosts) > 2 * _MAX_HOSTS:
        hosts = hosts[:_MAX_HOSTS] + hosts[-_MAX_HOSTS:]
    line = Line(method, (target,), _VERSIONS[minor])
    return Head(match.end(), requests(line, hosts), _framing(line, named))


def _framing(line: Line, fields: list[tuple[bytes, bytes]]) -> Framing:
    """Return what follows (RFC 9112, 6.3); `unclear` wherever it says that a server may or must refuse."""
    lengths = {value for name, value in fields if name == b"content-length"}
    codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
    tunnel = line.method == b"CONNECT" or any(name == b"upgrade" for name, _ in fields)
    bodyless = line.method in BODYLESS
    if codings:
        clear = codings == [b"chunked"] and not lengths and line.version == "1.1" and not bodyless
        return Framing(chunked=clear, unclear=not clear, tunnel=tunnel)
    if not lengths:
        return Framing(tunnel=tunnel)
    value = lengths.pop()
    if lengths or not _LENGTH.fullmatch(value):
        return Framing(unclear=True, tunnel=tunnel)
    length = int(value)
    if length and line.method == b"CONNECT":
        return Framing(unclear=True, tunnel=True)
    doubtful = length > 0 and (bodyless or any(name == b"expect" for name, _ in fields))
    return Framing(length=length, doubtful=doubtful, tunnel=tunnel)
