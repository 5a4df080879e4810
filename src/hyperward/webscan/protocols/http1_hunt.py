"""Requests in bytes of which nobody can say where one message ends and the next one begins. Pure.

Where servers differ about the framing (two lengths, a length and chunks, bare line feeds, folded lines, blanks before
a colon), following one reading would let pass the requests of another. Whatever the reading, a request head stands in
the stream as contiguous lines. So every line of the stream is looked at: one that ends in an HTTP version is a request
line, every Host field after it is its host, an empty line ends it. Nothing needs to be held back for that, because a
server acts on a head when its empty line is there, and the packet that brings it is seen first.
"""

import re

from hyperward.webscan.protocols.http1_line import Line, names_host, read_line, requests
from hyperward.webscan.protocols.model import Asked

_KEEP = 16384  # bytes of a line; servers take 8 to 16 KB
_KEEP_HOST = 1024  # a name has at most 253 bytes
_FIRST_HOSTS, _FIRST_LINES = 4, 2  # kept of a head, beside the last ones: servers take the first or the last
_LAST_LINES = 2
_CARRIAGE_RETURN = 13
_HEAD_ENDS = (b"\r\n\r\n", b"\n\r\n", b"\n\n", b"\r\n\n")  # the first one is the end for every server
# Whether an empty line came after the request line: none, one that only lenient servers take for one, one for all.
_OPEN, _PERHAPS, _CLOSED = 0, 1, 2
_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")
# A field may follow any control byte, because some servers end lines there, and blanks are let pass before the colon.
_HOST = re.compile(
    rb"(?:^|(?<=[\x00-\x08\x0a-\x1f\x7f\x85]))[ \t]*+host[\x00-\x20\x7f-\xa0]*+:([^\r\n]*)", re.IGNORECASE
)
_UPGRADE = re.compile(rb"(?:^|[\x00-\x1f\x7f\x85])[ \t]*+upgrade[\x00-\x20\x7f-\xa0]*+:", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Hunt:
    """Finds request heads at any place of a stream.

    Args:
        line: request line that the stream is in the middle of the head of.

    Attributes:
        openings: offsets at which another protocol may begin (after CONNECT, Upgrade); for the caller to take away.
    """

    __slots__ = (
        "_closed",
        "_hosts",
        "_line_end",
        "_lines",
        "_opens",
        "_outer",
        "_outer_hosts",
        "_tail",
        "_told",
        "openings",
    )

    def __init__(self, line: Line | None = None) -> None:
        self.openings: list[int] = []
        self._opens = False  # another protocol may follow this head
        self._lines: list[Line] = [] if line is None else [line]
        self._hosts: list[bytes] = []
        self._outer = line  # the first request line since the last empty line on which all servers agree
        self._outer_hosts: list[bytes] = []  # that were told with it
        self._closed = _OPEN
        self._told = False  # all that was found of this head was returned
        self._line_end = b""  # of the last line
        self._tail = b""

    @property
    def knows_host(self) -> bool:
        """Whether a host is known of the head that the stream is in the middle of."""
        return bool(self._hosts) or any(names_host(line) for line in self._lines)

    def feed(self, offset: int, data: bytes) -> list[Asked]:
        """Take the next bytes of the stream, the first of which is at `offset`."""
        text = self._tail + data
        start = offset - len(self._tail)
        if self._nothing_in(text.lower()):
            self._tail = text[text.rfind(b"\n") + 1 :][-_KEEP - 1 :]
            return []
        found: list[Asked] = []
        begin = 0
        for match in _LINE_END.finditer(text):
            end = match.end()
            # a lone carriage return is known as a line end by the byte after it
            known = start + end + (text[end - 1] == _CARRIAGE_RETURN)
            line_end = match[0]
            if match.start() > begin:
                self._take(text[begin : match.start()][-_KEEP:], known, found)
            else:
                found += self.tell(known)
                self._close(known, self._line_end + line_end)
            self._line_end = line_end
            begin = end
        self._tail = text[begin:][-_KEEP - 1 :]
        return found

    def _nothing_in(self, lowered: bytes) -> bool:
        """Whether no line of the text can change anything."""
        if b"http/" in lowered:
            return False
        if not self._lines:
            return True
        done = self._closed == _CLOSED and self._told and not self._opens
        return done and b"host" not in lowered and b"upgrade" not in lowered

    def _close(self, end: int, line_ends: bytes) -> None:
        """Take an empty line; `line_ends` are that of the line before it and its own."""
        if self._opens and line_ends in _HEAD_ENDS:
            self.openings.append(end)
        certain = line_ends == _HEAD_ENDS[0]
        if certain:
            self._opens = False
        self._closed = max(self._closed, _CLOSED if certain else _PERHAPS)

    def tell(self, end: int) -> list[Asked]:
        """Return the requests of what is known so far of a head; their end is `end`."""
        if self._told or not self._lines:
            return []
        self._told = True
        made = dict.fromkeys(request for line in self._lines for request in requests(line, self._hosts))
        more = [host for host in self._hosts if host not in self._outer_hosts]
        if more and self._outer is not None and self._outer is not self._lines[0]:
            made.update(dict.fromkeys(requests(self._outer, more)))
        self._outer_hosts = (self._outer_hosts + more)[-_FIRST_HOSTS - 1 :]
        return [Asked(request, end) for request in made]

    def _take(self, text: bytes, end: int, found: list[Asked]) -> None:
        """Take a line that is not empty."""
        lowered = text.lower()
        line = read_line(text) if b"http/" in lowered else None
        if line is not None:
            self._begin(line, end, found)
            return
        if self._lines and b"host" in lowered:
            for host in _HOST.findall(text):
                self._add(host.strip(b" \t")[:_KEEP_HOST])
        if self._lines and b"upgrade" in lowered and _UPGRADE.search(text):
            self._opens = True

    def _begin(self, line: Line, end: int, found: list[Asked]) -> None:
        if self._closed:
            found += self.tell(end)
            self._lines, self._hosts = [], []
        if self._closed == _CLOSED or self._outer is None:
            self._outer, self._outer_hosts = line, []
            self._opens = False
        self._closed = _OPEN
        # Perhaps a field of the head before ("Via: ..."), perhaps a request that a body was cut short for.
        if len(self._lines) == _FIRST_LINES + _LAST_LINES:
            del self._lines[_FIRST_LINES]
        self._lines.append(line)
        self._told = False
        self._opens = self._opens or line.method == b"CONNECT"

    def _add(self, host: bytes) -> None:
        for name in dict.fromkeys((host, _CONTROL.split(host, maxsplit=1)[0])):
            if name in self._hosts:
                continue
            if len(self._hosts) > _FIRST_HOSTS:
                self._hosts.pop()
            self._hosts.append(name)
            self._told = False
