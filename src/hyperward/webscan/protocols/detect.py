"""Which protocol a client speaks, told from its first bytes on any port: TLS, HTTP/1, HTTP/2 or DNS.

After a CONNECT or an Upgrade the next bytes are told anew: a tunnel may hold TLS, a refused upgrade goes on as HTTP/1.
"""

from hyperward.webscan.protocols.dns import DnsTcpStream, message_begins
from hyperward.webscan.protocols.http1 import Http1Stream
from hyperward.webscan.protocols.http2 import PREFACE, Http2Stream
from hyperward.webscan.protocols.model import Asked, Body, ClientStream, Step
from hyperward.webscan.protocols.tls import TlsStream
from hyperward.webscan.protocols.tls import begins as tls_begins
from hyperward.webscan.protocols.window import FOREVER, Window

_DNS_PORT = 53
_ONLY_HTTP = frozenset(range(0x21, 0x100)) - {PREFACE[0]}  # first bytes that no other protocol here begins with


def client_stream(port: int) -> ClientStream:
    """Return a parser for what a client sends on a new connection.

    Args:
        port: that it connects to. DNS is read more readily on port 53; everything else is told by form alone.
    """
    return _DetectedStream(port)


class _DetectedStream:
    __slots__ = ("_base", "_http1", "_inner", "_port", "_wary", "_window")

    def __init__(self, port: int) -> None:
        self._port = port
        self._inner: ClientStream | None = None
        self._http1: Http1Stream | None = None  # `_inner` when it is that
        self._base = 0  # offset that `_inner` calls 0
        self._window: Window | None = None  # bytes that do not tell yet
        self._wary = False

    @property
    def decided(self) -> int:
        if self._inner is None:
            return self._base if self._window is None else self._window.at
        decided = self._inner.decided
        return FOREVER if decided >= FOREVER else decided + self._base

    def feed(self, offset: int, data: bytes) -> list[Step]:
        http1 = self._http1
        steps = self._take(offset, data) if http1 is None else http1.feed(offset, data)
        while self._http1 is not None and self._http1.tunnel is not None:
            steps.pop()  # not the end of the stream: it goes on as another one
            tunnel = self._http1.tunnel
            self._inner = self._http1 = None
            self._base, self._wary = tunnel.offset, tunnel.wary
            steps += self._take(tunnel.offset, tunnel.data)
        return steps

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
        if not self._detect(window):
            return []
        self._window = None
        held = bytes(window.data)
        return self._http1.feed(window.start, held) if self._http1 else self._take(window.start, held)

    def _start_http1(self, start: int) -> Http1Stream:
        self._inner = self._http1 = stream = Http1Stream(start=start, wary=self._wary)
        self._base = 0
        return stream

    def _detect(self, window: Window) -> bool:
        """Choose a parser when the bytes tell which; False when more are needed."""
        data = window.data
        if not data:
            return False
        tests = (
            (message_begins(data, strict=self._port != _DNS_PORT), DnsTcpStream),
            (tls_begins(bytes(data[:2])), TlsStream),
            (_preface_begins(data), Http2Stream),
        )
        for found, stream in tests:
            if found:
                self._inner, self._base = stream(), window.start
                return True
        if any(found is None for found, _ in tests):
            return False
        self._start_http1(window.start)
        return True


def _preface_begins(data: bytes | bytearray) -> bool | None:
    begin = data[: len(PREFACE)]
    if not PREFACE.startswith(begin):
        return False
    return True if len(begin) == len(PREFACE) else None


def _moved(step: Step, base: int) -> Step:
    match step:
        case Asked(request, end):
            return Asked(request, end + base)
        case Body(until):
            return Body(until + base)
        case _:
            return step
