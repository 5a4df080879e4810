"""Request lines: is this one, and which requests can a server read in it. Pure.

Servers differ in what they take for a request line, and a client that wants to get past a scanner writes what they
differ about. So a line that is not perfect is read in every way that some server reads it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from hyperward.webscan.protocols.model import Request, WebProtocol

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
"""One byte of a method or of a field name (RFC 9110, 5.6.2)."""

BODYLESS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"DELETE"})
"""Methods whose content has no defined meaning (RFC 9110, 9.3): some servers do not read it as content."""

# The IANA registry of methods, those of UPnP, and those that Windows uses for large transfers over HTTP.
METHODS = BODYLESS | frozenset(
    b"""POST PUT PATCH QUERY ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR
    MKCOL MKREDIRECTREF MKWORKSPACE MOVE ORDERPATCH PROPFIND PROPPATCH REBIND REPORT SEARCH UNBIND UNCHECKOUT UNLINK
    UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL PURGE NOTIFY SUBSCRIBE UNSUBSCRIBE M-SEARCH RPC_IN_DATA
    RPC_OUT_DATA BITS_POST CCM_POST""".split()
)
"""Methods that a request is known by; others are read too, but never held back."""

_PREFIXES = frozenset(method[:length] for method in METHODS for length in range(1, len(method) + 1))
_MAX_METHOD = 32
_SPACE = 0x20
_MAX_SPACES = 64
_BEGIN = re.compile(rb"(" + TOKEN + rb"{1,%d})([ \t]{0,%d})" % (_MAX_METHOD, _MAX_SPACES))
_SCHEMES = (b"http://", b"https://")
_BLANKS = b" \t\x0b\x0c\r"
_VERSION = re.compile(rb"[ \t\x0b\x0c]HTTP/([0-9])(?:\.([0-9]))?", re.IGNORECASE)
_KNOWN = re.compile(
    rb"(" + b"|".join(re.escape(m) for m in sorted(METHODS, key=len, reverse=True)) + rb")[ \t\x0b\x0c\r]++(.+)",
    re.DOTALL,
)
_ODD = re.compile(
    rb"(?<![^ \t\x0b\x0c\r])([^ \t\x0b\x0c\r]++)[ \t\x0b\x0c\r]++((?:/|\*|https?://).*)", re.DOTALL | re.IGNORECASE
)
BLANK_LINE = re.compile(rb"\n\r?\n")
"""The end of a head, with the end of the line before it."""
_BLANK_START = re.compile(rb"[\r\n\t ]*+")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*:[/\\]{2}([^/?#\\]*)(.*)", re.DOTALL)


class Beginning(Enum):
    """What the first bytes of a request line show."""

    NO = "no request line"
    HOLD = "the first letters of a known method"
    WATCH = "perhaps a method that nobody knows"
    KNOWN = "a known method"
    ODD = "a method that nobody knows, and what looks like a target"


@dataclass(frozen=True, slots=True)
class Line:
    """A request line.

    Args:
        method: as written.
        targets: what servers may take as the target; the most likely one first, at least one.
        version: `1.0` or `1.1`, whichever is nearer.
    """

    method: bytes
    targets: tuple[bytes, ...]
    version: str


def first_of_line(data: bytes | bytearray, pos: int) -> int:
    """Return the index from `pos` on where a request line may begin: servers skip empty lines, some skip blanks."""
    if pos < len(data) and data[pos] > _SPACE:
        return pos
    match = _BLANK_START.match(data, pos)
    return match.end() if match else pos


def beginning(data: bytes | bytearray, pos: int) -> Beginning:
    """Tell from as few bytes as possible whether a request line begins at index `pos`.

    Text protocols in which the server speaks first (SMTP, FTP, SSH, POP3, IMAP) are told apart by the first word: what
    follows an unknown one has to be a path, `*` or an HTTP address.
    """
    match = _BEGIN.match(data, pos)
    if match is None:
        return Beginning.NO if pos < len(data) else Beginning.WATCH
    method, after = bytes(match[1]), match.end()
    if not match[2]:
        if after < len(data) or method.startswith(b"SSH-"):
            return Beginning.NO
        return Beginning.HOLD if method in _PREFIXES else Beginning.WATCH
    if method in METHODS:
        return Beginning.KNOWN
    rest = bytes(data[after : after + len(_SCHEMES[1])]).lower()
    if rest.startswith((b"/", b"*", *_SCHEMES)):
        return Beginning.ODD
    return Beginning.WATCH if any(scheme.startswith(rest) for scheme in _SCHEMES) else Beginning.NO


def read_line(text: bytes) -> Line | None:
    """Read a line that names an HTTP version, wherever in the line the method begins; None when it is none.

    Args:
        text: without its line end.
    """
    version = None
    for version in _VERSION.finditer(text):  # noqa: B007 - the last one: targets may hold blanks
        pass
    if version is None:
        return None
    before = text[: version.start()]
    found = _KNOWN.search(before) or _ODD.search(before)
    number = "1.0" if version[1] == b"0" or (version[1] == b"1" and version[2] in {None, b"0"}) else "1.1"
    if found is None:
        method = before.strip(_BLANKS)
        return Line(method, (b"/",), number) if method in METHODS else None
    return Line(found[1], _targets(found[2]), number)


def read_simple_line(text: bytes) -> Line | None:
    """Read a line without a version, as of HTTP/0.9, or with one that is no HTTP version; None when it is none.

    Only a known method with a path or an absolute address is taken: Redis, NNTP and others have commands of that name.
    """
    method, _, rest = text.strip(_BLANKS).replace(b"\t", b" ").partition(b" ")
    target = rest.strip(_BLANKS)
    if method not in METHODS or not target.lower().startswith((b"/", *_SCHEMES)):
        return None
    return Line(method, _targets(target), "1.0")


def requests(line: Line, hosts: Sequence[bytes]) -> tuple[Request, ...]:
    """Return every request that a server may read: the target goes before the Host field, or the other way round.

    Args:
        line: of the request.
        hosts: of its Host fields; empty for none.
    """
    found: dict[tuple[bytes, bytes | None], None] = {}
    for host in hosts or (b"",):
        for target in line.targets:
            found[host, target] = None
            absolute = None if target[:1] == b"/" else _ABSOLUTE.match(target)
            if not host:
                continue
            if absolute and absolute[1].lower() != host.lower():
                rest = absolute[2]
                found[host, rest if rest[:1] == b"/" else b"/" + rest] = None
            elif line.method == b"CONNECT" and target.lower() != host.lower():
                found[host, None] = None
    return tuple(Request(WebProtocol.HTTP, host, target, line.method, line.version) for host, target in found)


def names_host(line: Line) -> bool:
    """Whether the line itself says for which host it is."""
    return line.method == b"CONNECT" or any(_ABSOLUTE.match(target) for target in line.targets)


def _targets(text: bytes) -> tuple[bytes, ...]:
    """Return the whole text, its first word, and the last word that is a path or an address."""
    whole = text.strip(_BLANKS)
    words = whole.split()
    if len(words) == 1:
        return (whole,)
    paths = [word for word in words if word.lower().startswith((b"/", *_SCHEMES))]
    return tuple(dict.fromkeys((whole, words[0], *paths[-1:])))
