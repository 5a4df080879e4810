import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.response.reset import internet_checksum
from hyperward.webscan.scanner.craft import (
    checksum,
    reset_to_server,
    reset_to_vm,
    segments_to_vm,
    tcp_to_vm,
    udp_to_vm,
    without_urgent,
)
from web_frames import ACK, FIN, PEER_MAC, PSH, RST, URG, VM_MAC, Line
from web_world import packet_of

LINES = [Line(), Line("fd77::1", "fd77::9", vlans=(5, 6)), Line(vlans=(9,))]


def opened(frame: bytes, line: Line, protocol: int = 6) -> dpkt.ethernet.Ethernet:
    """Check the checksums, and return the frame without tags."""
    tags = 4 * (1 + len(line.vlans))
    assert frame[16 : 12 + tags] == line.tcp(1)[16 : 12 + tags]
    ether = dpkt.ethernet.Ethernet(frame[:12] + frame[12 + tags :])
    transport = bytes(ether.data.data)
    if isinstance(ether.data, dpkt.ip.IP):
        assert internet_checksum(bytes(ether.data)[:20]) == 0
    pseudo = ether.data.src + ether.data.dst + len(transport).to_bytes(4, "big") + bytes([0, 0, 0, protocol])
    assert internet_checksum(pseudo + transport) == 0
    return ether


@given(st.binary(max_size=100))
def test_the_checksum_is_that_of_the_rfc(data: bytes) -> None:
    assert checksum(data) in {internet_checksum(data), 0xFFFF}
    if any(data):
        assert checksum(data) % 0xFFFF == internet_checksum(data) % 0xFFFF


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("payload", [b"", b"odd", b"even"])
def test_a_segment_for_the_vm(line: Line, payload: bytes) -> None:
    frame = tcp_to_vm(packet_of(line.tcp(1, b"x")), 500, 600, ACK | PSH, payload)
    assert int.from_bytes(frame[14:16], "big") == 0x2000 | 7
    ether = opened(frame, line)
    assert (ether.src, ether.dst) == (PEER_MAC, VM_MAC)
    segment = ether.data.data
    assert (segment.sport, segment.dport) == (80, 40000)
    assert (segment.seq, segment.ack, segment.flags, segment.data) == (500, 600, ACK | PSH, payload)


@pytest.mark.parametrize("line", LINES)
def test_a_reset_for_the_server(line: Line) -> None:
    frame = reset_to_server(packet_of(line.tcp(1, b"x", ack=77)), 0xFFFFFFFF)
    assert int.from_bytes(frame[14:16], "big") == 7
    ether = opened(frame, line)
    assert (ether.src, ether.dst) == (VM_MAC, PEER_MAC)
    segment = ether.data.data
    assert (segment.sport, segment.seq, segment.ack, segment.flags) == (40000, 0xFFFFFFFF, 77, RST | ACK)


def test_a_reset_for_the_vm_has_the_number_that_it_expects() -> None:
    line = Line()
    segment = opened(reset_to_vm(packet_of(line.tcp(10, b"abc", ack=77, flags=ACK | FIN))), line).data.data
    assert (segment.seq, segment.ack, segment.flags) == (77, 14, RST | ACK)


@pytest.mark.parametrize("line", LINES)
def test_a_datagram_for_the_vm(line: Line) -> None:
    ether = opened(udp_to_vm(packet_of(line.udp(b"query")), b"answer!"), line, 17)
    assert (ether.data.data.sport, ether.data.data.dport, ether.data.data.data) == (80, 40000, b"answer!")


def test_a_long_answer_is_cut_and_ends_with_fin() -> None:
    line = Line()
    frames = segments_to_vm(packet_of(line.tcp(1, b"x")), 0xFFFFFFF0, 2, b"z" * 2500, last=True)
    segments = [opened(frame, line).data.data for frame in frames]
    assert [len(one.data) for one in segments] == [1200, 1200, 100]
    assert [one.flags & FIN for one in segments] == [0, 0, 1]
    assert [one.seq for one in segments] == [0xFFFFFFF0, 1184, 2384]


@pytest.mark.parametrize("line", LINES)
def test_urgent_is_cleared(line: Line) -> None:
    segment = opened(without_urgent(packet_of(line.tcp(1, b"data", flags=ACK | URG))).frame, line).data.data
    assert (segment.flags, segment.urp, segment.data) == (ACK, 0, b"data")
