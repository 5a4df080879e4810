"""The name in the Initials of a QUIC client."""

from itertools import pairwise, permutations
from pathlib import Path

import pytest
from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import encode_quic_retry, pull_quic_header
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates import write_certificate
from hellos import QUIC_V1, QUIC_V2, QuicClient, client_hello, crypto_frame, quic_start
from hyperward.webscan.protocols.model import Request, WebProtocol
from hyperward.webscan.protocols.quic import More, NotQuic, QuicStart, _client_keys

SMALL = client_hello("a.example")
LARGE = client_hello("a.example", post_quantum=True, encrypted=True)
HERE = ("192.0.2.1", 4433)


def asked(name: str) -> Request:
    return Request(WebProtocol.QUIC, host=name.encode())


def hostile(result: object) -> bool:
    return isinstance(result, NotQuic) and result.hostile


def passes(result: object) -> bool:
    return isinstance(result, NotQuic) and not result.hostile


@pytest.mark.parametrize(
    ("version", "secret"),
    [
        (QUIC_V1, "c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea"),  # RFC 9001, A.1
        (QUIC_V2, "14ec9d6eb9fd7af83bf5a668bc17a7e283766aade7ecd0891f70f9ff7f4bf47b"),  # RFC 9369, A.1
    ],
)
def test_secrets_of_the_rfcs(version: int, secret: str) -> None:
    keys = _client_keys(bytes.fromhex("8394c8f03e515708"), version)
    assert keys.secret == bytes.fromhex(secret)


@pytest.mark.parametrize("version", [QUIC_V1, QUIC_V2])
def test_one_datagram(version: int) -> None:
    (datagram,) = quic_start("a.example", version)
    assert QuicStart().feed(datagram) == asked("a.example")


@pytest.mark.parametrize("version", [QUIC_V1, QUIC_V2])
def test_a_post_quantum_hello_over_three_datagrams_in_any_order(version: int) -> None:
    datagrams = QuicClient(version).datagrams(LARGE, [1, 40, 90, 700], per_datagram=600)
    assert len(datagrams) == 3
    for order in permutations(datagrams):
        start = QuicStart()
        assert [start.feed(datagram) for datagram in order] == [More(), More(), asked("a.example")]


def test_two_initials_in_one_datagram() -> None:
    client = QuicClient()
    packets = [client.packet(crypto_frame(0, SMALL[:50])), client.packet(crypto_frame(50, SMALL[50:]))]
    assert QuicStart().feed(packets[1] + packets[0]) == asked("a.example")
    assert QuicStart().feed(packets[0] + client.packet(b"\x01")) == More()


def test_a_token() -> None:
    assert QuicStart().feed(QuicClient(token=b"t" * 100).datagrams(SMALL)[0]) == asked("a.example")


def test_after_a_retry_the_hello_is_read_anew() -> None:
    start = QuicStart()
    assert start.feed(QuicClient().datagrams(SMALL)[0]) == asked("a.example")
    again = QuicClient(dcid=b"from-server", token=b"token", number=1)
    assert start.feed(again.datagrams(client_hello("b.example"))[0]) == asked("b.example")


def test_an_initial_to_the_servers_id_meets_the_same_verdict() -> None:
    start = QuicStart()
    client = QuicClient()
    start.feed(client.datagrams(SMALL)[0])
    for dcid in (b"server-id", b""):
        later = QuicClient(dcid=dcid, keys_from=client.dcid, number=client.number)
        assert start.feed(later.packet(b"\x02\0\0\0\0", pad=1200)) == asked("a.example")


def test_an_initial_to_the_servers_id_in_version_2_meets_the_same_verdict() -> None:
    start = QuicStart()
    start.feed(quic_start("a.example", QUIC_V1)[0])
    later = QuicClient(QUIC_V2, dcid=b"server-id", keys_from=QuicClient().dcid, number=1)
    assert start.feed(later.packet(b"\x02\0\0\0\0")) == asked("a.example")


def test_a_second_hello_with_another_name() -> None:
    start, client = QuicStart(), QuicClient()
    assert start.feed(client.datagrams(SMALL)[0]) == asked("a.example")
    second, at = client_hello("b.example"), len(SMALL)
    assert start.feed(client.packet(crypto_frame(at, second[:60]))) == More()
    assert start.feed(client.packet(crypto_frame(at + 60, second[60:]))) == asked("b.example")


def test_connections_of_one_pair_of_ports_are_kept_apart() -> None:
    start = QuicStart()
    first = QuicClient().datagrams(LARGE)
    second = QuicClient(dcid=b"another connection").datagrams(client_hello("b.example", post_quantum=True))
    assert [start.feed(datagram) for datagram in (first[0], second[1], first[1], second[0])] == [
        More(),
        More(),
        asked("a.example"),
        asked("b.example"),
    ]


def test_an_initial_without_hello_may_pass() -> None:
    assert passes(QuicStart().feed(QuicClient().packet(b"\x01", pad=1200)))


def test_an_initial_of_a_connection_that_began_elsewhere_may_pass() -> None:
    assert passes(QuicStart().feed(QuicClient(dcid=b"server-id", keys_from=b"unknown!").packet(b"\x01", pad=1200)))


@pytest.mark.parametrize("datagram", [b"", b"\0" * 50, b"GET / HTTP/1.1", b"\xc0\0\0\0\1\x02id\0\0\x05" + bytes(5)])
def test_what_is_no_quic_may_pass(datagram: bytes) -> None:
    assert passes(QuicStart().feed(datagram))


def test_frames_that_contradict_each_other_are_dropped_and_hide_nothing() -> None:
    start, client = QuicStart(), QuicClient()
    start.feed(client.packet(crypto_frame(0, SMALL[:100])))
    other = client_hello("b.example")
    assert hostile(start.feed(client.packet(crypto_frame(0, b"\x01\0\0\x50" + other[4:90]))))
    assert start.feed(client.packet(crypto_frame(100, SMALL[100:]))) == asked("a.example")


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(b"\x08data", id="a stream frame"),
        pytest.param(crypto_frame(0, b"\x02\0\0\0"), id="a ServerHello"),
        pytest.param(crypto_frame(0, b"\x01\xff\xff\xff"), id="a hello of 16 MB"),
        pytest.param(crypto_frame(1 << 20, b"x"), id="far beyond"),
        pytest.param(crypto_frame(0, b"\x01\0\0\0"), id="an empty hello"),
    ],
)
def test_what_no_client_sends_is_dropped(frames: bytes) -> None:
    assert hostile(QuicStart().feed(QuicClient().packet(frames)))


def test_a_broken_initial_hides_nothing() -> None:
    start, client = QuicStart(), QuicClient()
    good = client.datagrams(SMALL)[0]
    start.feed(good)
    assert hostile(start.feed(good[:-1] + bytes([good[-1] ^ 1])))
    assert hostile(start.feed(client.packet(b"\x30")))
    assert start.feed(good) == asked("a.example")


def test_a_far_packet_number_hides_nothing() -> None:
    start = QuicStart()
    start.feed(QuicClient(number=0xFFFF0000).packet(crypto_frame(0, SMALL[:20])))
    assert hostile(start.feed(QuicClient(number=0).packet(crypto_frame(20, SMALL[20:]))))


def test_initials_of_two_connections_in_one_datagram_are_dropped() -> None:
    assert hostile(QuicStart().feed(QuicClient().packet(b"\x01") + QuicClient(dcid=b"another1").packet(b"\x01")))


def test_two_hellos_before_the_server_can_answer_are_dropped() -> None:
    client, both = QuicClient(), SMALL + client_hello("b.example")
    packets = [client.packet(crypto_frame(0, SMALL)), client.packet(crypto_frame(len(SMALL), both[len(SMALL) :]))]
    assert hostile(QuicStart().feed(packets[0] + packets[1]))
    start = QuicStart()
    assert start.feed(packets[1]) == More()
    assert hostile(start.feed(packets[0]))
    assert hostile(start.feed(packets[0]))


def test_a_hello_that_never_ends_is_dropped() -> None:
    start, client = QuicStart(), QuicClient()
    results = [start.feed(client.packet(crypto_frame(number, LARGE[number : number + 1]))) for number in range(40)]
    assert results[:16] == [More()] * 16
    assert all(map(hostile, results[16:]))


def test_many_connections_on_one_pair_of_ports_are_bounded() -> None:
    start = QuicStart()
    for number in range(100):
        start.feed(QuicClient(dcid=number.to_bytes(8, "big")).packet(crypto_frame(0, LARGE[:900])))
    assert len(start._connections) == 4


def test_a_real_client_through_retry_and_handshake(tmp_path: Path) -> None:
    client = QuicConnection(
        configuration=QuicConfiguration(is_client=True, server_name="server.example", verify_mode=0)
    )
    client.connect(HERE, now=0.0)
    start = QuicStart()
    (first, _), *_ = client.datagrams_to_send(now=0.0)
    assert start.feed(first) == asked("server.example")
    header = pull_quic_header(Buffer(data=first), host_cid_length=8)
    assert header.version is not None
    retry = encode_quic_retry(
        version=header.version,
        source_cid=b"retry-id",
        destination_cid=header.source_cid,
        original_destination_cid=header.destination_cid,
        retry_token=b"token",
    )
    client.receive_datagram(retry, HERE, now=0.1)
    configuration = QuicConfiguration(is_client=False)
    configuration.load_cert_chain(write_certificate(tmp_path / "server.pem"))
    server = QuicConnection(
        configuration=configuration,
        original_destination_connection_id=header.destination_cid,
        retry_source_connection_id=b"retry-id",
    )
    shown: list[object] = []
    for moment in (0.2, 0.3, 0.4):
        for datagram, _ in client.datagrams_to_send(now=moment):
            shown.append(start.feed(datagram))
            server.receive_datagram(datagram, HERE, now=moment)
        for datagram, _ in server.datagrams_to_send(now=moment):
            client.receive_datagram(datagram, HERE, now=moment)
    assert client._handshake_complete
    assert shown[0] == asked("server.example")
    assert all(result == asked("server.example") or passes(result) for result in shown)
    assert shown.count(asked("server.example")) >= 2  # the acknowledging Initial too


@settings(max_examples=50)
@given(st.permutations(range(8)), st.lists(st.integers(1, len(LARGE) - 1), min_size=8, max_size=30))
def test_any_cuts_in_any_order_yield_the_name(order: list[int], cuts: list[int]) -> None:
    stops = sorted({0, *cuts, len(LARGE)})
    frames = [crypto_frame(a, LARGE[a:b]) for a, b in pairwise(stops)]
    client, start = QuicClient(), QuicStart()
    datagrams = [client.packet(b"".join(frames[number::8]) + b"\x01", pad=1200) for number in range(8)]
    results = [start.feed(datagrams[number]) for number in order]
    assert results[-1] == asked("a.example") or passes(results[-1])
    assert asked("a.example") in results
    assert not any(map(hostile, results))


@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_never_raise(data: bytes, sealed: bool) -> None:  # noqa: FBT001
    start = QuicStart()
    result = start.feed(QuicClient().packet(data) if sealed else data)
    assert isinstance(result, Request | More | NotQuic)
    start.feed(b"\xc0\0\0\0\1\x08abcdefgh\0\0" + data)
    assert len(start._connections) <= 2


@given(st.lists(st.tuples(st.integers(0, 1199), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_never_raise(changes: list[tuple[int, int]]) -> None:
    datagram = bytearray(quic_start("a.example")[0])
    for at, value in changes:
        datagram[at] = value
    start = QuicStart()
    result = start.feed(bytes(datagram))
    assert result == asked("a.example") or passes(result)
