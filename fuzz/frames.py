"""Fuzz target: frames as the kernel hands them to a web scanner, from the first byte to the verdict.

An input is a row of frames, each behind its length in two bytes. A scanner that sees only this row must not stumble;
another that sees all rows of the run, with little room, must keep its bounds.
"""

import struct
from collections.abc import Iterator

from hellos import client_hello, quic_start, records
from hyperward.webscan.address import from_request
from hyperward.webscan.address.model import Address
from hyperward.webscan.database.model import Entry, EntryKind, Match
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.scanner.fragments import MAX_BYTES, MAX_DATAGRAMS
from hyperward.webscan.scanner.frames import TAG_END, Fragment, Packet, parse_frame
from hyperward.webscan.scanner.kernel import Known, StubKernel
from hyperward.webscan.scanner.recent import MOST
from hyperward.webscan.scanner.records import WebRecord
from hyperward.webscan.scanner.rules import make_rules
from hyperward.webscan.scanner.scanner import Edges, Scanner
from hyperward.webscan.scanner.table import Limits
from hyperward.webscan.settings import HelloAction, PortScan, ScannerSettings, WebAction, WebScan
from web_frames import ACK, FIN, RST, SYN, URG, Line

_LENGTH = struct.Struct("!H")
_LIMITS = Limits(flows=512, port_flows=256, bytes=256 << 10, port_bytes=128 << 10)
_SPARE = 200_000
"""What one packet may bring at most above the limit, before others make room for it."""
_FRAME_SECONDS = 0.003
_MAX_ENTRIES = 4096
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_COPY, _TO_VM, _WHOLE, _PORT = 0x4000, 0x2000, 0x6000, 0xFFF

_FOUR, _SIX = Line(), Line("fd77::1", "fd77::9")
_GET = b"GET /bad?x=1 HTTP/1.1\r\nHost: evil.test\r\n\r\n"
_POST = b"POST / HTTP/1.1\r\nHost: good.test\r\nContent-Length: 3000\r\n\r\n"
_QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04evil\x04test\x00\x00\x01\x00\x01"
_HELLO = records(client_hello("www.good.test", encrypted=True))


def _row(*frames: bytes) -> bytes:
    return b"".join(_LENGTH.pack(len(frame)) + frame for frame in frames)


def _chained(*kinds: int, protocol: int = 6) -> bytes:
    """Return extension headers of IPv6, each 8 bytes, before a segment with a request."""
    named = [*kinds[1:], protocol]
    chain = b"".join(bytes([name, 0, 0, 0, 0, 0, 0, 1]) for name in named)
    return _SIX.ether(_SIX.ip(_SIX.segment(100, _GET), extensions=chain, first=kinds[0]))


def _six_parts(transport: bytes, cut: int, protocol: int) -> Iterator[bytes]:
    for begin, end in ((0, cut), (cut, len(transport))):
        part = bytes([protocol, 0]) + (begin | (end < len(transport))).to_bytes(2, "big") + b"\0\0\0\7"
        yield _SIX.ether(_SIX.ip(transport[begin:end], extensions=part, first=44))


TOKENS = (
    b"\x81\x00\x00\x05",
    b"\x88\xa8\x00\x05",
    b"\x08\x00\x45\x00",
    b"\x86\xdd\x60\x00",
    b"\x45\x00\x00\x28\x00\x01\x20\x00\x40\x06",
    b"\x2c\x00\x00\x01\x00\x00\x00\x07",
    b"\x00\x00\xc2\x04\x00\x00\x00\x30",
    b"\x50\x02",
    b"\x50\x38\xff\xff\x00\x00\x00\x05",
    _GET,
    _POST,
    _row(_FOUR.tcp(100, _GET)),
)
SEEDS = (
    _row(
        _FOUR.tcp(100, _GET[:20]),
        _FOUR.tcp(120, _GET[20:]),
        _FOUR.tcp(120, _GET[20:]),
        _FOUR.tcp(144, b"", flags=FIN | ACK),
    ),
    _row(_FOUR.tcp(100, _POST + b"x" * 300), _FOUR.tcp(700, b"x" * 300), _FOUR.tcp(100 + len(_POST) + 3000, _GET)),
    _row(_FOUR.tcp(99, _POST, flags=SYN), _FOUR.tcp(99, b"", flags=SYN | ACK), _FOUR.tcp(100, _GET, flags=ACK | URG)),
    _row(*_FOUR.fragments(_FOUR.segment(100, _GET * 3), [40, 80]), _FOUR.tcp(100, b"x", flags=RST)),
    _row(*_FOUR.fragments(_FOUR.datagram(_QUERY), [16], 17), Line(remote_port=53).udp(_QUERY)),
    _row(*(Line(remote_port=443).udp(datagram) for datagram in quic_start("evil.test"))),
    _row(Line(remote_port=443, port=8).tcp(5, _HELLO[:90]), Line(remote_port=443, port=8).tcp(95, _HELLO[90:])),
    _row(Line(copy=True, vlans=(5, 6)).tcp(100, _GET), Line(copy=True, vlans=(5, 6)).tcp(300, _GET)),
    _row(_chained(0, 60), _chained(43, 51, 0), _chained(60, 60, 60, 60, 60, 60, 60), _SIX.tcp(200, _GET)),
    _row(*_six_parts(_SIX.segment(100, _GET * 2), 56, 6), *_six_parts(_SIX.datagram(_QUERY), 16, 17)),
)


class _World:
    """Lists `evil.test`; remembers nothing; the other end has got what a frame says that it has."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.kernel = StubKernel()
        self.now = 100.0
        self._copies = False
        self.scanner = Scanner(
            Edges(self.kernel, self.write, self, client_stream, clock=lambda: self.now, started_ns=2),
            limits,
        )
        scan = WebScan({"malicious": WebAction.BLOCK}, dns=True, encrypted_hello=HelloAction.RESET)
        ports = {number: PortScan("vm", "policy", 0, closed_busy=number == 8) for number in (7, 8)}  # noqa: PLR2004
        self.scanner.rules = make_rules(
            ScannerSettings(1, "svm", scans=(scan,), ports=ports), self, from_request, lambda _: self
        )

    def lookup(self, address: Address) -> tuple[Match, ...]:
        if address.host != "evil.test":
            return ()
        return (Match(Entry(EntryKind.HOST, "evil.test", "malicious", "list", "7"), "v1"),)

    def may_list(self, _host: str) -> bool:
        return True

    def find(self, _address: Address) -> str | None:
        return None

    def write(self, frame: bytes | WebRecord) -> bool:
        if isinstance(frame, WebRecord):
            return True
        tci = int.from_bytes(frame[14:TAG_END], "big")
        # With a copy, packets may go on that were held; nothing is ever answered to one.
        is_answer = self._copies and tci & _WHOLE
        if is_answer or len(frame) < TAG_END or tci & ~_PORT & 0xEFFF not in {0, _TO_VM, _WHOLE}:
            raise AssertionError("this frame is not to be written")
        return True

    def take(self, frame: bytes) -> None:
        parsed = parse_frame(frame)
        tci = int.from_bytes(frame[14:TAG_END], "big")
        self._copies = bool(tci & _COPY)
        if isinstance(parsed, Packet):
            turn = frame[-1]
            self.kernel.flows = {parsed.key: Known(1 + turn % 3, (parsed.seq - turn % 5 // 4 * 9) & 0xFFFFFFFF, None)}
        self.scanner.frame(frame)
        self._copies = False
        self.now += _FRAME_SECONDS
        self.scanner.tick()
        if isinstance(parsed, Packet | Fragment) and (parsed.port, parsed.copy) != (tci & _PORT, bool(tci & _COPY)):
            raise AssertionError("the port is not that of the tag")
        self._check()

    def _check(self) -> None:
        scanner = self.scanner
        if scanner.counters["exceptions"]:
            raise AssertionError("an exception")
        limits, flows, fragments = scanner.flows.limits, scanner.flows, scanner._fragments
        if len(flows) > limits.flows or flows.bytes > limits.bytes + _SPARE:
            raise AssertionError("too many flows")
        if len(fragments) > MAX_DATAGRAMS or fragments.bytes > MAX_BYTES:
            raise AssertionError("too many fragments")
        if len(scanner._holding) > limits.flows or len(scanner._recent._until) > MOST:
            raise AssertionError("too much is remembered")
        if len(self.kernel.entries) > _MAX_ENTRIES:
            self.kernel.entries.clear()
        self.kernel.written.clear()


_SHARED = _World(_LIMITS)


def target(data: bytes) -> None:
    """Hand the frames to a scanner of their own, and to the one of all rows."""
    own = _World()
    for frame in _frames(data):
        own.take(frame)
        _SHARED.take(frame)


def _frames(data: bytes) -> Iterator[bytes]:
    """Cut the row into frames; every other one gets lengths that fit, so that what is behind them is read."""
    at = 0
    while at + 2 <= len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        frame = data[at + 2 : at + 2 + size]
        at += 2 + size
        if len(frame) >= TAG_END:  # the kernel itself pushes the tag
            tci = int.from_bytes(frame[14:TAG_END], "big") & (_COPY | _PORT)
            frame = frame[:12] + b"\x81\x00" + tci.to_bytes(2, "big") + frame[TAG_END:]
        yield _mended(frame) if sum(frame[-4:]) % 2 else frame


def _mended(frame: bytes) -> bytes:
    if frame[16:18] == _IPV4 and len(frame) >= 20:  # noqa: PLR2004
        return frame[:20] + _LENGTH.pack(len(frame) - 18) + frame[22:]
    if frame[16:18] == _IPV6 and len(frame) >= 58:  # noqa: PLR2004
        return frame[:22] + _LENGTH.pack(len(frame) - 58) + frame[24:]
    return frame
