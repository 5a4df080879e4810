"""Captures played through the parsers of client bytes: which names does the client's side of each flow show.

What the kernel and the scanner do on live traffic is done here in its plainest form: packets of a flow in order, IPv4
fragments put together, the client is who sent the SYN, or the first packet where there is none.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dpkt

from hyperward.webscan.protocols.model import Asked, ClientStream, Finished, Request

Flow = tuple[bytes, int, bytes, int]


def _ip(data: bytes) -> dpkt.Packet:
    return dpkt.ip6.IP6(data) if data[0] >> 4 == 6 else dpkt.ip.IP(data)


_LINKS: dict[int, Callable[[bytes], dpkt.Packet]] = {
    dpkt.pcap.DLT_NULL: dpkt.loopback.Loopback,
    dpkt.pcap.DLT_EN10MB: dpkt.ethernet.Ethernet,
    dpkt.pcap.DLT_LINUX_SLL: dpkt.sll.SLL,
    dpkt.pcap.DLT_RAW: _ip,
    101: _ip,  # LINKTYPE_RAW, as files name it
}


def ip_packets(path: Path) -> Iterator["dpkt.ip.IP | dpkt.ip6.IP6"]:
    """Yield the IP packets of a capture, whole ones and fragments put together."""
    fragments: dict[tuple[bytes, bytes, int, int], dict[int, tuple[bytes, bool]]] = {}
    with path.open("rb") as file:
        reader = dpkt.pcap.UniversalReader(file)
        read = _LINKS.get(reader.datalink())
        for _, frame in reader:
            try:
                packet = read(frame) if read else None
            except (dpkt.UnpackError, IndexError):
                continue
            while packet is not None and not isinstance(packet, dpkt.ip.IP | dpkt.ip6.IP6):
                packet = packet.data if isinstance(packet, dpkt.Packet) else None
            if isinstance(packet, dpkt.ip.IP) and (packet.mf or packet.offset):
                packet = _whole(fragments.setdefault((packet.src, packet.dst, packet.id, packet.p), {}), packet)
            if packet is not None:
                yield packet


def _whole(parts: dict[int, tuple[bytes, bool]], packet: dpkt.ip.IP) -> dpkt.ip.IP | None:
    parts.setdefault(packet.offset, (bytes(packet.data), bool(packet.mf)))
    data, more = b"", True
    while more and len(data) in parts:
        part, more = parts[len(data)]
        if not part:
            return None
        data += part
    if more:
        return None
    parts.clear()
    head = bytes(packet)[: packet.hl * 4]
    head = head[:2] + (len(head) + len(data)).to_bytes(2, "big") + head[4:6] + b"\0\0" + head[8:]
    return dpkt.ip.IP(head + data)


@dataclass
class TcpFlow:
    """The client's side of one connection.

    Args:
        stream: its parser.
        start: sequence number of the first byte; None until data comes, where the SYN was not seen: what is without
            data may be a keep-alive probe, one number behind.
    """

    stream: ClientStream
    start: int | None
    requests: list[Request] = field(default_factory=list)
    finished: str = ""
    _next: int = 0
    _early: dict[int, bytes] = field(default_factory=dict)

    def take(self, seq: int, data: bytes) -> None:
        """Take one segment, in any order."""
        if self.start is None:
            self.start = seq
        at = (seq - self.start) & 0xFFFFFFFF
        if at >= 1 << 31:  # before the start, or a retransmission of all that is known
            return
        if len(data) > len(self._early.get(at, b"")):
            self._early[at] = data
        for begin in sorted(self._early):
            if begin > self._next:
                break
            fresh = self._early.pop(begin)[self._next - begin :]
            if fresh:
                self._feed(fresh)

    def _feed(self, data: bytes) -> None:
        if not self.finished:
            for step in self.stream.feed(self._next, data):
                if isinstance(step, Asked):
                    self.requests.append(step.request)
                elif isinstance(step, Finished):
                    self.finished = step.why
        self._next += len(data)


def tcp_flows(path: Path, parser: Callable[[int], ClientStream]) -> list[TcpFlow]:
    """Return the client's side of all connections; `parser` makes one for a server port."""
    current: dict[Flow, TcpFlow] = {}
    found: list[TcpFlow] = []
    for packet in ip_packets(path):
        tcp = packet.data
        if not isinstance(tcp, dpkt.tcp.TCP):
            continue
        flow = (packet.src, tcp.sport, packet.dst, tcp.dport)
        back = flow[2:] + flow[:2]
        syn, ack = bool(tcp.flags & dpkt.tcp.TH_SYN), bool(tcp.flags & dpkt.tcp.TH_ACK)
        opens = syn and not ack
        answers = syn and ack
        if opens:
            known = current.get(flow)
            if known is None or known.start != (tcp.seq + 1) & 0xFFFFFFFF:
                found.append(TcpFlow(parser(tcp.dport), (tcp.seq + 1) & 0xFFFFFFFF))
                current[flow] = found[-1]
                current.pop(back, None)
        elif answers or back in current:
            continue
        elif flow not in current:
            found.append(TcpFlow(parser(tcp.dport), None))
            current[flow] = found[-1]
        if tcp.data and flow in current:
            current[flow].take((tcp.seq + syn) & 0xFFFFFFFF, bytes(tcp.data))
    return found


def udp_datagrams(path: Path) -> Iterator[tuple[Flow, bytes]]:
    """Yield the client's datagrams: those of who sent the first one of a flow."""
    clients: set[Flow] = set()
    for packet in ip_packets(path):
        udp = packet.data
        if isinstance(udp, dpkt.udp.UDP):
            flow = (packet.src, udp.sport, packet.dst, udp.dport)
            if flow[2:] + flow[:2] not in clients:
                clients.add(flow)
                yield flow, bytes(udp.data)
