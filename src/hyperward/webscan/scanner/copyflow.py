"""What the copies of one TCP connection's packets show. Nothing is held, changed or answered. Pure.

Copies may come in another order, or not at all: what is ahead waits a little, and after a gap reading begins again at
what looks like a start.
"""

from typing import Final

from hyperward.webscan.protocols.model import Asked, Body, ClientStream
from hyperward.webscan.scanner.around import Around, looks_like_start
from hyperward.webscan.scanner.commands import Command, FlowState, Found, Mark
from hyperward.webscan.scanner.frames import Packet
from hyperward.webscan.scanner.sequence import MASK, ahead
from hyperward.webscan.scanner.tcpflow import MAX_PASS, Streams

MAX_AHEAD: Final = 16
MAX_AHEAD_BYTES: Final = 32_768
MAX_MISSED: Final = 256
"""Packets without a start, after a gap, after which the connection is let go."""


class CopyFlow:
    """The client's side of a connection, seen in copies.

    Args:
        key: `struct flow_key`, packed.
        start: sequence number of the first byte that is looked at.
        streams: makes a parser.
        missed: whether the connection began before we looked.
    """

    __slots__ = (
        "_ahead",
        "_fed",
        "_missed",
        "_stream",
        "_streams",
        "_until",
        "counted",
        "finished",
        "key",
        "next",
        "seen",
        "size",
        "stateful",
        "waiting",
    )

    blocked = False

    def __init__(self, key: bytes, start: int, streams: Streams, *, missed: bool = False) -> None:
        self.key = key
        self.next = start
        self.seen = 0.0
        self.counted = 0
        self.size = 0
        self.finished = False
        self.stateful = False
        self.waiting = False
        self._streams = streams
        self._stream: ClientStream | None = None if missed else streams()
        self._missed = MAX_MISSED
        self._fed = 0
        self._until = 0
        self._ahead: dict[int, Packet] = {}

    def mark(self) -> Mark:
        """Return what the kernel should know of the flow."""
        if self.finished:
            return Mark(self.key, FlowState.DONE, self.next)
        return Mark(self.key, FlowState.UNTIL, self.next, (self.next + self._passing()) & MASK)

    def let_go(self) -> tuple[bytes, ...]:
        """Give up the flow; there is nothing that was held."""
        return ()

    def packet(self, packet: Packet, around: Around) -> list[Command]:
        """Take the copy of a packet of the VM."""
        if self.finished or not packet.payload:
            return []
        commands: list[Command] = []
        distance = ahead(packet.seq, self.next)
        if distance > max(0, self._until - self._fed):
            self._wait(packet)
        elif distance > 0 or ahead(packet.end, self.next) > 0:
            self._take(packet, around, commands)
        self._take_waiting(around, commands)
        self.waiting = self._stream is not None and self._stream.decided < self._fed
        return commands

    def _wait(self, packet: Packet) -> None:
        self._ahead[packet.seq] = packet
        self.size = sum(len(waiting.payload) for waiting in self._ahead.values())
        if len(self._ahead) > MAX_AHEAD or self.size > MAX_AHEAD_BYTES:
            self.next = min(self._ahead, key=lambda seq: ahead(seq, self.next))
            self._stream, self._fed, self._until = None, 0, 0

    def _take_waiting(self, around: Around, commands: list[Command]) -> None:
        while self._ahead and not self.finished:
            reach = max(0, self._until - self._fed)
            seq = next((seq for seq in self._ahead if ahead(seq, self.next) <= reach), None)
            if seq is None:
                break
            packet = self._ahead.pop(seq)
            if ahead(packet.end, self.next) > 0:
                self._take(packet, around, commands)
        if self.finished:
            self._ahead.clear()
        self.size = sum(len(waiting.payload) for waiting in self._ahead.values())

    def _take(self, packet: Packet, around: Around, commands: list[Command]) -> None:
        distance = ahead(packet.seq, self.next)
        data = packet.payload[max(0, -distance) :]
        offset = self._fed + max(0, distance)
        if self._stream is None:
            if not looks_like_start(data):
                self._pass_missed(packet, commands)
                return
            self._stream, self._until, offset = self._streams(), 0, 0
        self._fed = offset + len(data)
        self.next = packet.end
        for step in self._stream.feed(offset, data):
            if isinstance(step, Asked):
                self._asked(packet, step, around, commands)
            elif isinstance(step, Body):
                self._until = step.until
            else:
                self.finished = True
        if self.finished or self._until > self._fed:
            commands.append(self.mark())

    def _asked(self, packet: Packet, asked: Asked, around: Around, commands: list[Command]) -> None:
        verdict = around.judge(packet, asked.request)
        if asked.request.version == "2":
            self.stateful = True
        if verdict.match is not None or verdict.hidden_name:
            reason = "never_block" if verdict.exempt else "copy" if verdict.block else ""
            commands.append(Found(packet, asked.request, verdict, around.event_id(), "reported", reason))

    def _pass_missed(self, packet: Packet, commands: list[Command]) -> None:
        self.next = packet.end
        self._missed -= 1
        if not self._missed:
            self.finished = True
            commands.append(self.mark())

    def _passing(self) -> int:
        return min(max(0, self._until - self._fed), MAX_PASS)
