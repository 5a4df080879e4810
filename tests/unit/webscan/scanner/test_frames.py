import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.webscan.scanner.frames import Fragment, Packet, parse_frame
from web_frames import ACK, FIN, PSH, SYN, Line

LINES = [
    Line(),
    Line("fd77::1", "fd77::9"),
    Line(vlans=(5,)),
    Line("fd77::1", "fd77::9", vlans=(5, 6), copy=True),
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("options", [b"", b"\1" * 12])
def test_a_segment_is_read(line: Line, options: bytes) -> None:
    frame = line.tcp(1000, b"hello", ack=77, options=options) + b"padding"
    packet = parse_frame(frame)
    assert isinstance(packet, Packet)
    assert (packet.port, packet.copy, packet.protocol) == (7, line.copy, 6)
    assert (packet.seq, packet.end, packet.ack, packet.flags) == (1000, 1005, 77, ACK | PSH)
    assert packet.payload == b"hello"
    assert packet.frames == (frame,)
    assert (packet.source_port, packet.destination_port, packet.vlan) == (40000, 80, line.vlans)
    assert len(packet.source) == len(packet.destination) == (4 if "." in line.local else 16)


def test_the_key_is_that_of_steering() -> None:
    from hyperward.steering.layout import FlowKey

    packet = parse_frame(Line(vlans=(5,)).tcp(1, b"x"))
    assert isinstance(packet, Packet)
    mapped = b"\0" * 10 + b"\xff\xff"
    key = FlowKey(mapped + bytes([10, 77, 0, 1]), mapped + bytes([10, 77, 0, 9]), 7, b"\x9c\x40", b"\0\x50", 5, 6)
    assert packet.key == key.pack()


def test_data_in_a_syn_begins_one_later() -> None:
    packet = parse_frame(Line().tcp(0xFFFFFFFF, b"x", flags=SYN))
    assert isinstance(packet, Packet)
    assert (packet.seq, packet.end) == (0, 1)


def test_a_datagram_is_as_long_as_it_says() -> None:
    line = Line()
    frame = line.ether(line.ip(line.datagram(b"query") + b"rest", 17))
    packet = parse_frame(frame)
    assert isinstance(packet, Packet)
    assert packet.payload == b"query"


@pytest.mark.parametrize(
    ("extensions", "first"),
    [
        (bytes([60, 0, 0, 0, 0, 0, 0, 0]) + bytes([6, 0, 0, 0, 0, 0, 0, 0]), 0),
        (bytes([6, 4]) + bytes(22), 51),
        (bytes([6, 0, 0, 0, 0, 0, 0, 9]), 44),  # a fragment of everything
        (bytes([60, 0, 0, 0, 0, 0, 0, 0]) * 20 + bytes([6, 0, 0, 0, 0, 0, 0, 0]), 60),
    ],
)
def test_extension_headers_are_passed_over(extensions: bytes, first: int) -> None:
    line = Line("fd77::1", "fd77::9")
    packet = parse_frame(line.ether(line.ip(line.segment(9, b"data"), extensions=extensions, first=first)))
    assert isinstance(packet, Packet)
    assert packet.payload == b"data"


def test_a_fragment_is_told_apart() -> None:
    line = Line()
    first, last = line.fragments(line.segment(1, b"x" * 100), [64])
    one, two = parse_frame(first), parse_frame(last)
    assert isinstance(one, Fragment)
    assert isinstance(two, Fragment)
    assert one.datagram == two.datagram
    assert (one.offset, one.more, two.offset, two.more) == (0, True, 64, False)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        bytes(13),
        Line().ether(b""),
        Line().ether(Line().ip(b"x" * 40, 1)),
        Line().tcp(1, b"data")[:-1],
        Line().ether(Line().ip(Line().segment(1, b"")[:12] + b"\xf0" + bytes(7))),
        Line().ether(Line().ip(b"\0" * 7, 17)),
        Line("fd77::1", "fd77::9").tcp(1, b"data")[:-1],
        b"\0" * 12 + b"\x81\0\0\7\x08\x06" + bytes(40),
    ],
)
def test_what_cannot_be_read_is_nothing(frame: bytes) -> None:
    assert parse_frame(frame) is None


@given(st.binary(max_size=200), st.sampled_from(LINES), st.data())
def test_no_bytes_raise(raw: bytes, line: Line, data: st.DataObject) -> None:
    parse_frame(raw)
    frame = bytearray(line.tcp(1, b"data" * 20, flags=ACK | FIN))
    for _ in range(data.draw(st.integers(0, 6))):
        frame[data.draw(st.integers(12, len(frame) - 1))] = data.draw(st.integers(0, 255))
    parse_frame(bytes(frame[: data.draw(st.integers(0, len(frame)))]))


def test_frames_are_what_another_reader_reads() -> None:
    frame = Line().tcp(5, b"data")
    segment = dpkt.ethernet.Ethernet(frame[:12] + frame[16:]).data.data
    assert (segment.seq, segment.data) == (5, b"data")
