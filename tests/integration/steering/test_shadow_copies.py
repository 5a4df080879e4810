"""Copies for a shadow policy leave a port beside whatever the active policy does with the packet."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import dpkt
import pytest
from pyroute2 import IPRoute

from hyperward.steering import attach as tc
from hyperward.steering.attach import Hook
from hyperward.steering.layout import VID_PROBE, Counters, Direction, Heartbeat, Mode
from hyperward.steering.pairs import Pairs
from hyperward.steering.ports import KernelPorts, PortSettings
from hyperward.steering.program import Program
from kernel import loaded_program, own_namespace

pytestmark = pytest.mark.root

VID, SHADOW_VID, PORT_ID = 14, 15, 7
ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA = 263, 8


class Wires:
    """A port whose VM end we hold, and the far end of the guests' inspection pair."""

    def __init__(self, program: Program, ip: IPRoute) -> None:
        self.maps = program.maps
        self.ports = KernelPorts(program)
        for name in ("vm", "hwg"):
            ip.link("add", ifname=f"{name}0", kind="veth", peer={"ifname": f"{name}1"})
            for end in (f"{name}0", f"{name}1"):
                ip.link("set", index=ip.link_lookup(ifname=end)[0], state="up", arp=False)
        self.port, pair = (ip.link_lookup(ifname=f"{name}0")[0] for name in ("vm", "hwg"))
        tc.ensure_qdisc(pair)
        tc.attach(pair, Hook.EGRESS, program.fds["to_engine"])
        self.ports.configure(Pairs(pair, pair, 1606), down_ms=900, busy_ms=600, probe_ms=100_000)
        self.ports.gate(is_open=True)
        self.vm, self.engine = _listen("vm1"), _listen("hwg1")

    def close(self) -> None:
        self.vm.close()
        self.engine.close()

    def put(self, mode: Mode, shadow_vid: int = SHADOW_VID, *, alive: bool = True) -> None:
        now = 1 << 62
        for direction in Direction:
            self.maps.heartbeats.set(direction, Heartbeat(0, now, now, now) if alive else Heartbeat(0, now, 0, 0))
        self.ports.put(self.port, PortSettings(PORT_ID, VID, mode, shadow_vid=shadow_vid))
        self.maps.port_counters.set(PORT_ID, Counters.zero())

    def sent(self, frame: bytes) -> list[int]:
        """Send a frame from the VM; return the VLAN ids under which it came to the engine, probes aside."""
        self.vm.send(frame)
        return sorted(vid for vid in _vids(self.engine, frame) if vid != VID_PROBE)

    def copied(self) -> int:
        return self.ports.counters(PORT_ID).from_vm["shadow_copied"]


def _listen(interface: str) -> socket.socket:
    listening = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    listening.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    listening.bind((interface, 0))
    listening.settimeout(0.3)
    return listening


def _vids(engine: socket.socket, frame: bytes) -> Iterator[int]:
    while True:
        try:
            data, ancillary, _, _ = engine.recvmsg(4096, socket.CMSG_SPACE(32))
        except TimeoutError:
            return
        if data[:12] != frame[:12]:
            continue
        [tci] = [struct.unpack_from("=IIIHHHH", value)[5] for _, kind, value in ancillary if kind == PACKET_AUXDATA]
        # The kernel takes the tag out of the data or leaves it there, as it likes.
        yield tci & 0xFFF if tci else int.from_bytes(data[14:16], "big") & 0xFFF


@contextmanager
def wires(program: Program) -> Iterator[Wires]:
    with IPRoute() as ip:
        made = Wires(program, ip)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wires]:
    with own_namespace(), loaded_program(tmp_path_factory.mktemp("bpf")) as program, wires(program) as made:
        yield made


def packet(size: int = 40, tags: int = 0) -> bytes:
    inner = dpkt.ip.IP(
        src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", p=17, data=dpkt.udp.UDP(sport=1, dport=2, data=b"x" * size)
    )
    inner.len = len(inner)
    tag = b"".join(struct.pack("!HH", 0x8100, 9) for _ in range(tags))
    return bytes.fromhex("02000000000b02000000000a") + tag + b"\x08\x00" + bytes(inner)


@pytest.mark.parametrize("mode", [Mode.STANDARD, Mode.MONITORING])
def test_the_packet_and_the_shadows_copy_come_to_the_engine(bench: Wires, mode: Mode) -> None:
    bench.put(mode)
    assert bench.sent(packet()) == [VID, SHADOW_VID]
    assert bench.copied() == 1
    counted = bench.ports.counters(PORT_ID).from_vm
    assert (counted["to_engine"], counted["cloned"]) == ((1, 0) if mode is Mode.STANDARD else (0, 1))


@pytest.mark.parametrize("mode", [Mode.STANDARD, Mode.MONITORING])
def test_without_a_shadow_there_is_no_copy(bench: Wires, mode: Mode) -> None:
    bench.put(mode, 0)
    assert bench.sent(packet()) == [VID]
    assert bench.copied() == 0


def test_an_engine_that_is_down_gets_no_copies(bench: Wires) -> None:
    bench.put(Mode.STANDARD, alive=False)
    assert bench.sent(packet()) == []
    assert bench.copied() == 0


def test_what_the_engine_must_not_see_is_not_copied(bench: Wires) -> None:
    bench.put(Mode.MONITORING)
    assert bench.sent(packet(tags=2)) == []
    assert bench.copied() == 0


def test_a_shadows_lane_ends_when_its_copies_come_back(bench: Wires) -> None:
    bench.put(Mode.STANDARD)
    owner = bench.maps.vids.get(SHADOW_VID)
    assert owner is not None
    assert (owner.ifindex, owner.port_id, owner.copies) == (bench.port, PORT_ID, 1)
    active = bench.maps.vids.get(VID)
    assert active is not None
    assert active.copies == 0
    assert bench.ports.registered()[bench.port].shadow_vid == SHADOW_VID
