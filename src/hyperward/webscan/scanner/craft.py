"""Builds packets in answer to a packet of a VM: same tags, addresses turned round, checksums filled in. Pure."""

import struct
from typing import Final

import msgspec

from hyperward.webscan.scanner.frames import (
    ACK,
    FIN,
    PSH,
    RST,
    SYN,
    TAG_END,
    TCP,
    TO_VM_TCI,
    UDP,
    URG,
    WHOLE_TCI,
    Packet,
)
from hyperward.webscan.scanner.sequence import MASK

SEGMENT: Final = 1200
"""Payload bytes of a crafted segment: with all headers below 1,280 bytes, the least that IPv6 carries (RFC 8200)."""
_WINDOW: Final = 65535
_HOPS: Final = 64
_DONT_FRAGMENT: Final = 0x4000
_OUR_TAG: Final = struct.Struct("!HH")
_TCP: Final = struct.Struct("!IIBBHHH")
_UDP: Final = struct.Struct("!HH")
_IPV4: Final = struct.Struct("!BBHHHBBH")
_IPV6: Final = struct.Struct("!IHBB")


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071): sixteen-bit sums are what is left of a division by 65,535."""
    if len(data) % 2:
        data += b"\0"
    return 0xFFFF - int.from_bytes(data, "big") % 0xFFFF


def tcp_to_vm(packet: Packet, seq: int, ack: int, flags: int, payload: bytes = b"") -> bytes:
    """Return a segment from the other end to the VM."""
    return _to_vm(packet, _segment(packet, seq, ack, flags, payload, reverse=True), TCP)


def udp_to_vm(packet: Packet, payload: bytes) -> bytes:
    """Return a datagram from the other end to the VM."""
    ports = packet.key[38:40] + packet.key[36:38]
    return _to_vm(packet, ports + _UDP.pack(8 + len(payload), 0) + payload, UDP)


def reset_to_server(packet: Packet, seq: int) -> bytes:
    """Return a reset from the VM to the other end, with the sequence number that it expects (RFC 5961, section 3.2)."""
    segment = _segment(packet, seq, packet.ack, RST | ACK, b"", reverse=False)
    ether = packet.frame[:12] + _OUR_TAG.pack(0x8100, packet.port) + packet.frame[TAG_END : packet.ip]
    return ether + _ip(packet.source, packet.destination, segment, TCP)


def reset_to_vm(packet: Packet) -> bytes:
    """Return a reset from the other end to the VM, acceptable also before the connection is open (RFC 9293, 3.10.7)."""
    end = (packet.end + (1 if packet.flags & FIN else 0)) & MASK
    seq = 0 if packet.flags & SYN or not packet.flags & ACK else packet.ack
    return tcp_to_vm(packet, seq, end, RST | ACK)


def segments_to_vm(packet: Packet, seq: int, ack: int, payload: bytes, *, last: bool) -> list[bytes]:
    """Return payload in segments; the last one ends the stream with FIN where `last`."""
    cuts = range(0, max(len(payload), 1), SEGMENT)
    frames = []
    for at in cuts:
        is_end = last and at + SEGMENT >= len(payload)
        flags = ACK | PSH | FIN if is_end else ACK | PSH
        frames.append(tcp_to_vm(packet, (seq + at) & MASK, ack, flags, payload[at : at + SEGMENT]))
    return frames


def without_urgent(packet: Packet) -> Packet:
    """Return the packet with the urgent flag and pointer cleared and its checksum made anew.

    A receiver takes an urgent byte out of the stream, so that it would read another request than we did.
    """
    frame = bytearray(packet.frame)
    at = packet.transport
    frame[at + 13] &= ~URG & 0xFF
    frame[at + 16 : at + 20] = b"\0\0\0\0"
    data = at + (frame[at + 12] >> 4) * 4
    segment = bytes(frame[at : data + len(packet.payload)])
    pseudo = packet.source + packet.destination + struct.pack("!II", len(segment), TCP)
    frame[at + 16 : at + 18] = checksum(pseudo + segment).to_bytes(2, "big")
    whole = bytes(frame)
    return msgspec.structs.replace(packet, flags=packet.flags & ~URG, frame=whole, frames=(whole,))


def as_whole(packet: Packet) -> bytes:
    """Return the frame of a packet that came in fragments, marked to be steered like any packet of the VM."""
    return packet.frame[: TAG_END - 2] + (packet.port | WHOLE_TCI).to_bytes(2, "big") + packet.frame[TAG_END:]


def _segment(packet: Packet, seq: int, ack: int, flags: int, payload: bytes, *, reverse: bool) -> bytes:
    ports = packet.key[36:40]
    if reverse:
        ports = ports[2:] + ports[:2]
    return ports + _TCP.pack(seq, ack, 5 << 4, flags, _WINDOW, 0, 0) + payload


def _to_vm(packet: Packet, transport: bytes, protocol: int) -> bytes:
    frame = packet.frame
    tag = _OUR_TAG.pack(0x8100, packet.port | TO_VM_TCI)
    ether = frame[6:12] + frame[:6] + tag + frame[TAG_END : packet.ip]
    return ether + _ip(packet.destination, packet.source, transport, protocol)


def _ip(source: bytes, target: bytes, transport: bytes, protocol: int) -> bytes:
    size = len(transport)
    pseudo = source + target + struct.pack("!II", size, protocol)
    at = 16 if protocol == TCP else 6
    total = checksum(pseudo + transport)
    transport = transport[:at] + (total or 0xFFFF).to_bytes(2, "big") + transport[at + 2 :]
    if len(source) == 4:  # noqa: PLR2004 - bytes of an IPv4 address
        head = _IPV4.pack(0x45, 0, 20 + size, 0, _DONT_FRAGMENT, _HOPS, protocol, 0)
        head = head[:10] + checksum(head + source + target).to_bytes(2, "big")
    else:
        head = _IPV6.pack(6 << 28, size, protocol, _HOPS)
    return head + source + target + transport
