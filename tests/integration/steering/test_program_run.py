"""The steering program under BPF_PROG_TEST_RUN: packet in, verdict and packet out."""

import struct
import time
from collections.abc import Iterator

import pytest

from hyperward.steering.layout import (
    MARK_MAGIC,
    MARK_PROBE,
    MARK_RETURNED,
    MARK_TAG,
    VID_PROBE,
    BlockedKey,
    Direction,
    Heartbeat,
    Mode,
    Port,
    PortFlag,
    VidOwner,
)
from hyperward.steering.program import Program
from kernel import loaded_program, own_namespace
from program_bench import (
    LO,
    OK,
    PEER4,
    PEER6,
    PEER_MAC,
    PORT,
    REDIRECT,
    SHOT,
    UNSPEC,
    VM4,
    VM6,
    VM_MAC,
    Bench,
    ether,
    tcp4,
    udp6,
)

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with own_namespace(), loaded_program(tmp_path_factory.mktemp("bpf")) as program:
        yield program


@pytest.fixture
def bench(loaded: Program) -> Bench:
    found = Bench(loaded)
    found.prepare()
    return found


IP4 = ether(tcp4(), 0x0800)


@pytest.mark.parametrize(("program", "from_vm"), [("from_vm", True), ("to_vm", False)])
def test_standard_mode_redirects_with_the_ports_vlan_in_the_mark(bench: Bench, program: str, *, from_vm: bool) -> None:
    packet = ether(tcp4(from_vm=from_vm), 0x0800, from_vm=from_vm)
    ran = bench.run(program, packet)
    assert (ran.verdict, ran.mark, ran.data) == (REDIRECT, MARK_MAGIC | MARK_TAG | PORT.vid, packet)
    side = "from" if from_vm else "to"
    assert bench.counted() == {f"{side}_seen_packets": 1, f"{side}_to_engine": 1}


def test_returned_packet_passes_and_loses_the_mark(bench: Bench) -> None:
    ran = bench.run("from_vm", IP4, mark=MARK_MAGIC | MARK_RETURNED)
    assert (ran.verdict, ran.mark) == (UNSPEC, 0)
    assert bench.counted() == {}


def test_a_mark_of_somebody_else_does_not_pass_inspection(bench: Bench) -> None:
    assert bench.run("from_vm", IP4, mark=0x12343000).verdict == REDIRECT


@pytest.mark.parametrize("mode", [Mode.PASS, None])
def test_what_no_policy_covers_is_not_touched_nor_counted(bench: Bench, mode: Mode | None) -> None:
    if mode is None:
        bench.maps.ports.delete(LO)
    else:
        bench.prepare(Port(7, 14, mode, 0))
    ran = bench.run("from_vm", IP4, mark=0x99)
    assert (ran.verdict, ran.mark, ran.data) == (UNSPEC, 0x99, IP4)
    assert bench.counted() == {}


@pytest.mark.parametrize("kind", [0x0806, 0x88CC, 0x8863, 0x0026])
def test_what_is_not_ip_is_left_alone(bench: Bench, kind: int) -> None:
    packet = ether(b"\0" * 46, kind)
    ran = bench.run("from_vm", packet)
    assert (ran.verdict, ran.data) == (UNSPEC, packet)
    assert bench.counted() == {"from_seen_packets": 1, "from_not_ip": 1}


def test_monitoring_leaves_packet_and_mark_as_they_were(bench: Bench) -> None:
    bench.prepare(Port(7, 14, Mode.MONITORING, PortFlag.CLOSED_DOWN | PortFlag.CLOSED_BUSY), alive=False)
    ran = bench.run("to_vm", IP4, mark=0x77)
    assert (ran.verdict, ran.mark, ran.data) == (UNSPEC, 0x77, IP4)


@pytest.mark.parametrize(
    ("flags", "verdict", "counter"),
    [
        (0, UNSPEC, "open_down"),
        (PortFlag.CLOSED_DOWN, SHOT, "closed_down"),
        (PortFlag.CLOSED_BUSY, UNSPEC, "open_down"),
    ],
)
def test_engine_that_never_answered_is_down(bench: Bench, flags: int, verdict: int, counter: str) -> None:
    bench.prepare(Port(7, 14, Mode.STANDARD, flags), alive=False)
    assert bench.run("from_vm", IP4).verdict == verdict
    assert bench.counted()[f"from_{counter}"] == 1


@pytest.mark.parametrize(
    ("overdue_ms", "quiet_ms", "state"),
    [(100, 100, "up"), (250, 10, "busy"), (250, 250, "up"), (400, 10, "busy"), (400, 350, "down")],
)
@pytest.mark.parametrize("closed", [False, True])
def test_overdue_probe_is_busy_and_silence_is_down(
    bench: Bench, overdue_ms: int, quiet_ms: int, state: str, *, closed: bool
) -> None:
    flags = PortFlag.CLOSED_DOWN | PortFlag.CLOSED_BUSY if closed else PortFlag.NONE
    bench.prepare(Port(7, 14, Mode.STANDARD, flags))
    now = time.monotonic_ns()
    pending = now - overdue_ms * 1_000_000
    bench.maps.heartbeats.set(Direction.FROM_VM, Heartbeat(pending, now, pending - 1, now - quiet_ms * 1_000_000))
    verdict = bench.run("from_vm", IP4).verdict
    if state == "up":
        assert verdict == REDIRECT
    else:
        assert verdict == (SHOT if closed else UNSPEC)
        assert bench.counted()[f"from_{'closed' if closed else 'open'}_{state}"] == 1
    # the other direction has its own heartbeat
    assert bench.run("to_vm", ether(tcp4(from_vm=False), 0x0800, from_vm=False)).verdict == REDIRECT


def test_frame_that_the_pair_cannot_carry_gets_the_busy_action(bench: Bench) -> None:
    long = ether(tcp4(payload=b"x" * 3000), 0x0800)
    assert bench.run("from_vm", long).verdict == UNSPEC
    assert bench.run("from_vm", long, gso_size=1448).verdict == REDIRECT
    assert bench.run("from_vm", long, gso_size=8000).verdict == UNSPEC
    assert bench.counted()["from_open_busy"] == 2


def test_flow_is_kept_from_the_vms_view_with_both_directions(bench: Bench) -> None:
    bench.run("from_vm", ether(tcp4(flags=0x02, ack=0), 0x0800))
    bench.run("to_vm", ether(tcp4(from_vm=False, flags=0x12, ack=2), 0x0800, from_vm=False))
    bench.run("from_vm", ether(tcp4(flags=0x10, ack=555), 0x0800))
    key, flow = bench.flow()
    assert (key.local[12:], key.remote[12:]) == (VM4.packed, PEER4.packed)
    assert key.local[:12] == b"\0" * 10 + b"\xff\xff"
    assert (key.local_port, key.remote_port) == ((40000).to_bytes(2, "big"), (80).to_bytes(2, "big"))
    assert (key.port_id, key.protocol, key.vlan) == (7, 6, 0)
    assert (flow.packets_from, flow.packets_to, flow.ack_from, flow.ack_to) == (2, 1, 555, 2)
    assert (flow.flags_from, flow.flags_to) == (0x12, 0x12)
    assert (flow.vm_mac, flow.peer_mac) == (VM_MAC, PEER_MAC)


@pytest.mark.parametrize(
    "extensions",
    [
        (b"", 17),
        (bytes([17, 0]) + b"\0" * 6, 0),
        (bytes([43, 0]) + b"\0" * 6 + bytes([17, 1]) + b"\0" * 14, 0),
        (bytes([17, 0, 0, 1]) + b"\0" * 4, 44),
        (bytes([17, 1]) + b"\0" * 10, 51),
    ],
)
def test_ipv6_extension_headers_are_walked(bench: Bench, extensions: tuple[bytes, int]) -> None:
    assert bench.run("from_vm", ether(udp6(extensions=extensions[0], first=extensions[1]), 0x86DD)).verdict == REDIRECT
    key, _ = bench.flow()
    assert (key.local, key.remote, key.protocol) == (VM6.packed, PEER6.packed, 17)
    assert (key.local_port, key.remote_port) == ((5353).to_bytes(2, "big"), (53).to_bytes(2, "big"))


def test_later_fragments_have_no_ports_and_are_inspected(bench: Bench) -> None:
    packet = bytearray(tcp4())
    packet[6:8] = (100).to_bytes(2, "big")
    assert bench.run("from_vm", ether(packet, 0x0800)).verdict == REDIRECT
    key, _ = bench.flow()
    assert (key.local_port, key.remote_port, key.protocol) == (b"\0\0", b"\0\0", 6)


@pytest.mark.parametrize("protocol", [0x8100, 0x88A8])
def test_guests_own_tag_is_seen_through_and_kept(bench: Bench, protocol: int) -> None:
    packet = ether(tcp4(), 0x0800, tags=((protocol, 99),))
    ran = bench.run("from_vm", packet)
    assert (ran.verdict, ran.data) == (REDIRECT, packet)
    assert bench.flow()[0].vlan == 99


@pytest.mark.parametrize(("flags", "verdict"), [(PortFlag.NONE, UNSPEC), (PortFlag.CLOSED_BUSY, SHOT)])
def test_two_tags_of_the_guests_own_never_reach_the_engine(bench: Bench, flags: PortFlag, verdict: int) -> None:
    bench.prepare(Port(7, 14, Mode.STANDARD, flags))
    packet = ether(tcp4(), 0x0800, tags=((0x88A8, 99), (0x8100, 5)))
    ran = bench.run("from_vm", packet)
    assert (ran.verdict, ran.data) == (verdict, packet)
    assert bench.counted()[f"from_{'closed' if flags else 'open'}_busy"] == 1
    assert bench.flow()[0].vlan == 99
    bench.prepare(Port(7, 14, Mode.MONITORING, flags))
    assert bench.run("from_vm", packet).verdict == UNSPEC
    assert bench.counted()["from_clone_failed"] == 1


def test_more_tags_than_the_engine_looks_through_are_counted_as_not_inspected(bench: Bench) -> None:
    packet = ether(tcp4(), 0x0800, tags=((0x8100, 1), (0x8100, 2), (0x8100, 3)))
    assert bench.run("from_vm", packet).verdict == UNSPEC
    assert bench.counted()["from_not_ip"] == 1


@pytest.mark.parametrize("length", [34, 35, 40, 47, 54])
def test_short_packets_never_escape_inspection(bench: Bench, length: int) -> None:
    assert bench.run("from_vm", IP4[:length]).verdict == REDIRECT


def test_blocked_source_is_dropped_in_its_network_and_vlan_until_its_time(bench: Bench) -> None:
    to_vm = ether(tcp4(from_vm=False), 0x0800, from_vm=False)
    mapped = b"\0" * 10 + b"\xff\xff" + PEER4.packed
    soon = time.monotonic_ns() + 60_000_000_000
    bench.maps.blocked.set(BlockedKey(mapped, 99, 0), soon)
    bench.maps.blocked.set(BlockedKey(mapped, PORT.segment, 5), soon)
    assert bench.run("to_vm", to_vm).verdict == REDIRECT
    bench.maps.blocked.set(BlockedKey(mapped, PORT.segment, 0), soon)
    assert bench.run("to_vm", to_vm).verdict == SHOT
    assert bench.run("from_vm", IP4).verdict == REDIRECT
    bench.maps.blocked.set(BlockedKey(mapped, PORT.segment, 0), time.monotonic_ns() - 1)
    assert bench.run("to_vm", to_vm).verdict == REDIRECT
    assert bench.counted()["to_blocked_source"] == 1


def test_only_our_marks_enter_a_pair(bench: Bench) -> None:
    assert bench.run("to_engine", IP4).verdict == SHOT
    assert bench.run("to_engine", IP4, mark=MARK_MAGIC | MARK_RETURNED).verdict == SHOT
    ran = bench.run("to_engine", IP4, mark=MARK_MAGIC | MARK_TAG | 14)
    assert (ran.verdict, ran.mark) == (OK, 0)


def test_probe_carries_no_ip_and_is_short(bench: Bench) -> None:
    ran = bench.run("to_engine", ether(tcp4(payload=b"x" * 1000), 0x0800), mark=MARK_MAGIC | MARK_PROBE)
    assert ran.verdict == OK
    assert (len(ran.data), ran.data[12:14]) == (192, b"\x88\xb5")


@pytest.mark.parametrize("program", ["from_engine_network", "from_engine_guest"])
def test_packet_back_from_the_engine_loses_our_tag_and_goes_to_its_port(bench: Bench, program: str) -> None:
    tagged = IP4[:12] + struct.pack("!HH", 0x8100, 14) + IP4[12:]
    ran = bench.run(program, tagged)
    assert (ran.verdict, ran.mark, ran.data) == (REDIRECT, MARK_MAGIC | MARK_RETURNED, IP4)


def test_copies_unknown_ids_and_untagged_frames_end_there(bench: Bench) -> None:
    assert bench.run("from_engine_network", IP4).verdict == SHOT
    unknown = IP4[:12] + struct.pack("!HH", 0x8100, 15) + IP4[12:]
    assert bench.run("from_engine_network", unknown).verdict == SHOT
    bench.maps.vids.set(14, VidOwner(LO, 7, 1))
    assert bench.run("from_engine_network", IP4[:12] + struct.pack("!HH", 0x8100, 14) + IP4[12:]).verdict == SHOT


def test_answered_probe_makes_the_engine_up(bench: Bench) -> None:
    bench.prepare(alive=False)
    probe = IP4[:12] + struct.pack("!HHH", 0x8100, VID_PROBE, 0x88B5) + IP4[14:]
    assert bench.run("from_engine_network", probe).verdict == SHOT
    assert bench.run("from_vm", IP4).verdict == REDIRECT
    assert bench.run("to_vm", IP4).verdict == UNSPEC
