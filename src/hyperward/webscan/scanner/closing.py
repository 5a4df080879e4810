"""The end of a blocked TCP connection: plays the other end towards the VM until both have closed. Pure."""

from typing import Final

from hyperward.webscan.scanner.craft import reset_to_vm, segments_to_vm, tcp_to_vm
from hyperward.webscan.scanner.frames import ACK, FIN, RST, SYN, Packet
from hyperward.webscan.scanner.sequence import MASK, ahead

IN_FLIGHT: Final = 12_000
"""Bytes sent without an acknowledgement: ten segments (RFC 6928)."""


class Closing:
    """Sends an answer and the end of the stream to the VM, again where the VM asks for it, and acknowledges its end.

    Args:
        packet: that completed the refused request.
        answer: what the VM gets; None for a reset.
        overtaken: whether the other end may have sent something that had not reached the VM when it sent the packet.
            Then the VM is asked first where its stream is: an answer at another place would be cut off at its begin.
    """

    __slots__ = ("_acked", "_answer", "_asking", "_first", "_next", "_sent", "_told")

    def __init__(self, packet: Packet, answer: bytes | None, *, overtaken: bool = False) -> None:
        # Before the other end has answered there is no stream that could carry an answer.
        self._answer = None if packet.flags & SYN or not packet.flags & ACK else answer
        self._first = packet.ack
        self._next = _end(packet)
        self._acked = 0
        self._sent = 0
        self._asking = overtaken
        self._told: int | None = None  # where the VM said that its stream is

    @property
    def is_reset(self) -> bool:
        """Whether the VM gets a reset instead of an answer."""
        return self._answer is None

    def begin(self, packet: Packet) -> tuple[bytes, ...]:
        """Return the first frames for the VM."""
        if self._answer is None:
            return (reset_to_vm(packet),)
        return (self._question(packet),) if self._asking else self._send(packet)

    def packet(self, packet: Packet) -> tuple[bytes, ...]:
        """Return what the VM gets for a further packet of it."""
        if packet.flags & RST:
            return ()
        if self._answer is None:
            return (reset_to_vm(packet),)
        end = _end(packet)
        if ahead(packet.seq, self._next) <= 0 < ahead(end, self._next):
            self._next = end
        if self._asking:
            return self._locate(packet)
        acked = ahead(packet.ack, self._first)
        everything = len(self._answer) + 1
        asks = bool(packet.payload or packet.flags & FIN)
        if acked >= everything or acked < self._acked:
            return (self._acknowledgement(packet),) if asks else ()
        if acked == self._acked:
            self._sent = acked  # it repeats itself: something was lost
        self._acked = acked
        return self._send(packet) or ((self._acknowledgement(packet),) if asks else ())

    def _question(self, packet: Packet) -> bytes:
        """Return a byte that the VM has had: it says where its stream is (RFC 9293, 3.10.7.4), as to a keep-alive."""
        return tcp_to_vm(packet, (self._first - 1) & MASK, self._next, ACK, b"\0")

    def _locate(self, packet: Packet) -> tuple[bytes, ...]:
        """Answer where the VM says twice that its stream is; what it sent before it heard the question comes first."""
        told, self._told = self._told, None if packet.payload else packet.ack
        if packet.payload or told != packet.ack:
            return (self._question(packet),)
        self._asking, self._first = False, packet.ack
        return self._send(packet)

    def _acknowledgement(self, packet: Packet) -> bytes:
        answer = self._answer or b""
        return tcp_to_vm(packet, (self._first + len(answer) + 1) & MASK, self._next, ACK)

    def _send(self, packet: Packet) -> tuple[bytes, ...]:
        answer = self._answer or b""
        begin, end = self._sent, min(len(answer), self._acked + IN_FLIGHT)
        if begin > end or (begin == end and end < len(answer)):
            return ()
        last = end == len(answer)
        self._sent = end + 1 if last else end
        seq = (self._first + begin) & MASK
        return tuple(segments_to_vm(packet, seq, self._next, answer[begin:end], last=last))


def _end(packet: Packet) -> int:
    return (packet.end + (1 if packet.flags & FIN else 0)) & MASK
