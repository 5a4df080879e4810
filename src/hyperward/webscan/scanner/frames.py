"""A frame as the kernel hands it over, parsed into a value. Pure; bounded; whatever cannot be read is None.

Layout: Ethernet addresses, our own 802.1Q tag (VLAN id = port id, priority bits say what the frame is), the guest's
own tags, IPv4 or IPv6 (with extension headers), TCP or UDP.
"""

import struct
from typing import Final

import msgspec

SYN: Final = 0x02
FIN: Final = 0x01
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10
URG: Final = 0x20

TCP: Final = 6
UDP: Final = 17

COPY_BIT: Final = 0x4000
"""Priority 2 in our tag: the frame is a copy, and nothing of it is ever written back."""
TO_VM_TCI: Final = 0x2000
"""Priority 1 in our tag: a crafted frame for the VM."""
WHOLE_TCI: Final = 0x6000
"""Priority 3 in our tag: fragments put together, to be steered like any packet of the VM."""
TAG_END: Final = 16
"""Where our tag ends: the guest's own tags, or the ethertype, begin there."""

_MASK: Final = 0xFFFFFFFF
_ETHERTYPE_IPV4: Final = 0x0800
_ETHERTYPE_IPV6: Final = 0x86DD
_TAGS: Final = frozenset({0x8100, 0x88A8})
_MAX_GUEST_TAGS: Final = 2
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_VERSION_4, _VERSION_6 = 4, 6
_IPV4_LEAST, _TCP_LEAST, _UDP_LEAST = 20, 20, 8
_MAPPED: Final = b"\0" * 10 + b"\xff\xff"

_HEAD: Final = struct.Struct("!12xHHH")
_TAG: Final = struct.Struct("!HH")
_IPV4: Final = struct.Struct("!BxHHHxBxx4s4s")
_IPV6: Final = struct.Struct("!BxxxHBx16s16s")
_TCP: Final = struct.Struct("!4sIIBBH")
_UDP: Final = struct.Struct("!4sH2x")
_KEY4: Final = struct.Struct("<12s4s12s4sI4sHBx")
_KEY6: Final = struct.Struct("<16s16sI4sHBx")


class Packet(msgspec.Struct, frozen=True, gc=False):
    """A TCP segment or UDP datagram of a VM.

    Args:
        key: `struct flow_key` of steering, packed.
        port: port id.
        copy: whether it is a copy, of which nothing goes back.
        protocol: TCP or UDP.
        seq: sequence number of the first payload byte (a SYN counts as the byte before it); 0 for UDP.
        ack: acknowledgement number; 0 for UDP.
        flags: of TCP; 0 for UDP.
        payload: what it carries, without padding.
        ip: offset of the IP header in `frame`.
        transport: offset of the TCP or UDP header in `frame`.
        frame: whole frame with our tag; put together where the packet came in fragments.
        frames: what to write to let the packet go on: the frame itself, or the fragments as they came.
    """

    key: bytes
    port: int
    copy: bool
    protocol: int
    seq: int
    ack: int
    flags: int
    payload: bytes
    ip: int
    transport: int
    frame: bytes
    frames: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """Sequence number after the last payload byte (a FIN not counted)."""
        return (self.seq + len(self.payload)) & _MASK

    @property
    def source(self) -> bytes:
        """Address of the VM, 4 or 16 bytes."""
        return _plain(self.key[:16])

    @property
    def destination(self) -> bytes:
        """Address that it speaks to, 4 or 16 bytes."""
        return _plain(self.key[16:32])

    @property
    def source_port(self) -> int:
        """Port of the VM."""
        return int.from_bytes(self.key[36:38], "big")

    @property
    def destination_port(self) -> int:
        """Port that it speaks to."""
        return int.from_bytes(self.key[38:40], "big")

    @property
    def vlan(self) -> tuple[int, ...]:
        """The guest's own VLAN ids, outermost first."""
        tags = self.frame[TAG_END : self.ip - 2]
        return tuple(_TAG.unpack_from(tags, at)[1] & 0xFFF for at in range(0, len(tags), 4))


class Fragment(msgspec.Struct, frozen=True, gc=False):
    """A part of a TCP segment or UDP datagram.

    Args:
        datagram: what all fragments of one datagram have in common.
        port: port id.
        copy: whether it is a copy.
        offset: of `data` in the datagram, in bytes.
        more: whether others follow.
        data: what it carries.
        head: the frame up to where `data` belongs, as it is of a datagram that was never cut; its lengths are to be
            filled in.
        ip: offset of the IP header in `head`.
        frame: the fragment as it came.
    """

    datagram: bytes
    port: int
    copy: bool
    offset: int
    more: bool
    data: bytes
    head: bytes
    ip: int
    frame: bytes


def parse_frame(frame: bytes, frames: tuple[bytes, ...] | None = None) -> Packet | Fragment | None:
    """Parse a frame; None for one that is neither TCP nor UDP, cut off, or beyond the bounds.

    Args:
        frame: with our tag.
        frames: what stands for it where it was put together from fragments.
    """
    try:
        _, tci, kind = _HEAD.unpack_from(frame)
        ip = TAG_END + 2
        vlan = 0
        if kind in _TAGS:
            vlan = _TAG.unpack_from(frame, ip - 2)[1] & 0xFFF
            for _ in range(_MAX_GUEST_TAGS):
                kind = _TAG.unpack_from(frame, ip)[1]
                ip += 4
                if kind not in _TAGS:
                    break
        if kind == _ETHERTYPE_IPV4:
            return _ipv4(frame, frames, tci, vlan, ip)
        if kind == _ETHERTYPE_IPV6:
            return _ipv6(frame, frames, tci, vlan, ip)
    except (struct.error, IndexError):
        return None
    return None


def _ipv4(frame: bytes, frames: tuple[bytes, ...] | None, tci: int, vlan: int, ip: int) -> Packet | Fragment | None:
    first, length, number, part, protocol, source, target = _IPV4.unpack_from(frame, ip)
    header = (first & 0xF) * 4
    end = ip + length
    transport = ip + header
    if (
        first >> 4 != _VERSION_4
        or header < _IPV4_LEAST
        or length < header
        or end > len(frame)
        or protocol not in {TCP, UDP}
    ):
        return None
    if part & 0x3FFF:
        head = frame[: ip + 6] + b"\0\0" + frame[ip + 8 : transport]
        names = b"%d.%d.%d.%d." % (tci & 0x4FFF, vlan, protocol, number)
        return Fragment(
            names + source + target,
            tci & 0xFFF,
            bool(tci & COPY_BIT),
            (part & 0x1FFF) * 8,
            bool(part & 0x2000),
            frame[transport:end],
            head,
            ip,
            frame,
        )
    ports = frame[transport : transport + 4]
    key = _KEY4.pack(_MAPPED, source, _MAPPED, target, tci & 0xFFF, ports, vlan, protocol)
    return _transport(frame, frames, tci, key, (protocol, ip, transport, end))


def _ipv6(frame: bytes, frames: tuple[bytes, ...] | None, tci: int, vlan: int, ip: int) -> Packet | Fragment | None:
    first, length, following, source, target = _IPV6.unpack_from(frame, ip)
    transport = ip + 40
    # No length before a hop-by-hop header: a jumbogram (RFC 2675). Receivers take all there is, option or not.
    end = transport + length if length or following != _HOP_BY_HOP else len(frame)
    if first >> 4 != _VERSION_6 or end > len(frame):
        return None
    named = ip + 6  # where the next header is named
    while transport <= end:  # each extension takes at least 8 bytes
        if following in {TCP, UDP}:
            ports = frame[transport : transport + 4]
            key = _KEY6.pack(source, target, tci & 0xFFF, ports, vlan, following)
            return _transport(frame, frames, tci, key, (following, ip, transport, end))
        if following not in {_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION}:
            return None
        upper, size = frame[transport], frame[transport + 1]
        if following == _FRAGMENT:
            part = int.from_bytes(frame[transport + 2 : transport + 4], "big")
            number = frame[transport + 4 : transport + 8]
            # A fragment of everything (RFC 6946) stands for itself.
            if part & 0xFFF9 and transport + 8 <= end:
                head = frame[:named] + bytes([upper]) + frame[named + 1 : transport]
                names = b"%d.%d." % (tci & 0x4FFF, vlan)
                return Fragment(
                    names + number + source + target,
                    tci & 0xFFF,
                    bool(tci & COPY_BIT),
                    part & 0xFFF8,
                    bool(part & 1),
                    frame[transport + 8 : end],
                    head,
                    ip,
                    frame,
                )
            size = 0
        named = transport
        transport += (size + 2) * 4 if following == _AUTHENTICATION else (size + 1) * 8
        following = upper
    return None


def _transport(
    frame: bytes,
    frames: tuple[bytes, ...] | None,
    tci: int,
    key: bytes,
    at: tuple[int, int, int, int],
) -> Packet | None:
    protocol, ip, transport, end = at
    seq = ack = flags = 0
    if protocol == TCP:
        _, seq, ack, words, flags, _ = _TCP.unpack_from(frame, transport)
        data = transport + (words >> 4) * 4
        if data < transport + _TCP_LEAST or data > end:
            return None
        if flags & SYN:
            seq = (seq + 1) & _MASK
    else:
        _, length = _UDP.unpack_from(frame, transport)
        data = transport + _UDP_LEAST
        if not length and frame[ip] >> 4 == _VERSION_6:
            length = end - transport  # RFC 2675 (4): as long as the packet
        if length < _UDP_LEAST or transport + length > end:
            return None
        end = transport + length
    return Packet(
        key,
        tci & 0xFFF,
        tci & COPY_BIT != 0,
        protocol,
        seq,
        ack,
        flags,
        frame[data:end],
        ip,
        transport,
        frame,
        frames or (frame,),
    )


def _plain(address: bytes) -> bytes:
    return address[12:] if address.startswith(_MAPPED) else address
