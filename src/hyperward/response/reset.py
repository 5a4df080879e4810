"""Cut a TCP connection for both ends: the frames that reset it, made from what steering knows of the flow.

A reset is accepted when its sequence number is exactly what the receiver expects next (RFC 5961, section 3.2), and that
is the acknowledgement number which the receiver itself sent last. The frames carry the VLAN tag of the port, so that
they enter the inspection pairs where the engine's own packets come out and take the same way home.
"""

import struct
from dataclasses import dataclass

from hyperward.steering.layout import Flow, FlowKey

_ETHERTYPE_IPV4, _ETHERTYPE_IPV6, _ETHERTYPE_VLAN = 0x0800, 0x86DD, 0x8100
_TCP = 6
_RST = 0x04
_MAPPED = b"\0" * 10 + b"\xff\xff"
_HOPS = 64
_IPV4_BYTES = 4


@dataclass(frozen=True, slots=True)
class Resets:
    """Complete Ethernet frames with the port's tag; None for an end whose expected number was never seen."""

    to_vm: bytes | None
    to_peer: bytes | None


def reset_frames(key: FlowKey, flow: Flow, vid: int) -> Resets:
    """Return the frames that reset the connection.

    Args:
        key: the flow's key, TCP.
        flow: its state: addresses of the link layer and the last acknowledgement of each end.
        vid: a VLAN id of the port.

    Raises:
        ValueError: the flow is not TCP.
    """
    if key.protocol != _TCP:
        raise ValueError("only TCP connections can be reset")
    to_vm = to_peer = None
    tags = struct.pack("!HH", _ETHERTYPE_VLAN, vid)
    if key.vlan:
        tags += struct.pack("!HH", _ETHERTYPE_VLAN, key.vlan)
    if flow.ack_from:
        macs = flow.vm_mac + flow.peer_mac
        to_vm = macs + tags + _packet(key.remote, key.local, key.remote_port + key.local_port, flow.ack_from)
    if flow.ack_to:
        macs = flow.peer_mac + flow.vm_mac
        to_peer = macs + tags + _packet(key.local, key.remote, key.local_port + key.remote_port, flow.ack_to)
    return Resets(to_vm, to_peer)


def internet_checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of `data`."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _packet(source: bytes, target: bytes, ports: bytes, sequence: int) -> bytes:
    """Return ethertype, IP header and TCP reset."""
    source, target = _plain(source), _plain(target)
    length = 20
    segment = ports + struct.pack("!IIBBHHH", sequence, 0, 5 << 4, _RST, 0, 0, 0)
    if len(source) == _IPV4_BYTES:
        pseudo = source + target + struct.pack("!HH", _TCP, length)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, _HOPS, _TCP, 0) + source + target
        head = struct.pack("!H", _ETHERTYPE_IPV4) + head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:]
    else:
        pseudo = source + target + struct.pack("!II", length, _TCP)
        head = struct.pack("!HIHBB", _ETHERTYPE_IPV6, 6 << 28, length, _TCP, _HOPS) + source + target
    return head + segment[:16] + struct.pack("!H", internet_checksum(pseudo + segment)) + segment[18:]


def _plain(address: bytes) -> bytes:
    return address[12:] if address.startswith(_MAPPED) else address
