"""What happens to the packets of one TCP connection that carry something from the VM. Pure: packet in, commands out.

Only the next expected byte is taken in; what lies beyond it is dropped, and the sender sends it again. What overlaps
bytes that were judged has to be equal to them as long as the other end may not have got them. So the parser sees exactly
the stream that the other end will see, whatever the sender tries.

Packets that end within an undecided head are held, as far as a sender's first flight reaches; a longer head, or one that
the sender had to send again, goes on in parts, but never the packet that completes it before the verdict.
"""

from collections.abc import Callable
from typing import Final

from hyperward.webscan.protocols.model import Asked, Body, ClientStream
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
from hyperward.webscan.scanner.sequence import MASK, ahead
from hyperward.webscan.scanner.verdict import Verdict

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
    """

    __slots__ = (
        "_asked_ack",
        "_closing",
        "_fed",
        "_first_ack",
        "_forwarded",
        "_head",
        "_held",
        "_held_bytes",
        "_kept",
        "_missed",
        "_passing",
        "_pipelined",
        "_requests",
        "_stream",
        "_streams",
        "_until",
        "counted",
        "finished",
        "key",
        "next",
        "seen",
        "stateful",
        "waiting",
    )

    def __init__(self, key: bytes, start: int, streams: Streams, *, missed: bool = False, body: int = 0) -> None:
        self.key = key
        self.seen = 0.0
        self.counted = 0
        self._streams = streams
        self._begin(start, missed=missed)
        self._fed = -body

    def _begin(self, start: int, *, missed: bool) -> None:
        self.next = start
        self.finished = False
        self.stateful = False
        self.waiting = False
        self._stream = self._streams()
        self._missed = MAX_MISSED if missed else 0
        self._fed = 0
        self._until = 0
        self._head = 0
        self._forwarded = start
        self._held: list[tuple[bytes, ...]] = []
        self._held_bytes = 0
        self._kept = Kept()
        self._passing = False
        self._requests = 0
        self._asked_ack = 0
        self._first_ack = 0
        self._pipelined = False
        self._closing: Closing | None = None

    @property
    def size(self) -> int:
        """Bytes that are kept and held, roughly."""
        return self._kept.bytes + self._held_bytes

    @property
    def blocked(self) -> bool:
        """Whether the connection was blocked."""
        return self._closing is not None

    def mark(self) -> Mark:
        """Return what the kernel should know of the flow."""
        if self._closing is not None:
            return Mark(self.key, FlowState.BLOCKED, self.next, seconds=BLOCKED_SECONDS)
        if self.finished:
            return Mark(self.key, FlowState.DONE, self.next)
        return self._pass()

    def let_go(self) -> tuple[bytes, ...]:
        """Give up the flow: return the frames that were held."""
        held, self._held, self._held_bytes = self._held, [], 0
        return tuple(frame for frames in held for frame in frames)

    def packet(self, packet: Packet, around: Around) -> list[Command]:
        """Take a packet of the VM."""
        if self._closing is not None:
            frames = self._closing.packet(packet)
            return [ToVm(frames), BLOCKED] if frames else [BLOCKED]
        if packet.flags & URG and not self.finished:
            packet = _normal(packet)
        if not packet.payload:
            return [Forward(packet.frames)]
        distance = (packet.seq - self.next) & MASK
        if distance == 0:
            return self._take(packet, packet.payload, self._fed, around)
        distance = ahead(packet.seq, self.next)
        if self.finished and distance > 0:
            return [Forward(packet.frames)]  # it was under way before the kernel knew
        if distance < 0:
            return self._again(packet, -distance, around)
        if distance <= self._until - self._fed:
            return self._within_body(packet, distance, around)
        return self._beyond(packet, around)

    def _within_body(self, packet: Packet, distance: int, around: Around) -> list[Command]:
        """Take a packet that begins in a body, of which the kernel let pass what is between."""
        offset = self._fed + distance
        if offset + len(packet.payload) < self._until:
            if distance + len(packet.payload) < MAX_PASS:
                return [Forward(packet.frames)]  # it was under way before the kernel knew
            self._fed = offset + len(packet.payload)
            self.next = packet.end
            return [self._pass(), Forward(packet.frames)]
        return self._take(packet, packet.payload, offset, around)

    def _again(self, packet: Packet, before: int, around: Around) -> list[Command]:
        """Take a packet that begins with bytes which were taken before."""
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
        return self._release()

    def _beyond(self, packet: Packet, around: Around) -> list[Command]:
        """Take a packet that is not next: it will come again, unless the other end has got what is missing."""
        ack = around.acknowledged(packet)
        last = (self.next + max(0, self._until - self._fed)) & MASK
        if ack is None or ahead(ack, last) <= 0 or ahead(packet.seq, ack) > 0 or ahead(packet.end, ack) <= 0:
            return [GAP]
        # Something passed us by (failure action): begin again where the other end is.
        self._begin(ack, missed=True)
        return self._take(packet, packet.payload[ahead(ack, packet.seq) :], 0, around)

    def _take(self, packet: Packet, data: bytes, offset: int, around: Around) -> list[Command]:
        """Take the next bytes of the stream; `offset` is their place in it."""
        if self.finished:
            return [Forward(packet.frames)]
        if not self._fed:
            self._first_ack = packet.ack
        kept = self._kept
        if len(kept) >= _PRUNE_PIECES or kept.bytes > _PRUNE_BYTES:
            ack = around.acknowledged(packet)
            if ack is not None:
                kept.acknowledged(ack)
            if kept.is_full():
                return [TOO_MUCH]
        seq = (packet.end - len(data)) & MASK
        kept.add(seq, data)
        if offset > self._fed:
            self._forwarded = seq
        self._fed = end = offset + len(data)
        self.next = packet.end
        if self._missed:
            if not looks_like_start(data):
                return self._pass_missed(packet)
            self._missed = 0
            self._stream, self._until, self._head = self._streams(), 0, 0
            self._fed = end = len(data)
            offset = 0
        elif offset < 0:  # the end of a body whose head another scanner process has seen
            if end <= 0:
                return [Forward(packet.frames)]
            data, offset = data[-offset:], 0
        commands: list[Command] = []
        for step in self._stream.feed(offset, data):
            if isinstance(step, Asked):
                if not self._asked(packet, step, around, commands):
                    return commands
            elif isinstance(step, Body):
                self._until = self._head = step.until
            else:
                self.finished = True
        if self.finished:
            commands.append(Mark(self.key, FlowState.DONE, self.next))
        elif self._until > end:
            commands.append(self._pass())
        elif self._stream.decided < end:
            return self._hold(packet, commands)
        if self._held:
            commands += self._release()
        self.waiting = self._passing = False
        self._forwarded = packet.end
        commands.append(Forward(packet.frames))
        return commands

    def _asked(self, packet: Packet, asked: Asked, around: Around, commands: list[Command]) -> bool:
        """Judge a request; False where it is blocked."""
        request = asked.request
        verdict = around.judge(packet, request)
        if verdict.block:
            commands += self._block(packet, asked, verdict, around)
            return False
        if verdict.match is not None or verdict.hidden_name:
            reason = "never_block" if verdict.exempt else ""
            commands.append(Found(packet, request, verdict, around.event_id(), "reported", reason))
        self._head = asked.end
        if request.version == "2":
            self.stateful = True
        if self._requests and packet.ack == self._asked_ack:
            self._pipelined = True
        self._requests += 1
        self._asked_ack = packet.ack
        return True

    def _block(self, packet: Packet, asked: Asked, verdict: Verdict, around: Around) -> list[Command]:
        request = asked.request
        event = around.event_id()
        # An answer to an earlier request may be on its way, or half there: ours would be taken for it.
        outstanding = self._requests > 0 and (
            self._pipelined or packet.ack == self._asked_ack or request.version == "2"
        )
        answer = None
        if not outstanding:
            missing = self._fed - asked.end
            message = self._kept.last(self._fed - self._head)
            message = message[: len(message) - missing]
            is_first = packet.ack == self._first_ack
            answer = around.answer(Blocked(packet, request, verdict, event, message, is_first))
        self._closing = Closing(packet, answer)
        commands: list[Command] = [
            Mark(self.key, FlowState.BLOCKED, self.next, seconds=BLOCKED_SECONDS),
            Found(packet, request, verdict, event, "blocked"),
            ToVm(self._closing.begin(packet)),
        ]
        if not packet.flags & SYN:
            expected = {self._forwarded}
            ack = around.acknowledged(packet)
            if ack is not None and ahead(ack, self._forwarded) < 0:
                expected.add(ack)
            commands.append(Forward(tuple(reset_to_server(packet, seq) for seq in sorted(expected))))
        self.waiting = False
        self._held, self._held_bytes, self._kept = [], 0, Kept()
        commands.append(BLOCKED)
        return commands

    def _hold(self, packet: Packet, commands: list[Command]) -> list[Command]:
        """Keep back a packet that ends within a head, or let it go on where the head is a long one."""
        self.waiting = True
        if not self._passing and (
            len(self._held) >= MAX_HELD or self._held_bytes + len(packet.payload) > MAX_HELD_BYTES
        ):
            self._passing = True
        if self._passing:
            commands += self._release()
            commands.append(Forward(packet.frames))
            self._forwarded = packet.end
        else:
            self._held.append(packet.frames)
            self._held_bytes += len(packet.payload)
        return commands

    def _release(self) -> list[Command]:
        if not self._held:
            return []
        self._forwarded = self.next
        return [Forward(self.let_go())]

    def _pass(self) -> Mark:
        until = self.next + min(max(0, self._until - self._fed), MAX_PASS)
        return Mark(self.key, FlowState.UNTIL, self.next, until & MASK)

    def _pass_missed(self, packet: Packet) -> list[Command]:
        self._missed -= 1
        self._forwarded = packet.end
        if self._missed:
            return [Forward(packet.frames)]
        self.finished = True
        return [Mark(self.key, FlowState.DONE, self.next), Forward(packet.frames)]


def _normal(packet: Packet) -> Packet:
    frame = without_urgent(packet)
    return Packet(
        packet.key,
        packet.port,
        packet.copy,
        packet.protocol,
        packet.seq,
        packet.ack,
        packet.flags & ~URG,
        packet.payload,
        packet.ip,
        packet.transport,
        frame,
        (frame,),
    )
