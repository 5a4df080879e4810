"""The way to a web scanner and back under BPF_PROG_TEST_RUN: who takes a packet, what happens if nobody can."""

import struct
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hyperward.steering.layout import (
    MARK_MAGIC,
    MARK_RETURNED,
    MARK_SCANNED,
    MARK_SCANNER,
    MARK_SCANNER_COPY,
    MARK_TAG,
    PCP_COPY,
    PCP_CRAFTED,
    PCP_ORIGINAL,
    PCP_WHOLE,
    BlockedKey,
    Exclusion,
    ExclusionAction,
    ExclusionKey4,
    Mode,
    PortFlag,
    Scanner,
    WebFlow,
    WebState,
)
from hyperward.steering.program import Program
from kernel import loaded_program, own_namespace
from program_bench import LO, OK, PEER4, PORT, REDIRECT, SHOT, UNSPEC, VM4, ether, tcp4
from web_bench import HANDED, START, WEB_PORT, WebBench, is_handed, monitored, udp_frame

pytestmark = pytest.mark.root
MILLISECOND = 1_000_000
FRAME = ether(tcp4(), 0x0800)
CLOSED = PortFlag.CLOSED_DOWN | PortFlag.CLOSED_BUSY


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with own_namespace(), loaded_program(tmp_path_factory.mktemp("bpf")) as program:
        yield program


@pytest.fixture
def bench(loaded: Program) -> WebBench:
    found = WebBench(loaded)
    found.prepare_web()
    return found


def tagged(priority: int, port_id: int = PORT.id) -> bytes:
    return FRAME[:12] + struct.pack("!HH", 0x8100, priority << 13 | port_id) + FRAME[12:]


@pytest.mark.parametrize(("closed", "verdict"), [(PortFlag.NONE, UNSPEC), (CLOSED, SHOT)])
@pytest.mark.parametrize("how", ["silent", "dead", "no_device", "no_scanner"])
def test_without_a_scanner_that_lives_the_failure_action_holds(
    bench: WebBench, closed: PortFlag, verdict: int, how: str
) -> None:
    port = replace(WEB_PORT, flags=closed)
    bench.prepare_web(port, silent_ns=301 * MILLISECOND if how == "silent" else 0)
    if how == "dead":
        bench.maps.scanners.set(0, Scanner())
    if how == "no_device":
        bench.maps.scanner_devices.set(0, 0)
    if how == "no_scanner":
        bench.prepare_web(port, scanners=0)
    bench.connect()
    assert bench.send().verdict == verdict
    assert bench.counted()["from_web_closed_down" if closed else "from_web_open_down"] == 1
    assert bench.handed_frames() == 0


def test_a_short_silence_is_no_failure(bench: WebBench) -> None:
    bench.prepare_web(silent_ns=MILLISECOND, down_ns=60_000 * MILLISECOND)
    bench.connect()
    assert is_handed(bench.send())


@pytest.mark.parametrize(("closed", "verdict"), [(PortFlag.NONE, UNSPEC), (CLOSED, SHOT)])
def test_a_full_queue_is_busy(bench: WebBench, closed: PortFlag, verdict: int) -> None:
    bench.prepare_web(replace(WEB_PORT, flags=closed), waiting=401)
    bench.connect()
    assert bench.send().verdict == verdict
    assert bench.counted()["from_web_closed_busy" if closed else "from_web_open_busy"] == 1
    bench.prepare_web(replace(WEB_PORT, flags=closed), waiting=400)
    bench.connect()
    assert is_handed(bench.send())


def test_with_an_open_failure_action_the_packet_still_goes_to_the_engine(bench: WebBench) -> None:
    bench.prepare_web(replace(WEB_PORT, vid=PORT.vid), scanners=0)
    bench.connect()
    assert bench.send().mark == MARK_MAGIC | MARK_TAG | PORT.vid


def test_a_port_has_its_share_of_a_busy_scanner(bench: WebBench) -> None:
    bench.prepare_web(waiting=101)
    bench.connect()
    verdicts = [bench.send().verdict for _ in range(9)]
    # Five at once, one because the share begins now, and 100 ms later the next one.
    assert verdicts[:6] == [REDIRECT] * 6
    assert SHOT in verdicts
    assert bench.counted()["from_web_limited"] == verdicts.count(SHOT)
    bench.maps.web_tokens.set(PORT.id, time.monotonic_ns() + 490 * MILLISECOND)
    assert is_handed(bench.send())


def test_a_share_is_one_ports(bench: WebBench) -> None:
    bench.prepare_web(waiting=101)
    bench.connect()
    bench.maps.web_tokens.set(PORT.id, time.monotonic_ns() + 60_000 * MILLISECOND)
    assert bench.send().verdict == SHOT
    other = replace(WEB_PORT, id=8)
    bench.maps.ports.set(LO, other)
    bench.maps.web_tokens.set(8, 0)
    bench.run("from_vm", ether(tcp4(flags=2, payload=b""), 0x0800))
    assert bench.send().mark == MARK_MAGIC | MARK_SCANNER | 8


def test_frames_of_a_large_segment_use_up_the_share(bench: WebBench) -> None:
    bench.prepare_web(waiting=101)
    bench.connect()
    assert is_handed(bench.send(length=3000, gso_size=100))
    assert bench.send().verdict == SHOT


def test_an_idle_scanner_limits_nobody(bench: WebBench) -> None:
    bench.connect()
    bench.maps.web_tokens.set(PORT.id, time.monotonic_ns() + 60_000 * MILLISECOND)
    assert is_handed(bench.send())


def test_more_taken_than_handed_is_an_empty_queue(bench: WebBench) -> None:
    bench.maps.scanners.set(0, Scanner(2**62, 1000, 10))
    bench.connect()
    assert is_handed(bench.send())


def test_a_flow_keeps_to_one_scanner_and_flows_spread(bench: WebBench) -> None:
    bench.prepare_web(scanners=4)
    for port in range(200):
        bench.run("from_vm", udp_frame(b"q", port=53 if port % 2 else 443))
    assert sorted(bench.handed_frames(index) for index in range(4)) == [0, 0, 0, 100]
    bench.prepare_web(scanners=4)
    for port in range(1, 201):
        query = b"\0\0\1\0\0\1" + bytes(20)
        assert is_handed(bench.run("from_vm", udp_frame(query, port=port)))
    assert min(bench.handed_frames(index) for index in range(4)) >= 25


def test_fragments_of_one_pair_of_addresses_meet_in_one_scanner(bench: WebBench) -> None:
    bench.prepare_web(scanners=16)
    for port in range(30):
        bench.run("from_vm", udp_frame(b"q" * 40, port=port, fragment=0x2000))
        bench.run("from_vm", udp_frame(b"q" * 40, port=port, fragment=0x0005))
    assert sorted(bench.handed_frames(index) for index in range(16))[-2:] == [0, 60]


def test_a_copy_that_no_scanner_can_take_is_counted_and_nothing_else(bench: WebBench) -> None:
    for settings in ({"scanners": 0}, {"waiting": 401}, {}):
        bench.prepare_web(replace(monitored(), flags=CLOSED), **settings)
        bench.connect()
        if not settings:
            bench.maps.scanner_devices.set(0, 999_999)
        ran = bench.run("from_vm", FRAME, mark=0x77)
        assert (ran.verdict, ran.mark, ran.data) == (UNSPEC, 0x77, FRAME)
        counted = bench.counted()
        assert counted == {"from_seen_packets": 2, "to_seen_packets": 1, "from_web_copy_lost": 1}
        assert bench.handed_frames() == settings.get("waiting", 0)


@pytest.mark.parametrize("mark", [MARK_SCANNER, MARK_SCANNER_COPY])
def test_only_what_we_handed_over_enters_a_scanners_device(bench: WebBench, mark: int) -> None:
    ran = bench.run("to_scanner", FRAME, mark=MARK_MAGIC | mark | PORT.id)
    assert (ran.verdict, ran.mark) == (OK, 0)
    for other in (0, MARK_MAGIC | MARK_RETURNED, MARK_MAGIC | MARK_TAG | 7, 0x1234_0000 | mark | 7):
        assert bench.run("to_scanner", FRAME, mark=other).verdict == SHOT


def test_the_vms_packet_comes_back_and_goes_on(bench: WebBench) -> None:
    ran = bench.run("from_scanner", tagged(PCP_ORIGINAL))
    assert (ran.verdict, ran.mark, ran.data) == (REDIRECT, MARK_MAGIC | MARK_SCANNED, FRAME)
    assert bench.counted() == {"from_web_back": 1}


def test_a_scanned_packet_is_not_counted_nor_scanned_again(bench: WebBench) -> None:
    bench.prepare_web(replace(WEB_PORT, vid=PORT.vid))
    bench.connect()
    before = bench.counted()
    ran = bench.run("from_vm", FRAME, mark=MARK_MAGIC | MARK_SCANNED)
    assert ran.mark == MARK_MAGIC | MARK_TAG | PORT.vid
    assert bench.counted() == before | {"from_to_engine": before["from_to_engine"] + 1}
    assert bench.flow()[1].packets_from == 1
    bench.prepare_web()
    ran = bench.run("from_vm", FRAME, mark=MARK_MAGIC | MARK_SCANNED)
    assert (ran.verdict, ran.mark) == (UNSPEC, 0)
    for port in (None, replace(WEB_PORT, mode=Mode.PASS)):
        bench.maps.ports.delete(LO) if port is None else bench.maps.ports.set(LO, port)
        ran = bench.run("from_vm", FRAME, mark=MARK_MAGIC | MARK_SCANNED)
        assert (ran.verdict, ran.mark) == (UNSPEC, 0)


def test_fragments_put_together_are_steered_like_any_packet(bench: WebBench) -> None:
    ran = bench.run("from_scanner", tagged(PCP_WHOLE))
    assert (ran.verdict, ran.mark, ran.data) == (REDIRECT, 0, FRAME)
    bench.connect()
    assert is_handed(bench.run("from_vm", FRAME))


def test_a_source_blocked_meanwhile_is_dropped(bench: WebBench) -> None:
    key = BlockedKey(b"\0" * 10 + b"\xff\xff" + VM4.packed, PORT.segment, 0)
    bench.maps.blocked.set(key, time.monotonic_ns() + 60_000 * MILLISECOND)
    assert bench.run("from_vm", FRAME, mark=MARK_MAGIC | MARK_SCANNED).verdict == SHOT


def test_the_scanners_own_packet_goes_to_the_vm_past_everything(bench: WebBench) -> None:
    ran = bench.run("from_scanner", tagged(PCP_CRAFTED))
    assert (ran.verdict, ran.mark, ran.data) == (REDIRECT, MARK_MAGIC | MARK_RETURNED, FRAME)
    assert bench.counted() == {"to_web_crafted": 1}
    assert bench.run("to_vm", FRAME, mark=MARK_MAGIC | MARK_RETURNED).verdict == UNSPEC


@pytest.mark.parametrize("mode", [Mode.MONITORING, Mode.PASS])
def test_in_monitoring_no_scanner_speaks_to_a_vm(bench: WebBench, mode: Mode) -> None:
    bench.prepare_web(replace(WEB_PORT, mode=mode))
    assert bench.run("from_scanner", tagged(PCP_CRAFTED)).verdict == SHOT


@pytest.mark.parametrize("priority", [PCP_COPY, 4, 5, 6, 7])
def test_whatever_else_a_scanner_writes_ends_there(bench: WebBench, priority: int) -> None:
    assert bench.run("from_scanner", tagged(priority)).verdict == SHOT
    assert bench.run("from_scanner", tagged(PCP_ORIGINAL, 8)).verdict == SHOT
    assert bench.run("from_scanner", tagged(PCP_ORIGINAL, 0)).verdict == SHOT
    assert bench.run("from_scanner", tagged(PCP_ORIGINAL, 4095)).verdict == SHOT
    assert bench.run("from_scanner", FRAME).verdict == SHOT


def test_a_mark_of_a_scanned_packet_is_worth_nothing_on_the_way_to_the_vm(bench: WebBench) -> None:
    bench.prepare_web(replace(WEB_PORT, vid=PORT.vid))
    packet = ether(tcp4(from_vm=False), 0x0800, from_vm=False)
    assert bench.run("to_vm", packet, mark=MARK_MAGIC | MARK_SCANNED).mark == MARK_MAGIC | MARK_TAG | PORT.vid
    assert bench.send(START, flags=2).mark == HANDED


@pytest.mark.parametrize(
    ("action", "lost", "observed"), [(ExclusionAction.DO_NOT_BLOCK, 1, 2), (ExclusionAction.DO_NOT_SCAN, 0, 0)]
)
def test_what_an_exclusion_holds_is_never_the_scanners_to_decide(
    bench: WebBench, action: ExclusionAction, lost: int, observed: int
) -> None:
    bench.prepare_web(replace(WEB_PORT, exclusion_set=1, exclusion_version=1, vid=14, observe_vid=15), waiting=401)
    row = Exclusion(1, 0, 0, 65535, 0, 65535, 0, 256, 0, 3, 0, action)
    bench.maps.exclusions4.set(ExclusionKey4(64, 1, PEER4.packed), row)
    key = bench.connect()
    bench.decide(key, WebFlow(0, 0, WebState.DROPPED))
    bench.maps.flows.delete(key)
    assert bench.send(length=0, flags=0x10).verdict != SHOT
    assert bench.answer(START, length=10).verdict != SHOT
    bench.maps.web_flows.delete(key)
    bench.connect()
    assert not is_handed(bench.send())
    counted = bench.counted()
    assert (counted.get("from_web_copy_lost", 0), counted.get("from_web_refused", 0)) == (lost, 0)
    assert (counted.get("from_observed_only", 0) > observed) == bool(observed)
    bench.run("from_vm", FRAME, mark=MARK_MAGIC | MARK_SCANNED)
    hits = bench.maps.exclusion_hits.get(1)
    assert hits
    assert hits.packets == counted["from_seen_packets"] + counted["to_seen_packets"]
    bench.maps.exclusion_hits.delete_many([1])
