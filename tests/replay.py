"""Play a capture through a protected port, in order: the VM's packets into the port, the others from the bridge.

Each packet is awaited at the other end before the next is sent, so the engine sees the capture's order although two
threads serve the two directions. Link-layer addresses are replaced by those of the port and of one peer, since a bridge
refuses what captures carry (zero or group source addresses); detection does not look at them. Segments that a capturing
host had merged go in as the large segments they were, and the kernel cuts them up as it does for any guest.
"""

import select
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dpkt
from pyroute2 import IPRoute

VM_MAC = bytes.fromhex("02aa00000001")
PEER_MAC = bytes.fromhex("02aa00000002")
_PACKET_VNET_HDR, _PACKET_IGNORE_OUTGOING, _SOL_PACKET = 15, 23, 263
_ETH_P_ALL = 3
_WIRE_FRAME = 1600
_SEGMENT = 1400
_TAGS = (0x8100, 0x88A8)
_ETHERNET, _TCP = 14, 6


@dataclass
class Played:
    """How many packets were sent, and the indexes of some.

    Args:
        sent: how many went in.
        lost: those that never came out.
        rewritten: TCP segments that came out with other data: the engine makes a segment that contradicts what it has
            inspected agree with it, as inline engines do.
        unplayable: those that no wire can carry.
    """

    sent: int = 0
    lost: list[int] = field(default_factory=list)
    rewritten: list[int] = field(default_factory=list)
    unplayable: list[int] = field(default_factory=list)


def read_capture(path: Path) -> list[bytes]:
    """Return the frames of an Ethernet capture."""
    with path.open("rb") as file:
        return [bytes(frame) for _, frame in dpkt.pcap.UniversalReader(file)]


def last_time(path: Path) -> float:
    """Return the latest time of a capture in seconds since 1970."""
    with path.open("rb") as file:
        return max((float(time) for time, _ in dpkt.pcap.UniversalReader(file)), default=0.0)


def addresses(frames: Iterable[bytes]) -> frozenset[bytes]:
    """Return all IP addresses of a capture, and link-layer addresses where there is no IP."""
    return frozenset(end for frame in frames for end in _ends(frame))


class Sides:
    """Which packets the VM sent: those of the capture's busiest address, or else of whoever spoke first."""

    def __init__(self, frames: Iterable[bytes]) -> None:
        self._vm_end: dict[frozenset[bytes], bytes] = {}
        count: dict[bytes, int] = {}
        for frame in frames:
            for end in _ends(frame):
                count[end] = count.get(end, 0) + 1
        self._vm = max(count, key=lambda end: count[end]) if count else b""

    def from_vm(self, frame: bytes) -> bool:
        """Tell whether the VM is the sender of this packet."""
        source, target = _ends(frame)
        if self._vm in {source, target} and source != target:
            return source == self._vm
        return self._vm_end.setdefault(frozenset((source, target)), source) == source


class Player:
    """Sends on the VM's end and on the network's end of the data path. Create it with `data_path`."""

    def __init__(self, vm: socket.socket, network: socket.socket, patience: float = 1.0) -> None:
        self._vm = vm
        self._network = network
        self._patience = patience

    def play(self, frames: list[bytes], after: Callable[[], None] = lambda: None) -> Played:
        """Play all frames in order; `after` is called when one has arrived."""
        sides, result = Sides(frames), Played()
        for index, frame in enumerate(frames):
            outbound = sides.from_vm(frame)
            sender, receiver = (self._vm, self._network) if outbound else (self._network, self._vm)
            macs = PEER_MAC + VM_MAC if outbound else VM_MAC + PEER_MAC
            ready = macs + frame[12:]
            header = b"\0" * 10
            if len(ready) > _WIRE_FRAME:
                large = _large_segment(ready)
                if large is None:
                    result.unplayable.append(index)
                    continue
                header, ready = large
            _drain(receiver)
            sender.send(header + ready)
            result.sent += 1
            if not self._arrives(receiver, ready, index, result):
                result.lost.append(index)
            after()
        return result

    def _arrives(self, receiver: socket.socket, sent: bytes, index: int, result: Played) -> bool:
        """Wait for the packet: the same bytes, all segments of a large one, or a segment with other data."""
        wanted = _without_outer_tag(sent)
        large = len(sent) > _WIRE_FRAME
        head = _headers_end(wanted) if large else 0
        missing = len(wanted) - head
        while True:
            readable, _, _ = select.select([receiver], [], [], self._patience)
            if not readable:
                return False
            got = receiver.recv(1 << 17)[10:]
            if large and got[:14] == wanted[:14]:
                missing -= len(got) - head
                if missing <= 0:
                    return True
            elif got == wanted:
                return True
            elif not large and len(got) == len(wanted) and _tcp_headers(got) == _tcp_headers(wanted) is not None:
                result.rewritten.append(index)
                return True


@contextmanager
def data_path(port: str = "vm1") -> Iterator[Player]:
    """Build port and bridge in the current network namespace; the port's name is what steering is told.

    The far ends of both veths stand for the guest's NIC and for the network. The bridge floods instead of learning.
    """
    with IPRoute() as ip:
        # With it a bridge drops and trims what the IP stack would not accept, as a plain bridge does not.
        for switch in Path("/proc/sys/net/bridge").glob("bridge-nf-call-*"):
            switch.write_text("0")
        ip.link("add", ifname="br0", kind="bridge", br_mcast_snooping=0)
        for name in (port, "net0"):
            ip.link("add", ifname=name, kind="veth", peer=f"{name}g")
        bridge = ip.link_lookup(ifname="br0")[0]
        for name in ("br0", port, f"{port}g", "net0", "net0g"):
            Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
            ip.link("set", index=ip.link_lookup(ifname=name)[0], state="up", mtu=9000)
        for name in (port, "net0"):
            index = ip.link_lookup(ifname=name)[0]
            ip.link("set", index=index, master=bridge)
            ip.brport("set", index=index, learning=0, unicast_flood=1)
        vm, network = _packet_socket(f"{port}g"), _packet_socket("net0g")
        try:
            yield Player(vm, network)
        finally:
            vm.close()
            network.close()
            for name in (port, "net0", "br0"):
                ip.link("del", index=ip.link_lookup(ifname=name)[0])


def _packet_socket(interface: str) -> socket.socket:
    channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    channel.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    channel.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    channel.bind((interface, 0))
    return channel


def _drain(channel: socket.socket) -> None:
    while select.select([channel], [], [], 0)[0]:
        channel.recv(1 << 17)


def _without_outer_tag(frame: bytes) -> bytes:
    """The kernel delivers a frame's outer tag beside it, not in it."""
    return frame[:12] + frame[16:] if int.from_bytes(frame[12:14], "big") in _TAGS else frame


def _ethertype_at(frame: bytes) -> tuple[int, int]:
    """Return ethertype and offset of the payload, seen through tags."""
    at = 12
    while len(frame) >= at + 4 and int.from_bytes(frame[at : at + 2], "big") in _TAGS:
        at += 4
    return int.from_bytes(frame[at : at + 2], "big"), at + 2


def _ends(frame: bytes) -> tuple[bytes, bytes]:
    kind, at = _ethertype_at(frame)
    if kind == 0x0800 and len(frame) >= at + 20:
        return frame[at + 12 : at + 16], frame[at + 16 : at + 20]
    if kind == 0x86DD and len(frame) >= at + 40:
        return frame[at + 8 : at + 24], frame[at + 24 : at + 40]
    return frame[6:12], frame[:6]


def is_tagged_twice(frame: bytes) -> bool:
    """Tell whether an IP packet carries two VLAN tags or more: such packets are never shown to the engine."""
    kind, at = _ethertype_at(frame)
    return at > _ETHERNET + 4 and kind in {0x0800, 0x86DD}


def _tcp_headers(frame: bytes) -> bytes | None:
    """Return all headers of a TCP segment without its checksum; None for what is not one."""
    kind, at = _ethertype_at(frame)
    if kind not in {0x0800, 0x86DD} or len(frame) < at + 60 - 20 * (kind == 0x0800):
        return None
    if frame[at + (9 if kind == 0x0800 else 6)] != _TCP:
        return None
    start = at + ((frame[at] & 15) * 4 if kind == 0x0800 else 40)
    return frame[: start + 16] + frame[start + 18 : _headers_end(frame)]


def _headers_end(frame: bytes) -> int:
    kind, at = _ethertype_at(frame)
    at += (frame[at] & 15) * 4 if kind == 0x0800 else 40
    return at + (frame[at + 12] >> 4) * 4


def _large_segment(frame: bytes) -> tuple[bytes, bytes] | None:
    """Return virtio header and frame of a TCP segment that is cut up on its way; None for what is not one."""
    kind, at = _ethertype_at(frame)
    if kind == 0x0800 and frame[at + 9] == 6 and not int.from_bytes(frame[at + 6 : at + 8], "big") & 0x3FFF:
        start, gso_type = at + (frame[at] & 15) * 4, 1
        pseudo = frame[at + 12 : at + 20]
        length = int.from_bytes(frame[at + 2 : at + 4], "big") - (start - at)
    elif kind == 0x86DD and frame[at + 6] == 6:
        start, gso_type = at + 40, 4
        pseudo = frame[at + 8 : at + 40]
        length = int.from_bytes(frame[at + 4 : at + 6], "big")
    else:
        return None
    if start + length > len(frame) or length < 20:
        return None
    frame = frame[: start + length]
    words = pseudo + struct.pack("!II", length, 6)
    total = sum(struct.unpack(f"!{len(words) // 2}H", words))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    frame = frame[: start + 16] + struct.pack("!H", total) + frame[start + 18 :]
    head = start + (frame[start + 12] >> 4) * 4
    return struct.pack("=BBHHHH", 1, gso_type, head, _SEGMENT, start, 16), frame
