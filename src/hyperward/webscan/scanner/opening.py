"""The first packet that a scanner sees of a TCP connection: whether there is a flow to follow, and from where. Pure.

What the other end has acknowledged says which byte is next, at the start of a connection as well as after the scanner
was started again, or has forgotten an idle flow.
"""

from collections.abc import Callable
from typing import Final

from hyperward.webscan.scanner.around import looks_like_start
from hyperward.webscan.scanner.commands import GAP, Command, Drop, FlowState, Forward, ToVm
from hyperward.webscan.scanner.copyflow import CopyFlow
from hyperward.webscan.scanner.craft import reset_to_vm
from hyperward.webscan.scanner.frames import RST, SYN, Packet
from hyperward.webscan.scanner.kernel import Entry, Known
from hyperward.webscan.scanner.sequence import ahead
from hyperward.webscan.scanner.tcpflow import Streams, TcpFlow

FRAGMENTS: Final = Drop("fragments_of_unknown")


def open_flow(  # noqa: PLR0911 - one line for each case
    packet: Packet, known: Known | None, entry: Callable[[], Entry], streams: Streams, started_ns: int
) -> TcpFlow | CopyFlow | list[Command]:
    """Return the flow that the packet opens, or what to do with it where it opens none.

    Args:
        packet: of a flow that is not known.
        known: what steering knows of it.
        entry: what the kernel was told of it by an earlier process.
        streams: makes a parser.
        started_ns: CLOCK_MONOTONIC; what began before may be in the middle of something.
    """
    missed = known is not None and known.since_ns < started_ns
    if packet.copy:
        missed = missed and not looks_like_start(packet.payload)
        return CopyFlow(packet.key, packet.seq, streams, missed=missed) if packet.payload else []
    told = entry()
    if told.state is FlowState.BLOCKED:
        return [] if packet.flags & RST else [ToVm((reset_to_vm(packet),))]
    ack = None if known is None else known.ack
    if not packet.payload or (ack is not None and ahead(packet.end, ack) <= 0):
        return [Forward(packet.frames)]
    body = ahead(told.until, packet.seq) if told.state is FlowState.UNTIL else 0
    if 0 < body <= len(packet.payload):
        return TcpFlow(packet.key, packet.seq, streams, body=body)
    if packet.flags & SYN:
        return TcpFlow(packet.key, packet.seq, streams)
    if ack is None:
        return TcpFlow(packet.key, packet.seq, streams, missed=missed)
    if ahead(packet.seq, ack) > 0:
        return [GAP]
    if len(packet.frames) > 1 and not looks_like_start(packet.payload):
        # The start of it may be with another scanner: fragments are handed over by addresses alone.
        return [FRAGMENTS]
    return TcpFlow(packet.key, ack, streams, missed=missed)
