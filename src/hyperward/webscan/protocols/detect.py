"""Which protocol a client speaks, told from its first bytes on any port: TLS, HTTP/1, HTTP/2 or DNS.

After a CONNECT or an Upgrade the next bytes are told anew: a tunnel may hold TLS, a refused upgrade goes on as HTTP/1.
"""

from collections.abc import Callable

from hyperward.webscan.protocols.dns import DnsTcpStream, message_begins
from hyperward.webscan.protocols.http1 import Http1Stream
from hyperward.webscan.protocols.http2 import PREFACE, Http2Stream
from hyperward.webscan.protocols.model import Asked, Body, ClientStream, Step
from hyperward.webscan.protocols.tls import TlsStream
from hyperward.webscan.protocols.tls import begins as tls_begins
from hyperward.webscan.protocols.window import FOREVER, Window

_DNS_PORT = 53
_MAX_SIDES = 4  # a client needs one
_ONLY_HTTP = frozenset(range(0x21, 0x100)) - {PREFACE[0]}  # first bytes that no other protocol here begins with


def client_stream(port: int) -> ClientStream:
    """Return a parser for what a client sends on a new connection.

    Args:
        port: that it connects to. DNS is read more readily on port 53; everything else is told by form alone.
    """
    return _DetectedStream(port)


class _DetectedStream:
    """Hands over to the parser of the protocol, once that is known."""

    __slots__ = ("_base", "_http1", "_inner", "_port", "_sides", "_window")

    def __init__(self, port: int) -> None:
        self._port = port
        self._inner: ClientStream | None = None
        self._http1: Http1Stream | None = None  # `_inner` when it is that
        self._base = 0  # offset that `_inner` calls 0
        self._window: Window | None = None  # bytes that do not tell yet
        self._sides: list[_SideStream] = []

    @property
    def decided(self) -> int:
        if self._inner is None:
            return self._base if self._window is None else self._window.at
        decided = self._inner.decided
        return FOREVER if decided >= FOREVER else decided + self._base

    def feed(self, offset: int, data: bytes) -> list[Step]:
        http1 = self._http1
        steps = self._take(offset, data) if http1 is None else http1.feed(offset, data)
        while (http1 := self._http1) is not None and http1.tunnel is not None:
            steps.pop()  # not the end of the stream: it goes on as another one
            self._inner = self._http1 = None
            self._base = http1.tunnel.offset
            steps += self._take(http1.tunnel.offset, http1.tunnel.data)
        if http1 is not None and (self._sides or http1.openings):
            steps += self._feed_sides(http1, offset, data)
            steps.sort(key=_place)
        return steps

    def _feed_sides(self, http1: Http1Stream, offset: int, data: bytes) -> list[Asked]:
        """Read on at places where another protocol may have begun, while every line is looked at as HTTP/1 as well."""
        self._sides += [_SideStream(self._port, opening) for opening in http1.openings[: _MAX_SIDES - len(self._sides)]]
        http1.openings.clear()
        return [asked for side in self._sides for asked in side.feed(offset, data)]

    def _take(self, offset: int, data: bytes) -> list[Step]:
        """Take bytes that are not known to be HTTP/1."""
        if self._inner is not None:
            steps = self._inner.feed(offset - self._base, data)
            return [_moved(step, self._base) for step in steps] if self._base else steps
        if self._window is None:
            if offset == self._base and data and self._port != _DNS_PORT and data[0] in _ONLY_HTTP:
                return self._start_http1(offset).feed(offset, data)
            self._window = Window(self._base)
        window = self._window
        if not window.put(offset, data):
            self._window = None
            return self._start_http1(window.start).feed(offset, data)  # which says that bytes are missing
        found = _detect(window.data, self._port)
        if found is None:
            return []
        self._window = None
        held = bytes(window.data)
        if found is Http1Stream:
            return self._start_http1(window.start).feed(window.start, held)
        self._inner, self._base = found(), window.start
        return self._take(window.start, held)

    def _start_http1(self, start: int) -> Http1Stream:
        self._inner = self._http1 = stream = Http1Stream(start=start)
        self._base = 0
        return stream


class _SideStream:
    """What begins at an offset of a stream whose framing is unclear, when that is another protocol than HTTP/1.

    Only its requests count. It holds nothing back: no server acts on a part of a ClientHello or of a header block.
    """

    __slots__ = ("_ended", "_inner", "_port", "_start", "_window")

    def __init__(self, port: int, start: int) -> None:
        self._port = port
        self._start = start
        self._window = Window(start)  # bytes that do not tell yet
        self._inner: ClientStream | None = None
        self._ended = False

    def feed(self, offset: int, data: bytes) -> list[Asked]:
        """Take the next bytes of the stream, those before the start too."""
        if self._ended:
            return []
        if self._inner is None:
            self._window.put(max(offset, self._start), data[max(0, self._start - offset) :])
            found = _detect(self._window.data, self._port)
            if found is None:
                return []
            self._ended = found is Http1Stream
            self._inner = found()
            offset, data = self._start, bytes(self._window.data)
            self._window.clear()
        if self._ended:
            return []
        steps = self._inner.feed(offset - self._start, data)
        return [Asked(step.request, step.end + self._start) for step in steps if isinstance(step, Asked)]


def _detect(data: bytes | bytearray, port: int) -> Callable[[], ClientStream] | None:
    """Tell the protocol; None when more bytes are needed."""
    if not data:
        return None
    tests = (
        (message_begins(data, strict=port != _DNS_PORT), DnsTcpStream),
        (tls_begins(bytes(data[:2])), TlsStream),
        (_preface_begins(data), Http2Stream),
    )
    for found, stream in tests:
        if found:
            return stream
    return None if any(found is None for found, _ in tests) else Http1Stream


def _preface_begins(data: bytes | bytearray) -> bool | None:
    begin = data[: len(PREFACE)]
    if not PREFACE.startswith(begin):
        return False
    return True if len(begin) == len(PREFACE) else None


def _place(step: Step) -> int:
    match step:
        case Asked(_, end):
            return end
        case Body(until):
            return until
        case _:
            return FOREVER


def _moved(step: Step, base: int) -> Step:
    match step:
        case Asked(request, end):
            return Asked(request, end + base)
        case Body(until):
            return Body(until + base)
        case _:
            return step
