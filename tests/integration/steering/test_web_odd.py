"""Packets that no ordinary sender makes, under BPF_PROG_TEST_RUN: what a receiver may take must have been looked at."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hyperward.steering.layout import WebFlow, WebState
from hyperward.steering.program import Program
from kernel import loaded_program, own_namespace
from program_bench import PORT, SHOT, UNSPEC, ether, tcp4
from web_bench import START, WEB_PORT, WebBench, ip6, is_handed, monitored, tcp_frame, udp_frame

pytestmark = pytest.mark.root
SYN, URG = 0x02, 0x20


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with own_namespace(), loaded_program(tmp_path_factory.mktemp("bpf")) as program:
        yield program


@pytest.fixture
def bench(loaded: Program) -> WebBench:
    found = WebBench(loaded)
    found.prepare_web()
    return found


def sent(bench: WebBench, packet: bytearray, *, six: bool = False, gso_size: int = 0) -> bool:
    """Send an IP packet of a connection that is open; tell whether a scanner sees it."""
    bench.run("from_vm", tcp_frame(six=six, payload=b"", flags=SYN))
    ran = bench.run("from_vm", ether(packet, 0x86DD if six else 0x0800), gso_size=gso_size)
    assert is_handed(ran) == (ran.verdict != UNSPEC)
    return is_handed(ran)


@pytest.mark.parametrize(
    ("length", "handed"),
    [
        (80, True),
        (41, True),
        (40, False),  # the rest is padding
        (19, False),  # any receiver drops these
        (0, False),
        (81, True),  # more than there is: dropped as well, but looked at for safety
        (65535, True),
    ],
)
def test_the_length_of_the_ip_header_says_what_is_data(bench: WebBench, length: int, *, handed: bool) -> None:
    packet = bytearray(tcp4())
    packet[2:4] = length.to_bytes(2, "big")
    assert sent(bench, packet) == handed
    # Of segments in one piece it says nothing, as in packets longer than 64 KB (RFC 2675 and "BIG TCP").
    assert sent(bench, packet, gso_size=20)


@pytest.mark.parametrize(("words", "handed"), [(0, True), (4, True), (5, True), (14, True), (15, False)])
def test_odd_tcp_header_lengths(bench: WebBench, words: int, *, handed: bool) -> None:
    packet = bytearray(tcp4())
    packet[32] = words << 4
    assert sent(bench, packet) == handed


def test_a_jumbogram_has_all_there_is(bench: WebBench) -> None:
    segment = tcp_frame(six=True)[14 + 40 :]
    packet = bytearray(ip6(6, segment, extensions=1))
    packet[6] = 0  # hop-by-hop options; its content needs no jumbo option for a receiver to go on
    assert sent(bench, packet, six=True)
    packet[4:6] = b"\0\0"
    assert sent(bench, packet, six=True)
    packet = bytearray(ip6(6, segment))
    packet[4:6] = b"\0\0"
    assert not sent(bench, packet, six=True)


@pytest.mark.parametrize("options", [4, 40])
def test_ipv4_options_hide_nothing(bench: WebBench, options: int) -> None:
    assert sent(bench, bytearray(tcp_frame(six=False, options=options)[14:]))


def test_headers_that_are_cut_off_pass(bench: WebBench) -> None:
    whole = tcp4()
    for size in (20, 27, 33):
        packet = bytearray(whole[:size])
        packet[2:4] = size.to_bytes(2, "big")
        assert not sent(bench, packet)


@pytest.mark.parametrize("flags", [0x01, 0x04, 0x11, 0x14, 0x12, 0x00, 0x29, 0x3F, 0x06, 0x03])
def test_flags_hide_no_data(bench: WebBench, flags: int) -> None:
    key = bench.connect()
    assert is_handed(bench.send(flags=flags))
    bench.decide(key, WebFlow(START, START + 50, WebState.UNTIL))
    assert is_handed(bench.send(flags=flags))


@pytest.mark.parametrize("state", [WebState.UNTIL, WebState.DONE])
def test_a_keep_alive_probe_stalls_nothing(bench: WebBench, state: WebState) -> None:
    """One byte, or none, before what comes next (RFC 9293, section 3.8.4)."""
    key = bench.request()
    bench.answer(START + 100)
    bench.decide(key, WebFlow(START + 100, START + 100, state))
    for length in (0, 1):
        assert bench.send(START + 99, length, flags=0x10).verdict == UNSPEC
    assert is_handed(bench.send(START + 100)) == (state is WebState.UNTIL)
    # Where the scanner follows a request that is further on, the probe is its to answer, not lost.
    assert is_handed(bench.send(START + 199, 1, flags=0x10)) == (state is WebState.UNTIL)


@pytest.mark.parametrize("state", [WebState.UNTIL, WebState.DONE])
def test_an_upload_of_several_gigabytes_passes(bench: WebBench, state: WebState) -> None:
    key = bench.request()
    step, at = 2**30 - 2**16, START + 100
    for _ in range(6):
        if state is WebState.UNTIL or at == START + 100:
            bench.decide(key, WebFlow(at % 2**32, (at + 2**30) % 2**32, state))
        for place in (0, step // 2, step - 1000):
            assert bench.send(at + place, 1000).verdict == UNSPEC
            bench.answer(at + place + 1000)
        if state is WebState.UNTIL:
            assert is_handed(bench.send(at + 2**30 - 999, 1000))
        at += step


def test_a_full_table_of_decisions_asks_again(bench: WebBench) -> None:
    key = bench.request()
    bench.decide(key, WebFlow(START, 0, WebState.DONE))
    assert bench.send().verdict == UNSPEC
    bench.maps.web_flows.delete(key)  # as the least recently used one leaves
    assert is_handed(bench.send())


def test_a_connection_refused_stays_so_when_its_flow_has_left_the_table(bench: WebBench) -> None:
    key = bench.request()
    for state, verdict in ((WebState.BLOCKED, None), (WebState.DROPPED, SHOT)):
        bench.decide(key, WebFlow(0, 0, state), began_ns=bench.flow()[1].began_ns or 7)
        bench.maps.flows.delete(key)
        ran = bench.send()
        assert is_handed(ran) if verdict is None else ran.verdict == verdict
        assert bench.answer(START, length=10).verdict == SHOT


def test_monitoring_never_holds_or_changes_an_odd_packet(bench: WebBench) -> None:
    for port in (monitored(), monitored(replace(WEB_PORT, vid=PORT.vid))):
        bench.prepare_web(port)
        key = bench.connect()
        for known in (None, *WebState):
            if known:
                bench.decide(key, WebFlow(START, START, known))
            for flags in (0x18 | URG, SYN, 0x14, 0x3F):
                packet = ether(tcp4(flags=flags, seq=START), 0x0800)
                ran = bench.run("from_vm", packet, mark=0x77)
                assert (ran.verdict, ran.mark, ran.data) == (UNSPEC, 0x77, packet)
        frame = udp_frame(b"q" * 40, fragment=0x2000)
        ran = bench.run("from_vm", frame)
        assert (ran.verdict, ran.data) == (UNSPEC, frame)


def test_a_sequence_of_syns_names_no_connection(bench: WebBench) -> None:
    key = bench.request()
    began = bench.flow()[1].began_ns
    bench.decide(key, WebFlow(START, 0, WebState.DONE))
    for seq in range(0, 2**32, 2**28 + 12345):
        bench.send(seq, length=0, flags=SYN)
        bench.answer(START + 100)
        assert bench.flow()[1].began_ns == began
    assert bench.send().verdict == UNSPEC
