"""The web scan's part of the steering program under test run: one port with web scan, scanners that say they live."""

import struct
import time
from dataclasses import replace
from typing import Any

import dpkt

from hyperward.steering.layout import (
    MARK_MAGIC,
    MARK_SCANNER,
    FlowKey,
    Mode,
    Port,
    Scanner,
    Settings,
    Web,
    WebFlow,
)
from program_bench import LO, PEER4, PEER6, PORT, VM4, VM6, Bench, Ran, ether, tcp4

WEB_PORT = replace(PORT, vid=0, web=Web.TCP | Web.QUIC | Web.DNS)
HANDED = MARK_MAGIC | MARK_SCANNER | PORT.id
START = 1001
"""Sequence number of the VM's first byte."""
_DAY_NS = 86_400_000_000_000


class WebBench(Bench):
    """A bench whose port has web scan and no IPS."""

    def prepare_web(self, port: Port = WEB_PORT, *, waiting: int = 0, silent_ns: int = 0, **settings: Any) -> None:
        """Start anew: no flows, one scanner, `waiting` frames in its queue, silent for so long."""
        self.prepare(port)
        limits = {"scanners": 1, "web_queue": 400, "web_rate": 10, "web_burst": 5, "down_ns": 300_000_000} | settings
        self.maps.settings.set(0, Settings(guest_ifindex=LO, network_ifindex=LO, probe_ns=_DAY_NS, **limits))
        for key, _ in list(self.maps.web_flows.items()):
            self.maps.web_flows.delete(key)
        for index in range(16):
            self.maps.scanner_devices.set(index, LO if index < limits["scanners"] else 0)
            self.maps.scanners.set(index, Scanner(time.monotonic_ns() + _DAY_NS - silent_ns, 0, waiting))
        if silent_ns:
            self.maps.scanners.set(0, Scanner(time.monotonic_ns() - silent_ns, 0, waiting))
        self.maps.port_devices.set(port.id, LO)
        self.maps.web_tokens.set(port.id, 0)

    def connect(self) -> FlowKey:
        """Let the VM open its connection; return the flow's key."""
        self.run("from_vm", ether(tcp4(flags=0x02, seq=START - 1, ack=0, payload=b""), 0x0800))
        self.answer(START, flags=0x12)
        return self.flow()[0]

    def request(self) -> FlowKey:
        """Let the VM open its connection and ask, so that a scanner may decide; return the flow's key."""
        key = self.connect()
        self.send()
        return key

    def send(self, seq: int = START, length: int = 100, *, flags: int = 0x18, gso_size: int = 0) -> Ran:
        """Send a segment from the VM."""
        packet = ether(tcp4(flags=flags, seq=seq % 2**32, ack=5000, payload=b"x" * length), 0x0800)
        return self.run("from_vm", packet, gso_size=gso_size)

    def answer(self, ack: int, *, flags: int = 0x10, length: int = 0) -> Ran:
        """Send a segment to the VM."""
        packet = tcp4(from_vm=False, flags=flags, seq=5000, ack=ack % 2**32, payload=b"y" * length)
        return self.run("to_vm", ether(packet, 0x0800, from_vm=False))

    def decide(self, key: FlowKey, known: WebFlow, *, began_ns: int | None = None) -> None:
        """Write what a scanner decided, of the connection that the kernel knows unless another one is named."""
        flow = self.maps.flows.get(key)
        if began_ns is None:
            began_ns = flow.began_ns if flow else 0
        self.maps.web_flows.set(key, replace(known, began_ns=began_ns))

    def handed_frames(self, index: int = 0) -> int:
        """Return what the kernel counts as handed to a scanner."""
        slot = self.maps.scanners.get(index)
        assert slot
        return slot.handed


def is_handed(ran: Ran) -> bool:
    """Tell whether the packet went to a scanner."""
    return ran.mark == HANDED


def tcp_frame(*, six: bool, payload: bytes = b"GET /", flags: int = 0x18, **place: Any) -> bytes:
    """Return a segment of the VM. `tags`: the guest's own; `padding`: bytes behind the packet; `options`: of IPv4."""
    segment = dpkt.tcp.TCP(sport=40000, dport=80, seq=START, ack=1, flags=flags, data=payload)
    tags, padding = place.get("tags", ()), bytes(place.get("padding", 0))
    if six:
        return ether(ip6(6, bytes(segment), **place) + padding, 0x86DD, tags=tags)
    packet = dpkt.ip.IP(src=VM4.packed, dst=PEER4.packed, p=6, data=segment)
    packet.opts = b"\x01" * place.get("options", 0)
    packet.hl = 5 + len(packet.opts) // 4
    packet.len = len(packet)
    return ether(bytes(packet) + padding, 0x0800, tags=tags)


def ip6(protocol: int, payload: bytes, *, extensions: int = 0, **_: Any) -> bytes:
    """Return an IPv6 packet of the VM, with so many destination options headers."""
    kinds = [*[60] * extensions, protocol]
    chain = b"".join(bytes([kinds[at + 1], 0]) + b"\x01\x04" + bytes(4) for at in range(extensions))
    head = struct.pack("!IHBB", 6 << 28, len(chain + payload), kinds[0], 64)
    return head + VM6.packed + PEER6.packed + chain + payload


def udp_frame(payload: bytes, *, port: int = 443, six: bool = False, from_vm: bool = True, fragment: int = 0) -> bytes:
    """Return a datagram of the VM, or to it; `fragment` is the IPv4 flags and offset field."""
    ports = (40000, port) if from_vm else (port, 40000)
    datagram = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    if six:
        return ether(ip6(17, datagram), 0x86DD, from_vm=from_vm)
    source, target = (VM4, PEER4) if from_vm else (PEER4, VM4)
    packet = dpkt.ip.IP(src=source.packed, dst=target.packed, p=17, data=datagram, id=7)
    packet.len = len(packet)
    raw = bytearray(bytes(packet))
    raw[6:8] = fragment.to_bytes(2, "big")
    return ether(bytes(raw), 0x0800, from_vm=from_vm)


def monitored(port: Port = WEB_PORT) -> Port:
    """Return the port in monitoring mode."""
    return replace(port, mode=Mode.MONITORING)
