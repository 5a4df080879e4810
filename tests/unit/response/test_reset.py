from ipaddress import ip_address

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.response.reset import internet_checksum, reset_frames
from hyperward.steering.layout import Flow, FlowKey

VM_MAC, PEER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000009")


def key_of(local: str, remote: str, *, vlan: int = 0, protocol: int = 6) -> FlowKey:
    packed = []
    for text in (local, remote):
        raw = ip_address(text).packed
        packed.append(raw if len(raw) == 16 else b"\0" * 10 + b"\xff\xff" + raw)
    return FlowKey(packed[0], packed[1], 7, (80).to_bytes(2, "big"), (40000).to_bytes(2, "big"), vlan, protocol)


def flow_of(ack_from: int = 111, ack_to: int = 222) -> Flow:
    return Flow(1, 2, 3, 4, 5, 6, ack_from, ack_to, 0x12, 0x10, VM_MAC, PEER_MAC)


def parse(frame: bytes, tags: list[int]) -> tuple[dpkt.ethernet.Ethernet, dpkt.tcp.TCP]:
    kinds = []
    while frame[12:14] == b"\x81\x00":
        kinds.append(int.from_bytes(frame[14:16], "big"))
        frame = frame[:12] + frame[16:]
    assert kinds == tags
    ether = dpkt.ethernet.Ethernet(frame)
    packet = ether.data
    segment = bytes(packet.data)
    if isinstance(packet, dpkt.ip.IP):
        assert internet_checksum(bytes(packet)[:20]) == 0
        pseudo = packet.src + packet.dst + bytes([0, 6]) + len(segment).to_bytes(2, "big")
    else:
        pseudo = packet.src + packet.dst + len(segment).to_bytes(4, "big") + bytes([0, 0, 0, 6])
    assert internet_checksum(pseudo + segment) == 0
    return ether, packet.data


@pytest.mark.parametrize(("local", "remote"), [("10.77.0.1", "10.77.0.9"), ("fd77::1", "fd77::9")])
@pytest.mark.parametrize("vlan", [0, 99])
def test_both_ends_get_a_reset_with_the_number_they_expect(local: str, remote: str, vlan: int) -> None:
    resets = reset_frames(key_of(local, remote, vlan=vlan), flow_of(), 14)
    tags = [14, vlan] if vlan else [14]
    assert resets.to_vm
    assert resets.to_peer
    ether, segment = parse(resets.to_vm, tags)
    assert (ether.dst, ether.src) == (VM_MAC, PEER_MAC)
    assert (ether.data.src, ether.data.dst) == (ip_address(remote).packed, ip_address(local).packed)
    assert (segment.sport, segment.dport, segment.seq, segment.flags) == (40000, 80, 111, dpkt.tcp.TH_RST)
    ether, segment = parse(resets.to_peer, tags)
    assert (ether.dst, ether.src) == (PEER_MAC, VM_MAC)
    assert (segment.sport, segment.dport, segment.seq, segment.flags) == (80, 40000, 222, dpkt.tcp.TH_RST)


def test_an_end_that_never_acknowledged_is_left_alone() -> None:
    resets = reset_frames(key_of("10.0.0.1", "10.0.0.2"), flow_of(ack_from=0), 14)
    assert resets.to_vm is None
    assert resets.to_peer is not None


def test_only_tcp_can_be_reset() -> None:
    with pytest.raises(ValueError, match="only TCP"):
        reset_frames(key_of("10.0.0.1", "10.0.0.2", protocol=17), flow_of(), 14)


@given(st.binary(max_size=200))
def test_checksum_of_data_with_its_checksum_is_zero(data: bytes) -> None:
    even = data + b"\0" * (len(data) % 2)
    assert internet_checksum(even + internet_checksum(even).to_bytes(2, "big")) == 0
