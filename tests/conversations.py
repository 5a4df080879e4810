"""Conversations as capture files: TCP with handshake, data and close, or UDP datagrams, over IPv4 and IPv6."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import dpkt

INSIDE = {4: "192.168.77.10", 6: "fd77::10"}
OUTSIDE = {4: "198.51.100.20", 6: "2001:db8::20"}
_ETHERTYPES = {4: dpkt.ethernet.ETH_TYPE_IP, 6: dpkt.ethernet.ETH_TYPE_IP6}
_MSS = 1400


@dataclass(frozen=True)
class Conversation:
    """One connection: the client sends `request` to `port`, the server answers `response`.

    `inbound` tells whether the client is outside. `client_port` tells conversations of one capture apart. With `udp`
    there is one datagram each way, and none for an empty text.
    """

    version: int
    inbound: bool
    client_port: int
    port: int
    request: bytes
    response: bytes = b""
    udp: bool = False


def write_capture(path: Path, conversations: Iterable[Conversation]) -> None:
    """Write conversations one after the other."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        moment = 1_700_000_000.0
        for conversation in conversations:
            for packet in _packets(conversation):
                writer.writepkt(packet, ts=moment)
                moment += 0.001


def client_hello(name: str) -> bytes:
    """Return a real ClientHello with a server name."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError


def _packets(conversation: Conversation) -> Iterable[bytes]:
    client = (OUTSIDE if conversation.inbound else INSIDE)[conversation.version]
    server = (INSIDE if conversation.inbound else OUTSIDE)[conversation.version]
    there = (client, server, conversation.client_port, conversation.port)
    back = (server, client, conversation.port, conversation.client_port)
    if conversation.udp:
        yield from [
            _datagram(path, data)
            for path, data in ((there, conversation.request), (back, conversation.response))
            if data
        ]
        return
    sent, answered = 1000, 5000
    yield _packet(there, dpkt.tcp.TH_SYN, sent, 0)
    yield _packet(back, dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK, answered, sent + 1)
    sent, answered = sent + 1, answered + 1
    yield _packet(there, dpkt.tcp.TH_ACK, sent, answered)
    for start in range(0, len(conversation.request), _MSS):
        part = conversation.request[start : start + _MSS]
        yield _packet(there, dpkt.tcp.TH_ACK | dpkt.tcp.TH_PUSH, sent, answered, part)
        sent += len(part)
        yield _packet(back, dpkt.tcp.TH_ACK, answered, sent)
    for start in range(0, len(conversation.response), _MSS):
        part = conversation.response[start : start + _MSS]
        yield _packet(back, dpkt.tcp.TH_ACK | dpkt.tcp.TH_PUSH, answered, sent, part)
        answered += len(part)
        yield _packet(there, dpkt.tcp.TH_ACK, sent, answered)
    yield _packet(there, dpkt.tcp.TH_ACK | dpkt.tcp.TH_FIN, sent, answered)
    yield _packet(back, dpkt.tcp.TH_ACK | dpkt.tcp.TH_FIN, answered, sent + 1)
    yield _packet(there, dpkt.tcp.TH_ACK, sent + 1, answered + 1)


def _packet(path: tuple[str, str, int, int], flags: int, seq: int, ack: int, data: bytes = b"") -> bytes:
    segment = dpkt.tcp.TCP(sport=path[2], dport=path[3], seq=seq, ack=ack, flags=flags, win=64000, data=data)
    return _frame(path, dpkt.ip.IP_PROTO_TCP, segment)


def _datagram(path: tuple[str, str, int, int], data: bytes) -> bytes:
    segment = dpkt.udp.UDP(sport=path[2], dport=path[3], data=data)
    segment.ulen = len(segment)
    return _frame(path, dpkt.ip.IP_PROTO_UDP, segment)


def _frame(path: tuple[str, str, int, int], protocol: int, segment: dpkt.Packet) -> bytes:
    source, destination = ip_address(path[0]), ip_address(path[1])
    if source.version == 4:
        inner = dpkt.ip.IP(src=source.packed, dst=destination.packed, p=protocol, ttl=64, data=segment)
        inner.len = len(inner)
    else:
        inner = dpkt.ip6.IP6(
            src=source.packed,
            dst=destination.packed,
            nxt=protocol,
            hlim=64,
            plen=len(segment),
            data=segment,
        )
    return bytes(dpkt.ethernet.Ethernet(type=_ETHERTYPES[source.version], data=inner))
