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
from hyperward.webscan.scanner.around import Blocked, looks_like_start
from hyperward.webscan.scanner.blockpage import PageValues
from hyperward.webscan.scanner.commands import Command, Drop, Found, Mark
from hyperward.webscan.scanner.copyflow import CopyFlow
from hyperward.webscan.scanner.fragments import Reassembler
from hyperward.webscan.scanner.frames import SYN, TAG_END, TCP, Fragment, Packet, parse_frame
from hyperward.webscan.scanner.kernel import KernelFlows
from hyperward.webscan.scanner.opening import open_flow
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
        """Return what the other end acknowledged last."""
        known = self._kernel.known(packet.key)
        return None if known is None else known.ack

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
        packet, gone = self._fragments.add(fragment, self._edges.clock())
        for let_go in gone:
            self._let_go(let_go.frames, closed=self._is_closed(let_go.port))
        if packet is not None:
            self._packet(packet)

    def _tcp(self, packet: Packet) -> None:
        found = self.flows.get(packet.port, packet.key)
        flow = None if isinstance(found, QuicFlow) else found
        # The kernel forgets what it was told of a connection with the first SYN of another one.
        if flow is not None and not self._kernel.holds(packet.key):
            flow = self._after_loss(packet, flow)
        first = flow is None
        if flow is None:
            flow = self._open(packet)
            if flow is None:
                return
        commands = flow.packet(packet, self)
        self._do(commands, first=first)
        if first and not any(isinstance(command, Mark) for command in commands):
            self._kernel.mark(flow.mark(), first=True)
        self._touch(packet.port, flow)

    def _touch(self, port: int, flow: Flow) -> None:
        for owner, gone in self.flows.touch(port, flow, self._edges.clock()):
            self.counters["flows_evicted"] += 1
            self._holding.pop(gone.key, None)
            self._let_go(gone.let_go(), closed=self._is_closed(owner))

    def _after_loss(self, packet: Packet, flow: TcpFlow | CopyFlow) -> TcpFlow | CopyFlow | None:
        """Return the flow where it goes on, None where another connection took its place."""
        known = self._kernel.known(packet.key)
        ack = None if known is None else known.ack
        is_next = ack is None or ack == packet.seq or bool(packet.flags & SYN)
        if is_next and packet.payload and (not flow.waiting or looks_like_start(packet.payload)):
            self.flows.forget(packet.port, packet.key)
            return None
        # Left out of the kernel's table for lack of room, or a late packet of the old connection.
        if packet.seq == flow.next:
            self._kernel.mark(flow.mark(), first=True)
        return flow

    def _open(self, packet: Packet) -> TcpFlow | CopyFlow | None:
        """Return the flow that an unknown packet opens; None where there is nothing to remember."""
        key, port = packet.key, packet.destination_port
        opened = open_flow(
            packet,
            self._kernel.known(key),
            lambda: self._kernel.entry(key),
            lambda: self._edges.streams(port),
            self._edges.started_ns,
        )
        if isinstance(opened, list):
            self._do(opened, first=False)
            return None
        return opened

    def _udp(self, packet: Packet) -> None:
        rules = self.rules.ports.get(packet.port)
        if rules is not None and rules.scan.quic and is_initial(packet.payload):
            flow = self.flows.get(packet.port, packet.key)
            quic = flow if isinstance(flow, QuicFlow) else QuicFlow(packet.key)
            quic.seen = self._edges.clock()
            self._do(quic.packet(packet, self), first=True)
            self._touch(packet.port, quic)
            if quic.waiting:
                self._holding.setdefault(packet.key, quic)
        elif rules is not None and rules.scan.dns:
            self._do(dns_packet(packet, self), first=False)
        else:
            self._let_go(packet.frames, closed=False)

    def _settle_quic(self, flow: QuicFlow, now: float) -> None:
        port = int.from_bytes(flow.key[32:36], "little")
        frames = flow.let_go()
        if self.flows.get(port, flow.key) is flow:
            self.flows.touch(port, flow, now)
        self._let_go(frames, closed=False)

    def _do(self, commands: list[Command], *, first: bool) -> None:
        for command in commands:
            if isinstance(command, Mark):
                self._kernel.mark(command, first=first)
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
