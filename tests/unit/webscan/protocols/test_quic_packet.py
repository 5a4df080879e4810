"""The packets of a QUIC datagram and the frames of an Initial."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hellos import QUIC_V2, QuicClient, crypto_frame
from hyperward.webscan.protocols.quic_packet import crypto_frames, initials, varint

LONG = b"\0\0\0\1\x02id\x00"  # version 1, destination id, no source id


def test_an_initial_is_found_with_its_place() -> None:
    data = QuicClient(scid=b"abc", token=b"t" * 70).packet(crypto_frame(0, b"hello"), pad=1200)
    (packet,) = initials(data)
    assert (packet.version, packet.dcid, packet.data) == (1, bytes.fromhex("8394c8f03e515708"), data)
    assert packet.number_at == 1 + 4 + 1 + 8 + 1 + 3 + 2 + 70 + 2


def test_packets_of_other_types_are_passed_by() -> None:
    client = QuicClient()
    early, handshake = b"\xd0" + LONG + b"\x05" + b"12345", b"\xe0" + LONG + b"\x03" + b"123"
    datagram = early + client.packet(b"\x01") + handshake + client.packet(b"\x01") + b"\x40short header"
    assert len(list(initials(datagram))) == 2


def test_version_2_numbers_its_types_otherwise() -> None:
    assert [packet.version for packet in initials(QuicClient(QUIC_V2).packet(b"\x01"))] == [QUIC_V2]
    early = b"\xe0" + bytes.fromhex("6b3343cf00000101")
    assert list(initials(early)) == []


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xc0" + LONG, id="cut"),
        pytest.param(b"\xc0\xff\0\0\x1d\x02id\0\0\x05" + bytes(5), id="draft"),
        pytest.param(b"\xc0\0\0\0\0\x02id\0" + bytes(20), id="version negotiation"),
        pytest.param(b"\xf0" + LONG + bytes(30), id="retry"),
        pytest.param(b"\xc0\0\0\0\1\x15" + bytes(60), id="long destination id"),
        pytest.param(b"\xc0\0\0\0\1\x00\x15" + bytes(60), id="long source id"),
        pytest.param(b"\xc0" + LONG + b"\x7f\xff" + bytes(60), id="long token"),
        pytest.param(b"\xc0" + LONG + b"\x00\x7f\xff" + bytes(60), id="long packet"),
    ],
)
def test_what_holds_no_initial(datagram: bytes) -> None:
    assert list(initials(datagram)) == []


def test_frames_that_an_initial_may_carry() -> None:
    ack = b"\x02\x05\x00\x01\x00\x00\x00"
    ecn = b"\x03\x05\x00\x00\x00\x01\x01\x01"
    close = b"\x1c\x0a\x06\x03bye"
    payload = bytes(40) + crypto_frame(7, b"abc") + b"\x01" + ack + ecn + crypto_frame(0, b"") + close + bytes(9)
    assert crypto_frames(payload) == [(7, b"abc"), (0, b"")]


@pytest.mark.parametrize(
    "payload", [b"\x08abc", b"\x1d\0\0", b"\x06\0\x05abc", b"\x06", b"\x02\0", b"\x02\0\0\xbf\xff\xff\xff", b"\x40\x06"]
)
def test_other_and_cut_frames_are_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"frame|number"):
        crypto_frames(payload)


@pytest.mark.parametrize(
    ("data", "expected"),
    [("25", 37), ("4025", 37), ("7bbd", 15293), ("9d7f3e7d", 494878333), ("c2197c5eff14e88c", 151288809941952652)],
)
def test_numbers_of_rfc_9000_a1(data: str, expected: int) -> None:
    assert varint(bytes.fromhex("00" + data), 1) == (expected, 1 + len(data) // 2)


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    for head in (b"", b"\xc0\0\0\0\1\x02id\0\0"):
        assert sum(len(packet.data) for packet in initials(head + data)) <= len(head + data)
    with suppress(ValueError):
        assert sum(len(piece) for _, piece in crypto_frames(data)) <= len(data)
