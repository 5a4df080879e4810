"""Odd frames through a protected port: whatever its shape, traffic is inspected; all else passes untouched."""

import socket
import struct
from collections.abc import Iterator

import dpkt
import pytest

from hyperward.events.model import Kind
from hyperward.lab.plan import GUEST_NIC
from hyperward.lab.topology import Lab
from integration.engine_lab import CLIENT, CLIENT_MAC, SERVER, SERVER_MAC, End
from svm_fixtures import Svm, policy

pytestmark = [pytest.mark.root, pytest.mark.engine]

TERMINATE = {"enabled": True, "network_attacks": {"action": "terminate"}}
REQUEST = b"GET /hyperward-test/network-attack HTTP/1.1\r\nHost: a\r\nX-Filler: " + b"x" * 100 + b"\r\n\r\n"
SYN, ACK, PUSH = dpkt.tcp.TH_SYN, dpkt.tcp.TH_ACK, dpkt.tcp.TH_PUSH


class Wire:
    """The VM's NIC and the outside host's: frames in at one, out at the other."""

    def __init__(self, lab: Lab) -> None:
        self.vm = lab.netns("vm1").call(lambda: End(GUEST_NIC))
        self.out = lab.netns("out").call(lambda: End(GUEST_NIC))

    def passes(self, frame: bytes, *, inbound: bool = False, seconds: float = 1.0) -> bool:
        """Send a frame and tell whether just that frame, byte for byte, comes out at the other side."""
        source, target = (self.out, self.vm) if inbound else (self.vm, self.out)
        source.send(frame)
        while (received := target.receive(seconds)) is not None:
            if received == frame:
                return True
        return False


@pytest.fixture
def wire(svm: Svm) -> Iterator[Wire]:
    svm.policies(policy("servers", "vm1", intrusion_prevention=TERMINATE))
    svm.start()
    made = Wire(svm.lab)
    yield made
    made.vm.close()
    made.out.close()


def frame(tags: tuple[tuple[int, int], ...], ethertype: int, body: bytes, *, reverse: bool = False) -> bytes:
    macs = CLIENT_MAC + SERVER_MAC if reverse else SERVER_MAC + CLIENT_MAC
    return macs + b"".join(struct.pack("!HH", *tag) for tag in tags) + struct.pack("!H", ethertype) + body


def segment(port: int, seq: int, ack: int, flags: int, data: bytes = b"", *, reverse: bool = False) -> dpkt.ip.IP:
    ports = (80, port) if reverse else (port, 80)
    tcp = dpkt.tcp.TCP(sport=ports[0], dport=ports[1], seq=seq, ack=ack, flags=flags, win=65_535, data=data)
    ends = (SERVER, CLIENT) if reverse else (CLIENT, SERVER)
    packet = dpkt.ip.IP(src=socket.inet_aton(ends[0]), dst=socket.inet_aton(ends[1]), p=6, ttl=64, id=seq & 0xFFFF)
    packet.data = tcp
    packet.len = len(packet)
    return packet


def connect(wire: Wire, port: int, tags: tuple[tuple[int, int], ...] = ()) -> None:
    """Open a connection from the VM's side; each frame must come out as it went in."""
    steps = (
        (segment(port, 1000, 0, SYN), False),
        (segment(port, 5000, 1001, SYN | ACK, reverse=True), True),
        (segment(port, 1001, 5001, ACK), False),
    )
    for packet, inbound in steps:
        assert wire.passes(frame(tags, 0x0800, bytes(packet), reverse=inbound), inbound=inbound)


@pytest.mark.parametrize(
    "tags",
    [(), ((0x8100, 99),), ((0x8100, 0x6000 | 99),)],
    ids=["none", "vlan", "priority"],
)
def test_frames_with_the_guests_own_tags(svm: Svm, wire: Wire, tags: tuple[tuple[int, int], ...]) -> None:
    connect(wire, 40_001, tags)
    harmless = segment(40_001, 1001, 5001, ACK | PUSH, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.passes(frame(tags, 0x0800, bytes(harmless)))
    connect(wire, 40_002, tags)
    attack = segment(40_002, 1001, 5001, ACK | PUSH, REQUEST)
    passed = wire.passes(frame(tags, 0x0800, bytes(attack)), seconds=0.3)
    assert not passed, svm.ask("vms")[0]["ports"]
    event = svm.wait_for_events(Kind.DETECTION)[0]
    assert event.vlan == tuple(tci & 0xFFF for _, tci in tags)
    assert event.vm is not None
    assert (event.vm.name, event.source_port) == ("vm1", 40_002)


def test_two_tags_of_the_guest_get_the_failure_action(svm: Svm, wire: Wire) -> None:
    """The engine cannot be trusted with a third tag: such frames pass as the policy says, unchanged and counted."""
    connect(wire, 40_001, ((0x88A8, 99), (0x8100, 98)))
    vm = next(one for one in svm.ask("vms") if one["name"] == "vm1")
    counters = vm["ports"][0]["counters"]
    assert (counters["from_vm"]["open_busy"], counters["to_vm"]["open_busy"]) == (2, 1)


def test_an_attack_in_fragments(svm: Svm, wire: Wire) -> None:
    connect(wire, 40_003)
    whole = segment(40_003, 1001, 5001, ACK | PUSH, REQUEST)
    body = bytes(whole)[20:]  # with the checksum, which dpkt puts in with the IP header
    arrived = []
    for start in range(0, len(body), 64):
        part = body[start : start + 64]
        packet = dpkt.ip.IP(src=whole.src, dst=whole.dst, p=6, ttl=64, id=77)
        packet.mf, packet.offset = int(start + 64 < len(body)), start >> 3
        packet.data = part
        packet.len = 20 + len(part)
        arrived.append(wire.passes(frame((), 0x0800, bytes(packet)), seconds=0.3))
    assert not all(arrived)
    assert svm.wait_for_events(Kind.DETECTION)[0].source_port == 40_003


def test_an_attack_in_fragments_of_ipv6(svm: Svm, wire: Wire) -> None:
    ends = [socket.inet_pton(socket.AF_INET6, text) for text in ("fd00::1", "fd00::2")]

    def packet(data: bytes, following: int) -> bytes:
        return struct.pack("!IHBB", 0x60000000, len(data), following, 64) + ends[0] + ends[1] + data

    # A datagram in fragments passes whole; the rest of IPv6 is the scenario's.
    datagram = struct.pack("!HHHH", 40_004, 9999, 8 + 300, 0) + b"y" * 300
    for start in range(0, len(datagram), 152):
        more = int(start + 152 < len(datagram))
        header = struct.pack("!BBHI", 17, 0, start | more, 99)
        assert wire.passes(frame((), 0x86DD, packet(header + datagram[start : start + 152], 44)))
    vm = next(one for one in svm.ask("vms") if one["name"] == "vm1")
    assert vm["ports"][0]["counters"]["from_vm"]["to_engine"] >= 3


def test_what_is_not_ip_is_left_alone(svm: Svm, wire: Wire) -> None:
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + CLIENT_MAC + socket.inet_aton(CLIENT) + bytes(6) + bytes(22)
    bodies: list[tuple[tuple[tuple[int, int], ...], int, bytes]] = [
        ((), 0x0806, arp),
        (((0x8100, 99),), 0x0806, arp),
        ((), 0x88B6, b"local experiment" * 3),
        ((), 0x88B5, b"as the probes of the engine have it" * 2),
        ((), 46, b"\xaa\xaa\x03" + bytes(43)),
    ]
    for inbound in (False, True):
        for tags, ethertype, body in bodies:
            assert wire.passes(frame(tags, ethertype, body, reverse=inbound), inbound=inbound)
    vm = next(one for one in svm.ask("vms") if one["name"] == "vm1")
    counters = vm["ports"][0]["counters"]
    assert counters["from_vm"]["not_ip"] >= len(bodies)
    assert counters["to_vm"]["not_ip"] >= len(bodies)


def test_a_frame_longer_than_the_pairs_carry(svm: Svm, wire: Wire) -> None:
    for name in ("vm1", "uplink"):
        assert svm.lab.host.run(["ip", "link", "set", name, "mtu", "4000"]).returncode == 0
    for name in ("vm1", "out"):
        assert svm.lab.netns(name).run(["ip", "link", "set", GUEST_NIC, "mtu", "4000"]).returncode == 0
    assert svm.lab.host.run(["ip", "link", "set", "br0", "mtu", "4000"]).returncode == 0
    udp = struct.pack("!HHHH", 40_005, 9999, 8 + 3000, 0) + b"z" * 3000
    packet = dpkt.ip.IP(src=socket.inet_aton(CLIENT), dst=socket.inet_aton(SERVER), p=17, ttl=64)
    packet.data = udp
    packet.len = 20 + len(udp)
    assert wire.passes(frame((), 0x0800, bytes(packet)))
    vm = next(one for one in svm.ask("vms") if one["name"] == "vm1")
    assert vm["ports"][0]["counters"]["from_vm"]["open_busy"] == 1
