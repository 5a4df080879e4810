"""Exclusions in the kernel under BPF_PROG_TEST_RUN: what the program decides is what the rows say."""

import random
import struct
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from exclusion_cases import rows
from hyperward.exclusions.image import Image
from hyperward.exclusions.match import Traffic, first_match
from hyperward.exclusions.rows import Direction, ExclusionAction, ExclusionRow, row_id
from hyperward.steering.layout import (
    MARK_TAG,
    BlockedKey,
    ExclusionHits,
    Heartbeat,
    Mode,
    Port,
    Settings,
)
from hyperward.steering.layout import Direction as Way
from hyperward.steering.libbpf import check, ffi, lib, sized
from hyperward.steering.program import Program
from hyperward.svm.exclusion_tables import ExclusionTables
from kernel import loaded_program, own_namespace

pytestmark = pytest.mark.root

LO, ENFORCE, OBSERVE = 1, 14, 15
UNSPEC, SHOT, REDIRECT = 0xFFFFFFFF, 2, 7
REMOTES: list[IPv4Address | IPv6Address] = [
    *(IPv4Address(text) for text in ("10.0.0.0", "10.0.0.1", "10.0.0.6", "10.0.1.3", "10.0.1.6", "0.0.0.1", "9.9.9.9")),
    *(IPv6Address(text) for text in ("fd77::1", "fd77::2", "fd77:0:1::5", "::1", "::ffff:10.0.0.1", "fd78::1")),
]
VM: dict[int, IPv4Address | IPv6Address] = {4: IPv4Address("10.77.0.1"), 6: IPv6Address("fd77:77::1")}
EXTENSION = bytes([0, 0]) + b"\0" * 6


class Node:
    """A loaded program with port 7 on lo; every `load` gives it another set of exclusions."""

    def __init__(self, program: Program) -> None:
        self.program, self.maps = program, program.maps
        self.tables = ExclusionTables(program.maps)
        self.number = self.version = 0
        day = 86_400_000_000_000
        self.maps.settings.set(0, Settings(guest_ifindex=LO, network_ifindex=LO, probe_ns=day))

    def load(self, wanted: list[ExclusionRow], *, mode: Mode = Mode.STANDARD) -> Image:
        image = Image()
        self.number += 1
        self.tables.apply(self.number, image.update(wanted))
        self.use(mode)
        self.tables.drop_all_but([self.number])
        self.tables.forget_hits([])
        return image

    def use(self, mode: Mode = Mode.STANDARD, observe: int = OBSERVE) -> None:
        self.version += 1
        self.maps.ports.set(
            LO, Port(7, ENFORCE, mode, 0, 3, observe, exclusion_set=self.number, exclusion_version=self.version)
        )

    def forget_flows(self) -> None:
        for key, _ in list(self.maps.flows.items()):
            self.maps.flows.delete(key)

    def run(self, packet: bytes, way: Way) -> tuple[int, int]:
        now = time.monotonic_ns()
        for direction in Way:
            self.maps.heartbeats.set(direction, Heartbeat(0, now, now, now))
        context = bytearray(192)
        struct.pack_into("=I", context, 40, LO)
        options = sized("bpf_test_run_opts")
        data, out = ffi.from_buffer(packet), ffi.new("char[]", 4096)
        ctx, ctx_out = ffi.from_buffer(context), ffi.new("char[]", 192)
        options.data_in, options.data_size_in, options.data_out, options.data_size_out = data, len(packet), out, 4096
        options.ctx_in, options.ctx_size_in, options.ctx_out, options.ctx_size_out = ctx, 192, ctx_out, 192
        name = "from_vm" if way is Way.FROM_VM else "to_vm"
        check(lib().bpf_prog_test_run_opts(self.program.fds[name], options), name)
        return options.retval, struct.unpack_from("=I", bytes(ffi.buffer(ctx_out)), 8)[0]

    def decides(self, packet: bytes, way: Way = Way.FROM_VM) -> ExclusionAction:
        verdict, mark = self.run(packet, way)
        if verdict == UNSPEC:
            return ExclusionAction.DO_NOT_SCAN
        assert (verdict, mark & 0xF000) == (REDIRECT, MARK_TAG)
        return {ENFORCE: ExclusionAction.DEFAULT, OBSERVE: ExclusionAction.DO_NOT_BLOCK}[mark & 0xFFF]

    def hit(self) -> dict[int, int]:
        return {row: hits.packets for row, hits in self.tables.hits().items()}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with own_namespace(), loaded_program(tmp_path_factory.mktemp("bpf")) as program:
        yield program


@pytest.fixture
def node(loaded: Program) -> Node:
    found = Node(loaded)
    found.forget_flows()
    found.tables.drop_all_but([])
    return found


def packet(
    remote: IPv4Address | IPv6Address,
    *,
    way: Way = Way.FROM_VM,
    protocol: int = 6,
    remote_port: int = 80,
    local_port: int = 40000,
    flags: int = 0x10,
    vlan: int = 0,
    fragment: tuple[int, bool] | None = None,
    extensions: int = 0,
    cut: int | None = None,
) -> bytes:
    """Return a frame. `fragment` is (offset in eights, more follow); `cut` shortens the transport header."""
    from_vm = way is Way.FROM_VM
    ports = (local_port, remote_port) if from_vm else (remote_port, local_port)
    body = struct.pack("!HHIIBBHHH", *ports, 1, 1, 0x50, flags, 1000, 0, 0) if protocol == 6 else b""
    body = body or struct.pack("!HHHH", *ports, 24, 0) + b"x" * 16
    body = body[:cut]
    ends = (VM[remote.version], remote) if from_vm else (remote, VM[remote.version])
    offset, more = fragment or (0, False)
    if remote.version == 4:
        bits = offset | (0x2000 if more else 0)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 7, bits, 64, protocol, 0)
        kind, body = 0x0800, head + ends[0].packed + ends[1].packed + body
    else:
        following = protocol
        if fragment is not None:
            body = struct.pack("!BBHI", following, 0, offset << 3 | more, 7) + body
            following = 44
        for _ in range(extensions):
            body = bytes([following, 0]) + b"\0" * 6 + body
            following = 60
        head = struct.pack("!IHBB", 6 << 28, len(body), following, 64)
        kind, body = 0x86DD, head + ends[0].packed + ends[1].packed + body
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    macs = b"\x02\0\0\0\0\x09\x02\0\0\0\0\x01"
    return macs + tag + struct.pack("!H", kind) + body


def row(address: str = "any", action: str = "do_not_scan", **fields: object) -> ExclusionRow:
    return ExclusionRow.model_validate(
        {"address": address, "action": ExclusionAction(action), "reason": "a test", **fields}
    )


def random_packet(dice: random.Random) -> tuple[bytes, Way, Traffic]:
    """Return a first packet of a connection and what the rows can know of it."""
    remote, way = dice.choice(REMOTES), dice.choice(list(Way))
    protocol, vlan = dice.choice([1, 6, 6, 17, 50, 132]), dice.choice([0, 5, 6])
    remote_port, local_port = dice.choice([80, 81, 443, 7]), dice.choice([80, 81, 443, 7])
    flags = dice.choice([0x02, 0x02, 0x10, 0x12])
    kind = dice.choice(["whole", "whole", "whole", "first", "later", "short", "hidden"])
    if kind == "short" and protocol not in {6, 17, 132}:
        kind = "whole"
    if kind == "hidden" and remote.version == 4:
        kind = "whole"
    # who began is known by a SYN, or where there is none by the first packet; never from a part of a packet
    begins = kind != "short" and flags == 0x02 if protocol == 6 else True
    opened = Direction.OUTBOUND if way is Way.FROM_VM else Direction.INBOUND
    opened_known = opened if begins and kind in {"whole", "short"} else None
    ports = kind == "whole" and protocol in {6, 17, 132}
    built = packet(
        remote,
        way=way,
        protocol=protocol,
        remote_port=remote_port,
        local_port=local_port,
        flags=flags,
        vlan=vlan,
        fragment={"first": (0, True), "later": (20, False)}.get(kind),
        extensions=7 if kind == "hidden" else 0,
        cut=3 if kind == "short" else None,
    )
    known = Traffic(
        version=remote.version,
        remote=int(remote),
        vlan=vlan,
        opened=opened_known,
        protocol=None if kind == "hidden" else protocol,
        remote_port=remote_port if ports else None,
        local_port=local_port if ports else None,
    )
    return built, way, known


@given(st.lists(rows(), min_size=1, max_size=25), st.integers(0, 1 << 32))
@settings(
    max_examples=150,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@seed(3)
def test_kernel_decides_as_the_first_match(node: Node, wanted: list[ExclusionRow], number: int) -> None:
    node.load(wanted)
    dice = random.Random(number)  # noqa: S311 - a test must be repeatable
    for _ in range(12):
        node.forget_flows()
        built, way, known = random_packet(dice)
        action, said = first_match(wanted, known)
        before = node.hit()
        # the second time the answer comes with the flow
        assert [node.decides(built, way), node.decides(built, way)] == [action, action], known
        gained = {row: count - before.get(row, 0) for row, count in node.hit().items() if count != before.get(row, 0)}
        assert gained == ({row_id(said): 2} if said else {})
    assert len(node.maps.exclusion_nodes.keys()) == len(Image(wanted).nodes)


@given(st.lists(st.lists(rows(), max_size=10), min_size=2, max_size=5), st.integers(0, 1 << 32))
@settings(
    max_examples=40,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@seed(4)
def test_rows_changed_in_place_hold_for_running_flows(
    node: Node, stages: list[list[ExclusionRow]], number: int
) -> None:
    image = node.load([])
    dice = random.Random(number)  # noqa: S311 - a test must be repeatable
    node.forget_flows()
    running = [random_packet(dice) for _ in range(8)]
    running = [case for case in running if case[2].protocol != 6 or case[2].opened is None][:4]
    for wanted in stages:
        node.tables.apply(node.number, image.update(wanted))
        node.use()
        for built, way, known in running:
            if known.opened is None:
                assert node.decides(built, way) is first_match(wanted, known)[0]
    node.tables.clean()
    assert len(node.maps.exclusion_nodes.keys()) == len(image.nodes)
    assert len(node.maps.exclusions4.keys()) == len(image.entries[4])
    assert len(node.maps.exclusions6.keys()) == len(image.entries[6])


def test_port_without_set_looks_nothing_up(node: Node) -> None:
    node.load([row()])
    node.number = 0
    node.use()
    assert node.decides(packet(REMOTES[0])) is ExclusionAction.DEFAULT


def test_set_of_another_port_is_not_mine(node: Node) -> None:
    node.load([row("10.0.0.1")])
    node.maps.ports.set(
        LO, Port(7, ENFORCE, Mode.STANDARD, 0, 3, OBSERVE, exclusion_set=node.number + 1, exclusion_version=99)
    )
    assert node.decides(packet(REMOTES[1])) is ExclusionAction.DEFAULT


def test_both_directions_of_a_connection_are_treated_alike(node: Node) -> None:
    node.load([row(direction=Direction.INBOUND)])
    for opener in Way:
        node.forget_flows()
        other = Way.TO_VM if opener is Way.FROM_VM else Way.FROM_VM
        wanted = ExclusionAction.DO_NOT_SCAN if opener is Way.TO_VM else ExclusionAction.DEFAULT
        ways = ((opener, 0x02), (other, 0x12), (opener, 0x10), (other, 0x18), (opener, 0x11))
        assert {node.decides(packet(REMOTES[1], way=way, flags=flags), way) for way, flags in ways} == {wanted}


def test_nobody_changes_afterwards_who_began(node: Node) -> None:
    node.load([row(direction=Direction.INBOUND)])
    remote = REMOTES[1]

    def send(way: Way, flags: int) -> ExclusionAction:
        return node.decides(packet(remote, way=way, flags=flags), way)

    # the server of a connection that the VM opens: SYN instead of SYN and ACK, SYN before and after it
    assert [send(Way.FROM_VM, 0x02), send(Way.TO_VM, 0x02), send(Way.FROM_VM, 0x12)] == [ExclusionAction.DEFAULT] * 3
    node.forget_flows()
    assert send(Way.TO_VM, 0x02) is ExclusionAction.DO_NOT_SCAN
    assert send(Way.FROM_VM, 0x02) is ExclusionAction.DEFAULT
    node.forget_flows()
    sent = [send(Way.FROM_VM, 0x02), send(Way.TO_VM, 0x12), send(Way.TO_VM, 0x02), send(Way.FROM_VM, 0x18)]
    assert sent == [ExclusionAction.DEFAULT] * 4


def test_connection_from_before_us_meets_rows_with_a_direction_in_its_favour_never(node: Node) -> None:
    node.load([row(direction=Direction.INBOUND), row(direction=Direction.OUTBOUND)])
    assert node.decides(packet(REMOTES[1], flags=0x18)) is ExclusionAction.DEFAULT
    node.load([row(direction=Direction.INBOUND), row()])
    assert node.decides(packet(REMOTES[1], flags=0x18)) is ExclusionAction.DO_NOT_SCAN


def test_all_fragments_of_a_packet_go_one_way(node: Node) -> None:
    for remote in (REMOTES[1], REMOTES[7]):
        node.load([row(protocol="udp", remote_port="2049", action="do_not_block"), row(protocol="udp")])
        for wanted, port in ((ExclusionAction.DO_NOT_BLOCK, 2049), (ExclusionAction.DO_NOT_BLOCK, 53)):
            parts = [
                packet(remote, protocol=17, remote_port=port, fragment=(0, True)),
                packet(remote, protocol=17, remote_port=port, fragment=(20, True)),
                packet(remote, protocol=17, remote_port=port, fragment=(40, False)),
            ]
            assert {node.decides(part) for part in parts} == {wanted}
        assert node.decides(packet(remote, protocol=17, remote_port=53)) is ExclusionAction.DO_NOT_SCAN


def test_ipv4_in_ipv6_is_not_ipv4(node: Node) -> None:
    node.load([row("10.0.0.1")])
    assert node.decides(packet(IPv4Address("10.0.0.1"))) is ExclusionAction.DO_NOT_SCAN
    assert node.decides(packet(IPv6Address("::ffff:10.0.0.1"))) is ExclusionAction.DEFAULT


def test_packet_without_a_whole_ip_header_is_inspected(node: Node) -> None:
    node.load([row()])
    assert node.decides(packet(REMOTES[1], vlan=5)[:36]) is ExclusionAction.DEFAULT


def test_excluded_source_is_not_dropped_for_what_it_did_elsewhere(node: Node) -> None:
    node.load([row("10.0.0.1"), row("10.0.0.6", "do_not_block")])
    for remote, verdict in (("10.0.0.1", UNSPEC), ("10.0.0.6", REDIRECT), ("10.0.1.3", SHOT)):
        address = ip_address(remote)
        key = BlockedKey(b"\0" * 10 + b"\xff\xff" + address.packed, 3, 0)
        node.maps.blocked.set(key, time.monotonic_ns() + 60_000_000_000)
        assert node.run(packet(address, way=Way.TO_VM), Way.TO_VM)[0] == verdict
        node.maps.blocked.delete(key)
    assert len(list(node.maps.flows.items())) == 2


def test_monitoring_makes_no_copy_of_what_is_not_to_be_scanned(node: Node) -> None:
    node.load([row("10.0.0.1"), row("10.0.0.6", "do_not_block")], mode=Mode.MONITORING)
    before = node.maps.port_counters.get(7)
    for remote in ("10.0.0.1", "10.0.0.6", "10.0.1.3"):
        assert node.run(packet(ip_address(remote)), Way.FROM_VM)[0] == UNSPEC
    after = node.maps.port_counters.get(7)
    assert before
    assert after
    gained = {name: after.from_vm[name] - before.from_vm[name] for name in ("not_scanned", "observed_only")}
    copies = sum(after.from_vm[name] - before.from_vm[name] for name in ("cloned", "clone_failed"))
    assert (gained, copies) == ({"not_scanned": 1, "observed_only": 0}, 2)


def test_without_an_observe_lane_the_rules_act(node: Node) -> None:
    node.load([row(action="do_not_block")])
    node.use(observe=0)
    assert node.decides(packet(REMOTES[1])) is ExclusionAction.DEFAULT


def test_hits_are_counted_per_row_with_bytes(node: Node) -> None:
    wanted = [row("10.0.0.1"), row("10.0.0.0/8", "do_not_block"), row("fd77::/16")]
    node.load(wanted)
    frame = packet(REMOTES[1])
    for _ in range(3):
        node.run(frame, Way.FROM_VM)
    node.run(packet(ip_address("10.9.9.9")), Way.FROM_VM)
    assert node.tables.hits() == {
        row_id(wanted[0]): ExclusionHits(3, 3 * len(frame)),
        row_id(wanted[1]): ExclusionHits(1, len(frame)),
    }
    node.tables.forget_hits([row_id(wanted[1])])
    assert list(node.tables.hits()) == [row_id(wanted[1])]
