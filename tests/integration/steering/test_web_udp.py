"""Which datagrams of a VM a web scanner sees, under BPF_PROG_TEST_RUN."""

import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hyperward.steering.layout import Web, WebFlow, WebState
from hyperward.steering.program import Program
from kernel import loaded_program, own_namespace
from program_bench import SHOT, UNSPEC
from web_bench import WEB_PORT, WebBench, is_handed, udp_frame

pytestmark = pytest.mark.root
QUERY = struct.pack("!6H", 0x1234, 0x0100, 1, 0, 0, 1) + b"\x07example\x03com\x00\x00\x01\x00\x01" + bytes(11)
INITIAL = b"\xc0\x00\x00\x00\x01\x08" + bytes(1194)
INITIAL_2 = b"\xd0\x6b\x33\x43\xcf\x08" + bytes(1194)
MEDIA = b"\x80\x60" + bytes(200)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with own_namespace(), loaded_program(tmp_path_factory.mktemp("bpf")) as program:
        yield program


@pytest.fixture
def bench(loaded: Program) -> WebBench:
    found = WebBench(loaded)
    found.prepare_web()
    return found


def handed(bench: WebBench, payload: bytes, port: int = 443, *, six: bool = False) -> bool:
    ran = bench.run("from_vm", udp_frame(payload, port=port, six=six))
    assert is_handed(ran) == (ran.verdict != UNSPEC)
    return is_handed(ran)


def flags(word: int) -> bytes:
    return QUERY[:2] + struct.pack("!H", word) + QUERY[4:]


def counts(*words: int) -> bytes:
    return QUERY[:4] + struct.pack("!4H", *words) + QUERY[12:]


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize(
    ("payload", "port", "expected"),
    [
        (INITIAL, 443, True),
        (INITIAL, 9999, True),
        (INITIAL_2, 443, True),
        (b"\x80" + INITIAL[1:], 443, True),  # RFC 9287: the second bit may be anything
        (b"\xff\x00\x00\x00\x01" + INITIAL[5:], 443, False),
        (b"\xd0" + INITIAL[1:], 443, False),
        (b"\xe0" + INITIAL[1:], 443, False),
        (b"\xc0" + INITIAL_2[1:], 443, False),
        (b"\x40" + INITIAL[1:], 443, False),
        (b"\xc0\x00\x00\x00\x02" + INITIAL[5:], 443, False),
        (b"\xc0\xff\x00\x00\x1d" + INITIAL[5:], 443, False),
        (INITIAL[:11], 443, False),
        (QUERY, 53, True),
        (b"anything", 53, True),
        (b"", 53, False),
        (QUERY, 5353, True),
        (QUERY, 31337, True),
        (QUERY[:11], 31337, False),
        (flags(0x8100), 31337, False),
        (flags(0x2900), 31337, False),
        (flags(0x07FF), 31337, True),
        (counts(2, 0, 0, 1), 31337, False),
        (counts(0, 0, 0, 1), 31337, False),
        (counts(1, 1, 0, 1), 31337, False),
        (counts(1, 0, 1, 1), 31337, False),
        (counts(1, 0, 0, 9), 31337, True),
        (MEDIA, 5004, False),
    ],
)
def test_the_form_of_a_datagram_decides(
    bench: WebBench, payload: bytes, port: int, *, expected: bool, six: bool
) -> None:
    assert handed(bench, payload, port, six=six) == expected


@pytest.mark.parametrize(
    ("web", "quic", "dns"), [(Web.TCP, False, False), (Web.QUIC, True, False), (Web.DNS, False, True)]
)
def test_a_port_chooses_its_protocols(bench: WebBench, web: Web, *, quic: bool, dns: bool) -> None:
    bench.prepare_web(replace(WEB_PORT, web=web))
    assert (handed(bench, INITIAL), handed(bench, QUERY, 53), handed(bench, QUERY)) == (quic, dns, dns)


def test_a_server_in_the_vm_is_left_alone(bench: WebBench) -> None:
    for payload, port in ((INITIAL, 443), (QUERY, 53)):
        bench.run("to_vm", udp_frame(MEDIA, port=port, from_vm=False))
        assert not handed(bench, payload, port)


@pytest.mark.parametrize("fragment", [0x2000, 0x2064, 0x0064])
@pytest.mark.parametrize(
    ("web", "expected"), [(Web.TCP, False), (Web.QUIC, True), (Web.DNS, True), (Web.QUIC | Web.TCP, True)]
)
def test_fragments_are_handed_over(bench: WebBench, fragment: int, web: Web, *, expected: bool) -> None:
    bench.prepare_web(replace(WEB_PORT, web=web))
    assert is_handed(bench.run("from_vm", udp_frame(MEDIA, fragment=fragment))) == expected


@pytest.mark.parametrize(
    ("start", "expected"), [(MEDIA, False), (INITIAL, True), (MEDIA[:200] * 3 + QUERY, True), (QUERY[:40], True)]
)
def test_each_datagram_of_those_in_one_piece_is_looked_at(bench: WebBench, start: bytes, *, expected: bool) -> None:
    frame = udp_frame(start + b"\x40" * 300)
    assert is_handed(bench.run("from_vm", frame, gso_size=200)) == expected


def test_more_datagrams_in_one_piece_than_are_looked_at_are_handed_over(bench: WebBench) -> None:
    assert not is_handed(bench.run("from_vm", udp_frame(b"\x40" * 1280), gso_size=10))
    assert is_handed(bench.run("from_vm", udp_frame(b"\x40" * 1281), gso_size=10))


def test_a_dropped_flow_is_dropped_both_ways_and_another_is_not(bench: WebBench) -> None:
    assert handed(bench, INITIAL)
    key, _ = bench.flow()
    bench.decide(key, WebFlow(0, 0, WebState.DROPPED, expires_ns=2**63))
    assert bench.run("from_vm", udp_frame(MEDIA)).verdict == SHOT
    assert bench.run("to_vm", udp_frame(MEDIA, from_vm=False)).verdict == SHOT
    assert bench.run("to_vm", udp_frame(MEDIA, port=444, from_vm=False)).verdict == UNSPEC
    bench.decide(key, WebFlow(0, 0, WebState.DROPPED, expires_ns=1))
    assert bench.run("from_vm", udp_frame(MEDIA)).verdict == UNSPEC
    assert bench.run("to_vm", udp_frame(MEDIA, from_vm=False)).verdict == UNSPEC


def test_a_flow_that_is_done_is_not_looked_at_again(bench: WebBench) -> None:
    assert handed(bench, INITIAL)
    assert handed(bench, INITIAL)
    bench.decide(bench.flow()[0], WebFlow(0, 0, WebState.DONE))
    assert not handed(bench, INITIAL)
