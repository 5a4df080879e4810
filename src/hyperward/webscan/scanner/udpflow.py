"""What happens to QUIC Initials and DNS queries of a VM. Pure: datagram in, commands out."""

from typing import Final

from hyperward.webscan.protocols.dns import queries
from hyperward.webscan.protocols.model import Request
from hyperward.webscan.protocols.quic import More, NotQuic, QuicStart
from hyperward.webscan.scanner.around import Around, Blocked
from hyperward.webscan.scanner.commands import BLOCKED, Command, Drop, FlowState, Forward, Found, Mark, ToVm
from hyperward.webscan.scanner.craft import udp_to_vm
from hyperward.webscan.scanner.frames import Packet
from hyperward.webscan.scanner.reader import reported
from hyperward.webscan.scanner.verdict import Verdict

MAX_HELD: Final = 16
HOLD_SECONDS: Final = 0.2
DROP_SECONDS: Final = 30
"""How long a refused QUIC connection is dropped: a browser has gone over to TCP after a few seconds."""
_VERSIONS: Final = (b"\0\0\0\1", b"\x6b\x33\x43\xcf")
_HOSTILE: Final = Drop("hostile_initial")


def is_initial(payload: bytes) -> bool:
    """Tell whether the datagram begins with a long header of QUIC version 1 or 2; the fixed bit may be greased."""
    return len(payload) > 4 and bool(payload[0] & 0x80) and payload[1:5] in _VERSIONS  # noqa: PLR2004 - short


class QuicFlow:
    """The Initials between one pair of addresses and ports.

    Args:
        key: `struct flow_key`, packed.
    """

    __slots__ = ("_held", "_quic", "counted", "key", "seen", "since", "size", "stateful", "waiting")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.seen = 0.0
        self.counted = 0
        self.since = 0.0
        self.size = 0
        self.stateful = True
        self.waiting = False
        self._quic = QuicStart()
        self._held: list[tuple[bytes, ...]] = []

    def let_go(self) -> tuple[bytes, ...]:
        """Give up waiting: return the frames that were held."""
        held, self._held = self._held, []
        self.size, self.waiting = 0, False
        return tuple(frame for frames in held for frame in frames)

    def packet(self, packet: Packet, around: Around) -> list[Command]:
        """Take a datagram, or the copy of one."""
        shown = self._quic.feed(packet.payload)
        if isinstance(shown, More):
            return self._hold(packet)
        if isinstance(shown, NotQuic):
            if packet.copy:
                return []
            return [_HOSTILE] if shown.hostile else [Forward(packet.frames)]
        verdict = around.judge(packet, shown)
        if packet.copy:
            return _reported(packet, shown, verdict, around)
        if verdict.block:
            self.let_go()
            return [
                Mark(self.key, FlowState.DROPPED, 0, seconds=DROP_SECONDS),
                Found(packet, shown, verdict, around.event_id(), "blocked"),
                BLOCKED,
            ]
        return [*_reported(packet, shown, verdict, around), Forward((*self.let_go(), *packet.frames))]

    def _hold(self, packet: Packet) -> list[Command]:
        if packet.copy:
            return []
        if len(self._held) >= MAX_HELD:
            return [Forward((*self.let_go(), *packet.frames))]
        if not self._held:
            self.since = self.seen
        self.waiting = True
        self._held.append(packet.frames)
        self.size += len(packet.payload)
        return []


def dns_packet(packet: Packet, around: Around) -> list[Command]:
    """Take a DNS query over UDP: answered where it asks for what is blocked, else it goes on."""
    commands: list[Command] = []
    for request in queries(packet.payload):
        verdict = around.judge(packet, request)
        if verdict.block and not packet.copy:
            event = around.event_id()
            answer = around.answer(Blocked(packet, request, verdict, event, packet.payload))
            frames = (udp_to_vm(packet, answer),) if answer else ()
            return [*commands, Found(packet, request, verdict, event, "blocked"), ToVm(frames), BLOCKED]
        commands += _reported(packet, request, verdict, around)
    if not packet.copy:
        commands.append(Forward(packet.frames))
    return commands


def _reported(packet: Packet, request: Request, verdict: Verdict, around: Around) -> list[Command]:
    if verdict.match is None and not verdict.hidden_name:
        return []
    return [reported(packet, request, verdict, around)]
