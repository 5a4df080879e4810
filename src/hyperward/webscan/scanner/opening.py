"""The first packet that a scanner sees of a TCP connection: whether there is a flow to follow, and from where. Pure.

What the other end has acknowledged says which byte is next, at the start of a connection as well as after the scanner
was started again, or has forgotten an idle flow.

Connections with the same addresses and ports are told apart by when the other end accepted them (`began_ns`): a SYN
alone proves nothing, a VM may send one at any time. So what a SYN carries belongs to no connection (`UNACCEPTED`) until
the other end has accepted that SYN.
"""

from collections.abc import Callable
from typing import Final

from hyperward.webscan.scanner.around import looks_like_start
from hyperward.webscan.scanner.commands import GAP, Command, Drop, FlowState, Forward, Mark, ToVm
from hyperward.webscan.scanner.copyflow import CopyFlow
from hyperward.webscan.scanner.craft import reset_to_vm, without_urgent
from hyperward.webscan.scanner.frames import ACK, RST, SYN, URG, Packet
from hyperward.webscan.scanner.kernel import NO_ENTRY, Entry, Known
from hyperward.webscan.scanner.sequence import ahead
from hyperward.webscan.scanner.tcpflow import Streams, TcpFlow

UNACCEPTED: Final = -1
"""In the place of `began_ns`: the SYN that opened the flow has no answer yet."""
ANOTHER_SYN: Final = Drop("another_syn")


def is_same(flow: TcpFlow | CopyFlow, known: Known) -> bool:
    """Tell whether the flow is the connection that steering knows now, by one name or the other."""
    if flow.began_ns == UNACCEPTED:
        return flow.first is not None and flow.first == known.first
    return flow.began_ns == known.began_ns or not known.began_ns


def is_another_syn(flow: TcpFlow | CopyFlow, packet: Packet) -> bool:
    """Tell whether the packet carries data of a connection that is not open yet, while the flow still is.

    It is left out: the sender opens the connection without the data then (RFC 7413, section 4.1.3). Both cannot be
    followed at once, and which of them the other end goes on with is not for the VM to say.
    """
    return packet.flags & (SYN | ACK) == SYN and flow.first != packet.seq


def open_flow(
    packet: Packet, known: Known, entry: Callable[[], Entry], streams: Streams, started_ns: int
) -> TcpFlow | CopyFlow | list[Command]:
    """Return the flow that the packet opens, or what to do with it where it opens none.

    Args:
        packet: of a flow that is not known.
        known: what steering knows of it.
        entry: what the kernel was told of it by an earlier process.
        streams: makes a parser.
        started_ns: CLOCK_MONOTONIC; what began before may be in the middle of something.
    """
    if packet.flags & URG and not packet.copy:
        packet = without_urgent(packet)
    missed = known.began_ns < started_ns
    if packet.copy:
        opened: TcpFlow | CopyFlow | list[Command] = _copied(packet, streams, missed=missed)
    else:
        opened = _open(packet, known, entry, streams, missed=missed)
    if not isinstance(opened, list):
        is_syn = packet.flags & (SYN | ACK) == SYN
        opened.began_ns = UNACCEPTED if is_syn else known.began_ns
        opened.first = packet.seq if is_syn else None
    return opened


def _copied(packet: Packet, streams: Streams, *, missed: bool) -> CopyFlow | list[Command]:
    missed = missed and not looks_like_start(packet.payload)
    return CopyFlow(packet.key, packet.seq, streams, missed=missed) if packet.payload else []


def _open(  # noqa: PLR0911 - one line for each case
    packet: Packet, known: Known, entry: Callable[[], Entry], streams: Streams, *, missed: bool
) -> TcpFlow | list[Command]:
    if packet.flags & (SYN | ACK) == SYN:
        return TcpFlow(packet.key, packet.seq, streams) if packet.payload else [Forward(packet.frames)]
    told = entry()
    if known.began_ns not in {0, told.began_ns}:
        told = NO_ENTRY
    if told.state is FlowState.BLOCKED:
        return [] if packet.flags & RST else [ToVm((reset_to_vm(packet),))]
    ack = known.ack
    if not packet.payload or (ack is not None and ahead(packet.end, ack) <= 0):
        return [Forward(packet.frames)]
    # The first byte that the other end has not got yet.
    at = packet.seq if ack is None or ahead(packet.seq, ack) > 0 else ack
    if told.state in {FlowState.UNTIL, FlowState.DONE} and ahead(at, told.start) >= 0:
        if told.state is FlowState.DONE or ahead(packet.end, told.until) < 0:
            # The kernel would have let it pass, had it not forgotten what it knew of the flow.
            return [Mark(packet.key, told.state, told.start, told.until), Forward(packet.frames)]
        body = ahead(told.until, at)
        if body > 0:
            return TcpFlow(packet.key, at, streams, body=body)
    if ack is None:
        return TcpFlow(packet.key, packet.seq, streams, missed=missed)
    if ahead(packet.seq, ack) > 0:
        return [GAP]
    return TcpFlow(packet.key, ack, streams, missed=missed)
