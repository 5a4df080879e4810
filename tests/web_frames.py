"""Frames as the kernel hands them to a web scanner, and a server that takes what the scanner lets go on."""

import random
import struct
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import pairwise

from hyperward.webscan.scanner.craft import checksum

VM_MAC, PEER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000009")
PORT = 7
SYN, FIN, RST, PSH, ACK, URG = 2, 1, 4, 8, 16, 32


Chance = random.Random


def chance_of(seed: int) -> Chance:
    return random.Random(seed)  # noqa: S311 - a test that can be repeated


@dataclass(frozen=True)
class Line:
    """Two ends of a connection, and how their frames are wrapped."""

    local: str = "10.77.0.1"
    remote: str = "10.77.0.9"
    local_port: int = 40000
    remote_port: int = 80
    port: int = PORT
    copy: bool = False
    vlans: tuple[int, ...] = ()

    def ether(self, payload: bytes) -> bytes:
        tags = struct.pack("!HH", 0x8100, self.port | (0x4000 if self.copy else 0))
        tags += b"".join(struct.pack("!HH", 0x8100, vlan) for vlan in self.vlans)
        kind = 0x0800 if ip_address(self.local).version == 4 else 0x86DD
        return PEER_MAC + VM_MAC + tags + struct.pack("!H", kind) + payload

    def ip(self, transport: bytes, protocol: int = 6, *, extensions: bytes = b"", first: int | None = None) -> bytes:
        source, target = ip_address(self.local).packed, ip_address(self.remote).packed
        if len(source) == 4:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(transport), 1, 0x4000, 64, protocol, 0)
            head = head[:10] + checksum(head + source + target).to_bytes(2, "big")
            return head + source + target + transport
        body = extensions + transport
        return (
            struct.pack("!IHBB", 6 << 28, len(body), protocol if first is None else first, 64) + source + target + body
        )

    def tcp(
        self, seq: int, data: bytes = b"", *, ack: int = 5000, flags: int = ACK | PSH, options: bytes = b""
    ) -> bytes:
        return self.ether(self.ip(self.segment(seq, data, ack=ack, flags=flags, options=options)))

    def segment(
        self, seq: int, data: bytes = b"", *, ack: int = 5000, flags: int = ACK | PSH, options: bytes = b""
    ) -> bytes:
        words = 5 + len(options) // 4
        head = struct.pack(
            "!HHIIBBHHH", self.local_port, self.remote_port, seq & 0xFFFFFFFF, ack, words << 4, flags, 65000, 0, 0
        )
        return self._filled(head + options + data, 6, 16)

    def udp(self, data: bytes) -> bytes:
        return self.ether(self.ip(self.datagram(data), 17))

    def datagram(self, data: bytes) -> bytes:
        head = struct.pack("!HHHH", self.local_port, self.remote_port, 8 + len(data), 0)
        return self._filled(head + data, 17, 6)

    def fragments(self, transport: bytes, cuts: list[int], protocol: int = 6, number: int = 99) -> list[bytes]:
        """Return the transport packet in IPv4 fragments that begin at the cuts (multiples of 8)."""
        source, target = ip_address(self.local).packed, ip_address(self.remote).packed
        frames = []
        bounds = [0, *cuts, len(transport)]
        for begin, end in pairwise(bounds):
            part = transport[begin:end]
            more = 0x2000 if end < len(transport) else 0
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(part), number, more | begin // 8, 64, protocol, 0)
            head = head[:10] + checksum(head + source + target).to_bytes(2, "big")
            frames.append(self.ether(head + source + target + part))
        return frames

    def _filled(self, transport: bytes, protocol: int, at: int) -> bytes:
        pseudo = ip_address(self.local).packed + ip_address(self.remote).packed
        pseudo += struct.pack("!II", len(transport), protocol)
        return transport[:at] + checksum(pseudo + transport).to_bytes(2, "big") + transport[at + 2 :]


@dataclass
class Server:
    """Takes TCP segments as a server does: the first content of a byte counts, what is ahead waits."""

    next: int
    data: bytearray = field(default_factory=bytearray)
    waiting: dict[int, int] = field(default_factory=dict)
    reset: bool = False

    def take(self, frame: bytes) -> None:
        at = 18
        while frame[at - 2 : at] == b"\x81\x00":
            at += 4
        head = at + (frame[at] & 15) * 4 if frame[at] >> 4 == 4 else at + 40
        seq = int.from_bytes(frame[head + 4 : head + 8], "big")
        flags = frame[head + 13]
        if flags & RST:
            self.reset = self.reset or seq == self.next
            return
        payload = frame[head + (frame[head + 12] >> 4) * 4 :]
        for offset, byte in enumerate(payload):
            self.waiting.setdefault((seq + offset) & 0xFFFFFFFF, byte)
        while self.next in self.waiting:
            self.data.append(self.waiting.pop(self.next))
            self.next = (self.next + 1) & 0xFFFFFFFF
