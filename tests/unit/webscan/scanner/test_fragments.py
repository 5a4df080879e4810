from hypothesis import given
from hypothesis import strategies as st

from hyperward.webscan.scanner.craft import checksum
from hyperward.webscan.scanner.fragments import (
    MAX_BYTES,
    MAX_DATAGRAMS,
    MAX_FRAGMENTS,
    MAX_PER_PORT,
    SECONDS,
    Reassembler,
)
from hyperward.webscan.scanner.frames import Fragment, Packet, parse_frame
from web_frames import Line

LINE = Line()


def fragment(frame: bytes) -> Fragment:
    parsed = parse_frame(frame)
    assert isinstance(parsed, Fragment)
    return parsed


def put(reassembler: Reassembler, frames: list[bytes], now: float = 0.0) -> list[Packet]:
    found = [reassembler.add(fragment(frame), now) for frame in frames]
    return [packet for packet in found if isinstance(packet, Packet)]


@given(st.permutations(range(4)), st.booleans())
def test_fragments_in_any_order_make_the_segment(order: list[int], twice: bool) -> None:  # noqa: FBT001 - hypothesis
    frames = LINE.fragments(LINE.segment(9, b"data" * 50), [64, 128, 200])
    reassembler = Reassembler()
    sent = [frames[index] for index in order]
    if twice:
        sent.insert(1, sent[0])
    (packet,) = put(reassembler, sent)
    assert packet.payload == b"data" * 50
    assert packet.seq == 9
    assert sorted(packet.frames) == sorted(frames)
    ip, plain = packet.frame[18:38], LINE.tcp(9, b"data" * 50)[18:38]
    assert (ip[:4], ip[6:10], checksum(ip)) == (plain[:4], b"\0\0" + plain[8:10], 0xFFFF)
    assert (len(reassembler), reassembler.bytes) == (0, 0)


def test_ipv6_fragments() -> None:
    line = Line("fd77::1", "fd77::9")
    segment = line.segment(9, b"data" * 50)
    frames = []
    for begin, end in ((0, 104), (104, len(segment))):
        head = bytes([6, 0]) + (begin | (end < len(segment))).to_bytes(2, "big") + b"\0\0\0\7"
        frames.append(line.ether(line.ip(segment[begin:end], extensions=head, first=44)))
    (packet,) = put(Reassembler(), frames[::-1])
    assert packet.payload == b"data" * 50


def test_overlapping_fragments_drop_the_datagram() -> None:
    segment = LINE.segment(9, b"data" * 50)
    good = LINE.fragments(segment, [64, 128])
    bad = LINE.fragments(segment[:64] + b"!" * 64 + segment[128:], [56, 120])
    reassembler = Reassembler()
    assert put(reassembler, [good[0], bad[1], good[1], good[2]]) == []
    assert reassembler.dropped == 1
    assert reassembler.bytes == 0


def test_what_is_incomplete_is_forgotten() -> None:
    frames = LINE.fragments(LINE.segment(9, b"data" * 50), [64])
    reassembler = Reassembler()
    put(reassembler, frames[:1])
    assert put(reassembler, frames[1:], now=SECONDS + 1) == []
    assert len(reassembler) == 1


def test_a_port_has_a_share_and_the_oldest_makes_room() -> None:
    reassembler = Reassembler()
    other = Line(port=8).fragments(LINE.segment(1, b"x" * 100), [64], number=1)
    put(reassembler, other[:1])
    for number in range(MAX_PER_PORT + 5):
        frames = LINE.fragments(LINE.segment(1, b"x" * 100), [64], number=number)
        assert reassembler.add(fragment(frames[0]), 0.0) is None
    assert len(reassembler) == MAX_PER_PORT + 1
    assert reassembler.dropped == 5
    assert len(put(reassembler, other[1:])) == 1


def test_memory_is_bounded() -> None:
    reassembler = Reassembler()
    for number in range(2 * MAX_DATAGRAMS):
        line = Line(port=1 + number % 20)
        for frame in line.fragments(line.segment(1, b"x" * 40_000), list(range(1400, 40_000, 1400)), number=number)[1:]:
            reassembler.add(fragment(frame), 0.0)
            assert reassembler.bytes <= MAX_BYTES + 2_000
            assert len(reassembler) <= MAX_DATAGRAMS


def test_too_many_fragments_drop_the_datagram() -> None:
    size = 8 * (MAX_FRAGMENTS + 10)
    frames = LINE.fragments(LINE.segment(1, b"x" * size), list(range(8, size, 8)))
    assert put(Reassembler(), frames) == []
