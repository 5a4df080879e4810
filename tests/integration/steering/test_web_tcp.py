"""Which segments of a VM a web scanner sees, under BPF_PROG_TEST_RUN."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hyperward.steering.layout import Mode, Web, WebFlow, WebState
from hyperward.steering.program import Program
from kernel import loaded_program, own_namespace
from program_bench import PORT, REDIRECT, SHOT, UNSPEC, ether, tcp4
from web_bench import START, WEB_PORT, WebBench, is_handed, monitored, tcp_frame

pytestmark = pytest.mark.root
SYN, ACK, FIN, URG = 0x02, 0x10, 0x11, 0x20


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with own_namespace(), loaded_program(tmp_path_factory.mktemp("bpf")) as program:
        yield program


@pytest.fixture
def bench(loaded: Program) -> WebBench:
    found = WebBench(loaded)
    found.prepare_web()
    return found


def test_a_segment_with_data_of_a_connection_that_the_vm_opened_is_handed_over(bench: WebBench) -> None:
    bench.connect()
    ran = bench.send()
    assert (ran.verdict, is_handed(ran)) == (REDIRECT, True)
    assert bench.handed_frames() == 1
    assert bench.counted() == {"from_seen_packets": 2, "to_seen_packets": 1, "from_web_handed": 1}


@pytest.mark.parametrize("flags", [ACK, FIN, 0x14])
def test_a_segment_without_data_passes(bench: WebBench, flags: int) -> None:
    bench.connect()
    ran = bench.send(length=0, flags=flags)
    assert (ran.verdict, ran.mark) == (UNSPEC, 0)


def test_answers_never_reach_a_scanner(bench: WebBench) -> None:
    bench.connect()
    assert bench.answer(START, length=1000).verdict == UNSPEC
    assert bench.handed_frames() == 0


def test_data_on_a_syn_is_looked_at(bench: WebBench) -> None:
    assert is_handed(bench.send(START - 1, flags=SYN))


def test_what_another_side_opened_or_nobody_saw_opened_is_left_alone(bench: WebBench) -> None:
    assert bench.send().verdict == UNSPEC
    bench.prepare_web()
    bench.run("to_vm", ether(tcp4(from_vm=False, flags=SYN, payload=b""), 0x0800, from_vm=False))
    bench.send(flags=0x12, length=0)
    assert bench.send().verdict == UNSPEC
    assert bench.handed_frames() == 0


def test_a_connection_that_both_opened_is_looked_at(bench: WebBench) -> None:
    bench.run("to_vm", ether(tcp4(from_vm=False, flags=SYN, payload=b""), 0x0800, from_vm=False))
    bench.send(START - 1, length=0, flags=SYN)
    assert is_handed(bench.send())


@pytest.mark.parametrize("web", [Web.NONE, Web.QUIC | Web.DNS])
def test_a_port_without_web_scan_of_connections_hands_none_over(bench: WebBench, web: Web) -> None:
    bench.prepare_web(replace(WEB_PORT, web=web))
    bench.connect()
    assert bench.send().verdict == UNSPEC
    assert bench.handed_frames() == 0


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize("tags", [(), ((0x8100, 99),), ((0x88A8, 99), (0x8100, 5))])
def test_data_is_found_behind_tags_options_and_extensions(
    bench: WebBench, tags: tuple[tuple[int, int], ...], *, six: bool
) -> None:
    places: tuple[dict[str, Any], ...] = ({}, {"options": 8}, {"extensions": 3})
    for place in places:
        bench.prepare_web()
        bench.run("from_vm", tcp_frame(six=six, tags=tags, payload=b"", flags=SYN, **place))
        # Ethernet pads short frames: that is no data.
        assert bench.run("from_vm", tcp_frame(six=six, tags=tags, payload=b"", padding=20, **place)).verdict == UNSPEC
        assert is_handed(bench.run("from_vm", tcp_frame(six=six, tags=tags, **place)))


def test_headers_that_hide_the_protocol_are_handed_over(bench: WebBench) -> None:
    assert is_handed(bench.run("from_vm", tcp_frame(six=True, extensions=7)))


@pytest.mark.parametrize("fragment", [0x2000, 0x2064, 0x0064])
def test_fragments_are_handed_over(bench: WebBench, fragment: int) -> None:
    packet = bytearray(tcp4())
    packet[6:8] = fragment.to_bytes(2, "big")
    assert is_handed(bench.run("from_vm", ether(packet, 0x0800)))
    bench.prepare_web(replace(WEB_PORT, web=Web.DNS))
    assert bench.run("from_vm", ether(packet, 0x0800)).verdict == UNSPEC


def test_a_large_segment_counts_as_the_frames_it_becomes(bench: WebBench) -> None:
    bench.connect()
    assert is_handed(bench.send(length=3001, gso_size=300))
    assert bench.handed_frames() == 11
    assert bench.counted()["from_web_handed"] == 11


# from, until, start, length, passes
ROWS = [
    (0, 1000, 0, 1000, True),
    (0, 1000, 0, 1001, False),
    (0, 1000, 999, 1, True),
    (0, 1000, 1000, 1, False),
    (0, 1000, -1, 2, False),
    (0, 1000, -10, 5, False),
    (0, 0, 0, 1, False),
    (0, 2**30, 2**30 - 5, 5, True),
    (0, 2**30, 2**30 - 5, 6, False),
]


@pytest.mark.parametrize("base", [START, 2**32 - 500, 2**31 - 500])
@pytest.mark.parametrize("row", ROWS)
def test_bytes_of_a_body_pass_up_to_its_end(bench: WebBench, base: int, row: tuple[int, int, int, int, bool]) -> None:
    begin, until, start, length, passes = row
    key = bench.request()
    bench.answer(base - 1)
    bench.decide(key, WebFlow((base + begin) % 2**32, (base + until) % 2**32, WebState.UNTIL))
    ran = bench.send(base + start, length)
    assert (ran.verdict == UNSPEC, is_handed(ran)) == (passes, not passes)


@pytest.mark.parametrize("state", [WebState.UNTIL, WebState.DONE])
@pytest.mark.parametrize("base", [START, 2**32 - 500, 2**31 - 500])
def test_what_is_sent_again_is_looked_at_until_the_other_end_has_it(
    bench: WebBench, base: int, state: WebState
) -> None:
    key = bench.request()
    bench.answer(base - 200)
    bench.decide(key, WebFlow(base, (base + 1000) % 2**32, state))
    assert is_handed(bench.send(base - 100))
    assert bench.send(base).verdict == UNSPEC
    bench.answer(base - 1)
    assert is_handed(bench.send(base - 100))
    bench.answer(base)
    assert bench.send(base - 100).verdict == UNSPEC
    assert is_handed(bench.send(base - 100, 2000)) == (state is WebState.UNTIL)
    # It was acknowledged once: that does not change when the numbers come around.
    bench.answer(base + 2**31 + 5)
    assert bench.send(base - 100).verdict == UNSPEC
    if state is WebState.DONE:
        assert bench.send(base + 2**31 + 5).verdict == UNSPEC
        # A scanner that sets another place starts anew.
        bench.decide(key, WebFlow((base + 2**31 + 100) % 2**32, 0, state))
        assert is_handed(bench.send(base + 2**31 + 5))


def test_a_remembered_acknowledgement_belongs_to_its_place(bench: WebBench) -> None:
    key = bench.request()
    bench.answer(START)
    bench.decide(key, WebFlow(START + 500, 0, WebState.DONE, settled=1, settled_from=START))
    assert is_handed(bench.send(START))


def test_without_any_acknowledgement_nothing_is_settled(bench: WebBench) -> None:
    bench.send(0, length=0, flags=SYN)
    key, _ = bench.flow()
    assert is_handed(bench.send(1))
    bench.decide(key, WebFlow(0, 0, WebState.DONE))
    assert is_handed(bench.send(-5))


def test_another_connection_with_the_same_ports_starts_anew(bench: WebBench) -> None:
    key = bench.request()
    bench.decide(key, WebFlow(START, 0, WebState.DONE))
    assert bench.send().verdict == UNSPEC
    first = bench.flow()[1].began_ns
    bench.send(START + 9000, length=0, flags=SYN)
    # Until the other end accepts it, nothing has changed: a VM cannot begin anew in the middle of a connection.
    for ack, flags in ((START + 50, 0x10), (START + 50, 0x12), (START + 9001, 0x10), (START + 9001 - 2**16, 0x12)):
        bench.answer(ack, flags=flags)
        assert bench.send().verdict == UNSPEC
    bench.answer(START + 9001, flags=0x12)
    assert bench.maps.web_flows.get(key) is None
    second = bench.flow()[1].began_ns
    assert second > first > 0
    assert is_handed(bench.send(START + 9001))
    # A scanner writes late what it found of the first one.
    for state in WebState:
        bench.decide(key, WebFlow(START, START + 2**30, state), began_ns=first)
        assert is_handed(bench.send(START + 9001))
        assert bench.answer(START + 9001, length=10).verdict == UNSPEC
    bench.decide(key, WebFlow(START, 0, WebState.DONE), began_ns=second)
    assert bench.send(START + 9001).verdict == UNSPEC


def test_a_repeated_handshake_is_the_same_connection(bench: WebBench) -> None:
    key = bench.connect()
    began = bench.flow()[1].began_ns
    bench.decide(key, WebFlow(START, 0, WebState.DONE))
    bench.answer(START, flags=0x12)
    assert bench.flow()[1].began_ns == began
    assert bench.send().verdict == UNSPEC


def test_data_with_a_syn_may_be_accepted_with_it(bench: WebBench) -> None:
    assert is_handed(bench.send(START - 1, 100, flags=SYN))
    bench.answer(START + 100, flags=0x12)
    assert bench.flow()[1].began_ns


def test_a_connection_opened_from_both_sides_has_a_beginning(bench: WebBench) -> None:
    bench.send(START - 1, length=0, flags=SYN)
    bench.answer(0, flags=SYN)
    assert not bench.flow()[1].began_ns
    bench.send(START - 1, length=0, flags=0x12)
    bench.answer(START, flags=0x12)
    assert bench.flow()[1].began_ns
    assert is_handed(bench.send())


def test_a_blocked_connection_does_not_block_the_one_after_it(bench: WebBench) -> None:
    key = bench.request()
    bench.decide(key, WebFlow(0, 0, WebState.BLOCKED))
    assert bench.send(START + 9000, length=0, flags=SYN).verdict == UNSPEC
    assert bench.answer(START + 50, length=10).verdict == SHOT
    assert bench.answer(START + 9001, flags=0x12).verdict == UNSPEC


@pytest.mark.parametrize("flags", [ACK | URG, 0x18 | URG, FIN | URG])
def test_urgent_segments_are_looked_at_until_all_may_pass(bench: WebBench, flags: int) -> None:
    key = bench.connect()
    for length in (0, 1, 10):
        assert is_handed(bench.send(length=length, flags=flags))
    bench.decide(key, WebFlow(START, START + 1000, WebState.UNTIL))
    for length in (0, 1, 10):
        assert is_handed(bench.send(length=length, flags=flags))
        assert bench.send(length=length).verdict == UNSPEC
    bench.decide(key, WebFlow(START, 0, WebState.DONE))
    for length in (0, 1, 10):
        assert bench.send(length=length, flags=flags).verdict == UNSPEC


def test_urgent_segments_of_what_is_not_looked_at_pass(bench: WebBench) -> None:
    assert bench.send(flags=0x18 | URG).verdict == UNSPEC
    bench.prepare_web(replace(WEB_PORT, web=Web.DNS))
    bench.connect()
    assert bench.send(flags=0x18 | URG).verdict == UNSPEC


def test_an_expired_entry_counts_as_none(bench: WebBench) -> None:
    key = bench.request()
    for state in WebState:
        bench.decide(key, WebFlow(START, START + 500, state, expires_ns=1))
        assert is_handed(bench.send())
        assert bench.answer(START, length=10).verdict == UNSPEC
        bench.decide(key, WebFlow(START, START + 500, state, expires_ns=2**63))
        assert is_handed(bench.send()) == (state is WebState.BLOCKED)


@pytest.mark.parametrize(("flags", "length"), [(ACK, 0), (FIN, 0), (0x18, 100)])
def test_a_blocked_connection_is_the_scanners(bench: WebBench, flags: int, length: int) -> None:
    key = bench.request()
    bench.decide(key, WebFlow(0, 0, WebState.BLOCKED))
    assert is_handed(bench.send(flags=flags, length=length))
    assert bench.answer(START, length=length).verdict == SHOT
    assert bench.counted()["to_web_refused"] == 1


def test_a_blocked_connection_stays_blocked_without_a_scanner(bench: WebBench) -> None:
    key = bench.request()
    bench.decide(key, WebFlow(0, 0, WebState.BLOCKED))
    bench.maps.scanner_devices.set(0, 0)
    assert bench.send().verdict == SHOT
    assert bench.counted()["from_web_refused"] == 1


def test_a_dropped_connection_is_dropped_both_ways(bench: WebBench) -> None:
    key = bench.request()
    bench.decide(key, WebFlow(0, 0, WebState.DROPPED))
    assert bench.send().verdict == SHOT
    assert bench.send(length=0, flags=ACK).verdict == SHOT
    assert bench.answer(START).verdict == SHOT
    counted = bench.counted()
    assert (counted["from_web_refused"], counted["to_web_refused"]) == (2, 1)


@pytest.mark.parametrize("state", [WebState.BLOCKED, WebState.DROPPED])
def test_monitoring_refuses_nothing(bench: WebBench, state: WebState) -> None:
    bench.prepare_web(monitored())
    key = bench.request()
    bench.decide(key, WebFlow(0, 0, state))
    assert bench.send().verdict == UNSPEC
    assert bench.answer(START, length=10).verdict == UNSPEC
    assert bench.handed_frames() == 0


def test_when_the_kernel_has_forgotten_the_flow_the_scanner_is_asked_and_refusals_hold(bench: WebBench) -> None:
    key = bench.connect()
    bench.decide(key, WebFlow(START, START + 50, WebState.UNTIL))
    bench.maps.flows.delete(key)
    assert is_handed(bench.send(length=50))
    bench.decide(key, WebFlow(START, START + 50, WebState.UNTIL))
    assert bench.send(length=50).verdict == UNSPEC
    assert is_handed(bench.send(length=51))
    bench.maps.flows.delete(key)
    key = bench.connect()
    bench.decide(key, WebFlow(0, 0, WebState.BLOCKED))
    bench.maps.flows.delete(key)
    assert bench.answer(START, length=10).verdict == SHOT


def test_with_ips_what_need_not_be_looked_at_goes_to_the_engine(bench: WebBench) -> None:
    bench.prepare_web(replace(WEB_PORT, vid=PORT.vid))
    key = bench.request()
    bench.decide(key, WebFlow(START, 0, WebState.DONE))
    assert bench.send().mark & 0xFFF == PORT.vid
    assert bench.counted()["from_to_engine"] == 2
    assert bench.counted()["from_web_handed"] == 1


def test_without_ips_no_packet_goes_to_the_engine_in_any_mode(bench: WebBench) -> None:
    for mode in (Mode.STANDARD, Mode.MONITORING):
        bench.prepare_web(replace(WEB_PORT, mode=mode, web=Web.NONE))
        assert (bench.send().verdict, bench.answer(1).verdict) == (UNSPEC, UNSPEC)
        assert bench.counted() == {"from_seen_packets": 1, "to_seen_packets": 1}
