"""What the copies of one TCP connection's packets show. Nothing is held, changed or answered. Pure.

Copies may come in another order, or not at all: what is ahead waits a little, and after a gap reading begins again at
what looks like a start.
"""

from typing import Final

from hyperward.webscan.scanner.around import Around, looks_like_start
from hyperward.webscan.scanner.commands import Command, FlowState, Mark
from hyperward.webscan.scanner.frames import Packet
from hyperward.webscan.scanner.reader import Reader
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
        "_reader",
        "_streams",
        "began_ns",
        "counted",
        "finished",
        "first",
        "key",
        "next",
        "seen",
        "size",
        "waiting",
    )

    def __init__(self, key: bytes, start: int, streams: Streams, *, missed: bool = False) -> None:
        self.key = key
        self.next = start
        self.began_ns = 0
        self.first: int | None = None
        self.seen = 0.0
        self.counted = 0
        self.size = 0
        self.finished = False
        self.waiting = False
        self._streams = streams
        self._reader: Reader | None = None if missed else Reader(streams())
        self._missed = MAX_MISSED
        self._fed = 0
        self._ahead: dict[int, Packet] = {}

    @property
    def stateful(self) -> bool:
        """Whether forgetting it would lose what a later request needs."""
        return self._reader is not None and self._reader.stateful

    def mark(self) -> Mark:
        """Return what the kernel should know of the flow."""
        if self.finished:
            return Mark(self.key, FlowState.DONE, self.next)
        return Mark(self.key, FlowState.UNTIL, self.next, (self.next + min(self._body_left(), MAX_PASS)) & MASK)

    def let_go(self) -> tuple[bytes, ...]:
        """Give up the flow; there is nothing that was held."""
        return ()

    def packet(self, packet: Packet, around: Around) -> list[Command]:
        """Take the copy of a packet of the VM."""
        if self.finished or not packet.payload:
            return []
        commands: list[Command] = []
        distance = ahead(packet.seq, self.next)
        if distance > self._body_left():
            self._wait(packet)
        elif distance > 0 or ahead(packet.end, self.next) > 0:
            self._take(packet, around, commands)
        self._take_waiting(around, commands)
        self.waiting = self._reader is not None and self._reader.is_undecided(self._fed)
        return commands

    def _wait(self, packet: Packet) -> None:
        self._ahead[packet.seq] = packet
        self.size = sum(len(waiting.payload) for waiting in self._ahead.values())
        if len(self._ahead) > MAX_AHEAD or self.size > MAX_AHEAD_BYTES:
            self.next = min(self._ahead, key=lambda seq: ahead(seq, self.next))
            self._reader, self._fed = None, 0

    def _take_waiting(self, around: Around, commands: list[Command]) -> None:
        while self._ahead and not self.finished:
            reach = self._body_left()
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
        if self._reader is None:
            if not looks_like_start(data):
                self._pass_missed(packet, commands)
                return
            self._reader, offset = Reader(self._streams()), 0
        self._fed = offset + len(data)
        self.next = packet.end
        self._reader.read(packet, offset, data, around, commands)
        self.finished = self._reader.finished
        if self.finished or self._reader.until > self._fed:
            commands.append(self.mark())

    def _pass_missed(self, packet: Packet, commands: list[Command]) -> None:
        self.next = packet.end
        self._missed -= 1
        if not self._missed:
            self.finished = True
            commands.append(self.mark())

    def _body_left(self) -> int:
        return 0 if self._reader is None else max(0, self._reader.until - self._fed)
