"""What happens to the packets of one TCP connection that carry something from the VM. Pure: packet in, commands out.

Only the next expected byte is taken in; what lies beyond it is dropped, and the sender sends it again. What overlaps
bytes that were judged has to be equal to them as long as the other end may not have got them. So the parser sees the
very stream that the other end will see, whatever the sender tries.

Packets that end within an undecided head are held, as far as a sender's first flight reaches. A longer head, or one
that the sender had to send again, goes on in parts, but never the packet that completes it before the verdict.
"""

from collections.abc import Callable
from typing import Final

from hyperward.webscan.protocols.model import ClientStream
from hyperward.webscan.scanner.around import Around, Blocked, looks_like_start
from hyperward.webscan.scanner.closing import Closing
from hyperward.webscan.scanner.commands import (
    BLOCKED,
    GAP,
    OTHER_CONTENT,
    TOO_MUCH,
    Command,
    FlowState,
    Forward,
    Found,
    Mark,
    ToVm,
)
from hyperward.webscan.scanner.craft import reset_to_server, without_urgent
from hyperward.webscan.scanner.frames import SYN, URG, Packet
from hyperward.webscan.scanner.kept import Kept
from hyperward.webscan.scanner.reader import Reader, Refused
from hyperward.webscan.scanner.sequence import MASK, ahead

MAX_HELD: Final = 9
MAX_HELD_BYTES: Final = 12_000
"""Just below the ten segments that a sender may send before it hears an acknowledgement (RFC 6928)."""
MAX_PASS: Final = 1 << 30
"""Sequence numbers are compared modulo 2^32; the kernel asks again after so many bytes."""
MAX_MISSED: Final = 16
"""Packets of a connection whose start was not seen that may pass before it is let go."""
BLOCKED_SECONDS: Final = 120
"""How long the kernel keeps a blocked connection apart; both ends have closed or given up then."""
_PRUNE_PIECES: Final = 4
_PRUNE_BYTES: Final = 16_384

Streams = Callable[[], ClientStream]


class TcpFlow:
    """The client's side of a connection.

    Args:
        key: `struct flow_key`, packed.
        start: sequence number of the first byte that is looked at.
        streams: makes a parser.
        missed: whether the connection began before we looked: then the first bytes may be from the middle of something.
        body: bytes from `start` on that belong to a body whose head was judged before.

    Attributes:
        next: sequence number of the next byte that is taken in.
        waiting: whether it ends within a head.
        began_ns, first: which connection it is, see `opening.py`.
        seen, counted: of the table that it is in.
    """

    __slots__ = (
        "_closing",
        "_fed",
        "_forwarded",
        "_held",
        "_held_bytes",
        "_kept",
        "_missed",
        "_passing",
        "_reader",
        "_streams",
        "began_ns",
        "counted",
        "first",
        "key",
        "next",
        "seen",
        "waiting",
    )

    def __init__(self, key: bytes, start: int, streams: Streams, *, missed: bool = False, body: int = 0) -> None:
        self.key = key
        self.began_ns = 0
        self.first: int | None = None
        self.seen = 0.0
        self.counted = 0
        self._streams = streams
        self._begin(start, missed=missed)
        self._fed = -body

    def _begin(self, start: int, *, missed: bool) -> None:
        self.next = start
        self.waiting = False
        self._reader = Reader(self._streams())
        self._missed = MAX_MISSED if missed else 0
        self._fed = 0  # offset in the stream of the byte at `next`
        self._forwarded = start  # what the other end may have got ends here
        self._held: list[tuple[bytes, ...]] = []
        self._held_bytes = 0
        self._kept = Kept()
        self._passing = False
        self._closing: Closing | None = None

    @property
    def size(self) -> int:
        """Bytes that are kept and held, roughly."""
        return self._kept.bytes + self._held_bytes

    @property
    def stateful(self) -> bool:
        """Whether forgetting it would lose what a later request needs."""
        return self._reader.stateful

    def mark(self) -> Mark:
        """Return what the kernel should know of the flow."""
        if self._closing is not None:
            return Mark(self.key, FlowState.BLOCKED, self.next, seconds=BLOCKED_SECONDS)
        if self._reader.finished:
            return Mark(self.key, FlowState.DONE, self.next)
        return Mark(self.key, FlowState.UNTIL, self.next, (self.next + min(self._body_left(), MAX_PASS)) & MASK)

    def let_go(self) -> tuple[bytes, ...]:
        """Return the frames that were held; they are held no more."""
        held, self._held, self._held_bytes = self._held, [], 0
        return tuple(frame for frames in held for frame in frames)

    def packet(self, packet: Packet, around: Around) -> list[Command]:  # noqa: PLR0911 - one line for each case
        """Take a packet of the VM."""
        if self._closing is not None:
            return [ToVm(self._closing.packet(packet)), BLOCKED]
        if packet.flags & URG and not self._reader.finished:
            packet = without_urgent(packet)
        distance = ahead(packet.seq, self.next)
        if not packet.payload:
            return [Forward(packet.frames)]
        if self._reader.finished and distance >= 0:
            # It was under way before the kernel knew, or the kernel has forgotten.
            return [self.mark(), Forward(packet.frames)]
        if distance == 0:
            return self._take(packet, packet.payload, self._fed, around)
        if distance < 0:
            return self._again(packet, -distance, around)
        if distance <= self._body_left():
            return self._within_body(packet, distance, around)
        return self._beyond(packet, around)

    def _body_left(self) -> int:
        return max(0, self._reader.until - self._fed)

    def _within_body(self, packet: Packet, distance: int, around: Around) -> list[Command]:
        """Take a packet that begins in a body, of which the kernel let pass what is between."""
        offset = self._fed + distance
        if offset + len(packet.payload) >= self._reader.until:
            return self._take(packet, packet.payload, offset, around)
        if distance + len(packet.payload) < MAX_PASS:
            return [self.mark(), Forward(packet.frames)]  # as above
        self._fed = offset + len(packet.payload)
        self.next = packet.end
        return [self.mark(), Forward(packet.frames)]

    def _again(self, packet: Packet, before: int, around: Around) -> list[Command]:
        """Take a packet that begins with `before` bytes which were taken before."""
        ack = around.acknowledged(packet)
        if not self._kept.agrees(packet.seq, packet.payload, ack):
            return [OTHER_CONTENT]
        if before < len(packet.payload):
            self._passing = self._passing or bool(self._held)
            return self._take(packet, packet.payload[before:], self._fed, around)
        if not self._held or ahead(packet.end, self._forwarded) <= 0:
            return [Forward(packet.frames)]
        # The sender gave up waiting for an acknowledgement of what is held: without one nothing more would come.
        self._passing = True
        self._forwarded = self.next
        return [Forward(self.let_go())]

    def _beyond(self, packet: Packet, around: Around) -> list[Command]:
        """Take a packet that is not next: it will come again, unless the other end has got what is missing."""
        ack = around.acknowledged(packet)
        expected = (self.next + self._body_left()) & MASK
        if ack is None or ahead(ack, expected) <= 0 or ahead(packet.seq, ack) > 0 or ahead(packet.end, ack) <= 0:
            return [GAP]
        # Something passed us by (failure action): begin again where the other end is.
        self._begin(ack, missed=True)
        return self._take(packet, packet.payload[ahead(ack, packet.seq) :], 0, around)

    def _take(self, packet: Packet, data: bytes, offset: int, around: Around) -> list[Command]:
        """Take the next bytes of the stream; `offset` is their place in it, beyond the last one only in a body."""
        if self._reader.finished:
            return [Forward(packet.frames)]
        if self._is_full(packet, around):
            return [TOO_MUCH]
        seq = (packet.end - len(data)) & MASK
        self._kept.add(seq, data)
        if offset > self._fed:
            self._forwarded = seq
        self._fed = offset + len(data)
        self.next = packet.end
        if self._missed:
            if not looks_like_start(data):
                return self._pass_missed(packet)
            self._missed = 0
            self._reader = Reader(self._streams())
            offset, self._fed = 0, len(data)
        elif offset < 0:  # the end of a body whose head another process has judged
            data, offset = data[-offset:], 0
        commands: list[Command] = []
        refused = self._reader.read(packet, offset, data, around, commands)
        if refused is not None:
            return self._block(packet, refused, around, commands)
        return self._settle(packet, commands)

    def _is_full(self, packet: Packet, around: Around) -> bool:
        """Tell whether too much of what was judged waits to be acknowledged; then the sender has to wait as well."""
        kept = self._kept
        if len(kept) < _PRUNE_PIECES and kept.bytes <= _PRUNE_BYTES:
            return False
        ack = around.acknowledged(packet)
        if ack is not None:
            kept.acknowledged(ack)
        return kept.is_full()

    def _settle(self, packet: Packet, commands: list[Command]) -> list[Command]:
        """Let a packet go on whose bytes were read, with those held before it, or hold it."""
        if self._reader.finished or self._reader.until > self._fed:
            commands.append(self.mark())
        if self._reader.is_undecided(self._fed):
            self.waiting = True
            if not self._has_to_pass(packet):
                self._held.append(packet.frames)
                self._held_bytes += len(packet.payload)
                return commands
            self._passing = True
        else:
            self.waiting = self._passing = False
        if self._held:
            commands.append(Forward(self.let_go()))
        self._forwarded = packet.end
        commands.append(Forward(packet.frames))
        return commands

    def _has_to_pass(self, packet: Packet) -> bool:
        return self._passing or len(self._held) >= MAX_HELD or self._held_bytes + len(packet.payload) > MAX_HELD_BYTES

    def _block(self, packet: Packet, refused: Refused, around: Around, commands: list[Command]) -> list[Command]:
        """End the connection on both sides: an answer or a reset for the VM, a reset for the other end."""
        event = around.event_id()
        answer = None
        if refused.answerable:
            message = self._kept.last(self._fed - refused.begin)
            message = message[: len(message) - (self._fed - refused.asked.end)]
            blocked = Blocked(packet, refused.asked.request, refused.verdict, event, message, refused.is_first)
            answer = around.answer(blocked)
        # Over HTTP/2 the server speaks by itself: at the start, and for other streams.
        self._closing = Closing(packet, answer, overtaken=refused.asked.request.version == "2")
        commands += [
            self.mark(),
            Found(packet, refused.asked.request, refused.verdict, event, "blocked"),
        ]
        if not packet.flags & SYN:
            # Before the answer: a client may open another connection with the same ports as soon as it has that.
            # A reset is taken for good only with the very next number, which may be that before a lost packet.
            expected = {self._forwarded}
            ack = around.acknowledged(packet)
            if ack is not None and ahead(ack, self._forwarded) < 0:
                expected.add(ack)
            commands.append(Forward(tuple(reset_to_server(packet, seq) for seq in sorted(expected))))
        commands.append(ToVm(self._closing.begin(packet)))
        self.waiting = False
        self._held, self._held_bytes, self._kept = [], 0, Kept()
        commands.append(BLOCKED)
        return commands

    def _pass_missed(self, packet: Packet) -> list[Command]:
        self._missed -= 1
        self._forwarded = packet.end
        if self._missed:
            return [Forward(packet.frames)]
        self._reader.finished = True
        return [self.mark(), Forward(packet.frames)]
