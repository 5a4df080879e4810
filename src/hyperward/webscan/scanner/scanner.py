"""The scanner: frames in, frames out, everything else at its edges behind small interfaces.

Whatever goes wrong with one packet lets that packet go on, as the policy's failure action says, and is logged.
"""

import time
import traceback
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from hyperward.events.ids import random_id
from hyperward.webscan.protocols.model import ClientStream, Request
from hyperward.webscan.scanner.answers import dns_response, tcp_answer
from hyperward.webscan.scanner.around import Blocked
from hyperward.webscan.scanner.blockpage import PageValues
from hyperward.webscan.scanner.commands import Command, Drop, Found, Mark
from hyperward.webscan.scanner.copyflow import CopyFlow
from hyperward.webscan.scanner.craft import as_whole
from hyperward.webscan.scanner.fragments import Reassembler
from hyperward.webscan.scanner.frames import SYN, TAG_END, TCP, Fragment, Packet, parse_frame
from hyperward.webscan.scanner.kernel import NOTHING_KNOWN, KernelFlows, Known
from hyperward.webscan.scanner.opening import ANOTHER_SYN, UNACCEPTED, is_another_syn, is_same, open_flow
from hyperward.webscan.scanner.recent import Recent
from hyperward.webscan.scanner.records import WebRecord
from hyperward.webscan.scanner.reporting import record_of, repeated_as
from hyperward.webscan.scanner.rules import Rules
from hyperward.webscan.scanner.table import Flow, FlowTable, Limits
from hyperward.webscan.scanner.tcpflow import TcpFlow
from hyperward.webscan.scanner.udpflow import HOLD_SECONDS, QuicFlow, dns_packet, is_initial
from hyperward.webscan.scanner.verdict import CLEAN, Verdict

_EXPIRE_SECONDS: Final = 1.0
_LOG_SECONDS: Final = 10.0
_PORT_BITS: Final = 0xFFF
_COPY_BYTE: Final = 0x40

log = structlog.get_logger(__name__)


class Records(Protocol):
    """Where records go."""

    def write(self, record: WebRecord) -> bool:
        """Write one; False where it was lost."""


@dataclass(frozen=True, slots=True)
class Edges:
    """What a scanner needs of the world.

    Args:
        kernel: its flows.
        write: puts a frame into the TAP device; False where it was lost.
        records: where records go.
        streams: makes a parser for a connection to a port.
        clock: seconds that only go forward.
        started_ns: CLOCK_MONOTONIC; connections that began before may be in the middle of something.
    """

    kernel: KernelFlows
    write: Callable[[bytes], bool]
    records: Records
    streams: Callable[[int], ClientStream]
    clock: Callable[[], float] = time.monotonic
    started_ns: int = 0


class Scanner:
    """Handles the frames of one TAP device.

    Args:
        edges: the world.
        limits: bounds of what is remembered.
    """

    def __init__(self, edges: Edges, limits: Limits | None = None) -> None:
        self.counters: Counter[str] = Counter()
        self.rules = Rules()
        self.flows = FlowTable(limits)
        self._edges = edges
        self._kernel = edges.kernel
        self._write = edges.write
        self._fragments = Reassembler()
        self._holding: OrderedDict[bytes, QuicFlow] = OrderedDict()
        self._recent = Recent()
        self._known = NOTHING_KNOWN
        self._expired = 0.0
        self._logged = float("-inf")

    def frame(self, frame: bytes) -> None:
        """Handle a frame as the kernel handed it over."""
        try:
            packet = parse_frame(frame)
            if isinstance(packet, Packet):
                self._packet(packet)
            elif isinstance(packet, Fragment):
                self._fragment(packet)
            else:
                self._let_go((frame,), closed=False)
        except Exception as error:  # noqa: BLE001 - no packet, and no fault of ours, may end the scan of all others
            self._trouble(frame, error)

    def tick(self) -> None:
        """Do what is due: datagrams that were held long enough go on, quiet flows are forgotten."""
        now = self._edges.clock()
        while self._holding:
            key, flow = next(iter(self._holding.items()))
            if flow.waiting and now - flow.since < HOLD_SECONDS:
                break
            del self._holding[key]
            self._settle_quic(flow, now)
        if now - self._expired >= _EXPIRE_SECONDS:
            self._expired = now
            self._fragments.expire(now)
            self.flows.expire(now)

    def judge(self, packet: Packet, request: Request) -> Verdict:
        """Return what is to be done with a request; nothing on a port without settings."""
        rules = self.rules.ports.get(packet.port)
        return CLEAN if rules is None else rules.judge.judge(request, packet.destination)

    def acknowledged(self, packet: Packet) -> int | None:
        """Return what the other end had acknowledged when the packet at hand was taken up."""
        del packet
        return self._known.ack

    def answer(self, blocked: Blocked) -> bytes | None:
        """Return what the VM gets for a blocked request."""
        packet, verdict = blocked.packet, blocked.verdict
        rules = self.rules.ports.get(packet.port)
        if rules is None:
            return None
        if packet.protocol != TCP:
            return dns_response(blocked.message, rules.scan)
        page = rules.page.render(
            PageValues(
                address=str(verdict.address or ""),
                category=verdict.match.entry.category if verdict.match else "",
                vm=rules.port.vm,
                policy=rules.port.policy,
                time=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
                event=blocked.event,
                contact=rules.scan.contact,
                svm=self.rules.svm,
            )
        )
        return tcp_answer(blocked.request, page, blocked.message, rules.scan, is_first=blocked.is_first)

    def event_id(self) -> str:
        """Return an id for an event."""
        return random_id(datetime.now(UTC))

    def _packet(self, packet: Packet) -> None:
        if packet.protocol == TCP:
            self._tcp(packet)
        else:
            self._udp(packet)

    def _fragment(self, fragment: Fragment) -> None:
        whole = self._fragments.add(fragment, self._edges.clock())
        if isinstance(whole, tuple):
            self._let_go(whole, closed=False)
        elif whole is not None and whole.protocol == TCP and not whole.copy:
            # Fragments are handed over by addresses alone: another scanner may follow the connection.
            self._send(as_whole(whole))
        elif whole is not None:
            self._packet(whole)

    def _tcp(self, packet: Packet) -> None:
        known = self._known = self._kernel.known(packet.key)
        found = self.flows.get(packet.port, packet.key)
        flow = None if isinstance(found, QuicFlow) else found
        if flow is not None and isinstance(flow, CopyFlow) != packet.copy:
            # Another mode, or another exclusion: what was held goes on, and copies are never acted upon.
            self.flows.forget(packet.port, packet.key)
            self._let_go(flow.let_go(), closed=False)
            flow = None
        if flow is not None and is_another_syn(flow, packet):
            self.counters[ANOTHER_SYN.why] += 1
            return
        tell = flow is None or flow.began_ns != known.began_ns
        if flow is not None and tell:
            if is_same(flow, known):
                flow.began_ns = known.began_ns
            elif flow.first != packet.seq or not packet.flags & SYN:
                self.flows.forget(packet.port, packet.key)
                flow = None
        if flow is None:
            flow = self._open(packet, known)
            if flow is None:
                return
        commands = flow.packet(packet, self)
        self._do(commands, flow.began_ns)
        if tell and not any(isinstance(command, Mark) for command in commands):
            self._mark(flow.mark(), flow.began_ns)
        self._touch(packet.port, flow)

    def _mark(self, mark: Mark, began_ns: int) -> None:
        if began_ns != UNACCEPTED:
            self._kernel.mark(mark, began_ns)

    def _touch(self, port: int, flow: Flow) -> None:
        for owner, gone in self.flows.touch(port, flow, self._edges.clock()):
            self.counters["flows_evicted"] += 1
            self._holding.pop(gone.key, None)
            self._let_go(gone.let_go(), closed=self._is_closed(owner))

    def _open(self, packet: Packet, known: Known) -> TcpFlow | CopyFlow | None:
        """Return the flow that an unknown packet opens; None where there is nothing to remember."""
        key, port = packet.key, packet.destination_port
        opened = open_flow(
            packet,
            known,
            lambda: self._kernel.entry(key),
            lambda: self._edges.streams(port),
            self._edges.started_ns,
        )
        if isinstance(opened, list):
            self._do(opened, known.began_ns)
            return None
        return opened

    def _udp(self, packet: Packet) -> None:
        rules = self.rules.ports.get(packet.port)
        if rules is not None and rules.scan.quic and is_initial(packet.payload):
            if len(packet.frames) > 1 and not packet.copy:
                self.counters["fragmented_quic"] += 1  # RFC 9000 (14) forbids it; the rest may be with another scanner
                return
            flow = self.flows.get(packet.port, packet.key)
            quic = flow if isinstance(flow, QuicFlow) else QuicFlow(packet.key)
            quic.seen = self._edges.clock()
            self._do(quic.packet(packet, self), 0)
            self._touch(packet.port, quic)
            if quic.waiting:
                self._holding.setdefault(packet.key, quic)
        elif rules is not None and rules.scan.dns:
            self._do(dns_packet(packet, self), 0)
        else:
            self._let_go(packet.frames, closed=False)

    def _settle_quic(self, flow: QuicFlow, now: float) -> None:
        port = int.from_bytes(flow.key[32:36], "little")
        frames = flow.let_go()
        if self.flows.get(port, flow.key) is flow:
            self.flows.touch(port, flow, now)
        self._let_go(frames, closed=False)

    def _do(self, commands: list[Command], began_ns: int) -> None:
        for command in commands:
            if isinstance(command, Mark):
                self._mark(command, began_ns)
            elif isinstance(command, Found):
                self._record(command)
            elif isinstance(command, Drop):
                self.counters[command.why] += 1
            else:
                for frame in command.frames:
                    self._send(frame)

    def _record(self, found: Found) -> None:
        same = repeated_as(found)
        if same is not None and self._recent.is_repeated(same[0], same[1], self._edges.clock()):
            return
        self.counters[found.done] += 1
        if not self._edges.records.write(record_of(found, time.time())):
            self.counters["records_lost"] += 1

    def _send(self, frame: bytes) -> None:
        if not self._write(frame):
            self.counters["write_failed"] += 1

    def _is_closed(self, port: int) -> bool:
        rules = self.rules.ports.get(port)
        return rules is not None and rules.port.closed_busy

    def _let_go(self, frames: tuple[bytes, ...], *, closed: bool) -> None:
        """Let frames go on that no verdict is for; copies never."""
        for frame in frames:
            if len(frame) < TAG_END or frame[14] & _COPY_BYTE:
                continue
            if closed:
                self.counters["closed"] += 1
            else:
                self._send(frame)

    def _trouble(self, frame: bytes, error: Exception) -> None:
        self.counters["exceptions"] += 1
        now = self._edges.clock()
        if now - self._logged >= _LOG_SECONDS:
            self._logged = now
            where = traceback.extract_tb(error.__traceback__)[-1]
            log.error(
                "packet_not_handled",
                reason=f"{type(error).__name__}: {error}",
                where=f"{where.name} in {where.filename}, line {where.lineno}",
                count=self.counters["exceptions"],
            )
        try:
            port = int.from_bytes(frame[14:16], "big") & _PORT_BITS
            closed = self._is_closed(port)
            packet = parse_frame(frame)
            if isinstance(packet, Packet):
                flow = self.flows.forget(packet.port, packet.key)
                if flow is not None:
                    self._let_go(flow.let_go(), closed=closed)
            self._let_go((frame,), closed=closed)
        except Exception as second:  # noqa: BLE001 - as above
            log.debug("packet_lost", reason=str(second))
