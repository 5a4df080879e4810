"""What one VM sends cannot switch off, nor speak in the name of, the inspection of another.

Suricata does not clear the third VLAN id of a packet's buffer, and takes the first VLAN id inside a tunnel for ours.
Both would be open to every guest, and to everybody who can send a datagram to one.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dpkt
import pytest

from conversations import Conversation, write_capture
from hyperward.ips.engine.tenants import Tenant
from protected import protected_port
from replay import read_capture

pytestmark = [pytest.mark.root, pytest.mark.engine]

ATTACKER, VICTIM = 10, 20
RULES = """\
alert http any any -> any any (msg:"stream"; http.uri; content:"/evil"; sid:1; rev:1;)
alert icmp any any -> any any (msg:"inside a tunnel"; itype:8; sid:2; rev:1;)
"""
REQUEST = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
ETHERNET = bytes.fromhex("020000000002020000000001")
SOURCE, TARGET = bytes([10, 9, 0, 1]), bytes([10, 9, 0, 2])


def ip(protocol: int, data: bytes) -> bytes:
    packet = dpkt.ip.IP(src=SOURCE, dst=TARGET, p=protocol, ttl=64, data=data)
    packet.len = 20 + len(data)
    return bytes(packet)


def udp(port: int, data: bytes) -> bytes:
    return ip(17, struct.pack("!HHHH", 40_000, port, 8 + len(data), 0) + data)


def tagged(*vids: int) -> bytes:
    """Return a frame with an echo request behind VLAN tags."""
    ping = bytes(dpkt.icmp.ICMP(type=8, data=dpkt.icmp.ICMP.Echo(id=1, seq=1, data=b"x" * 32)))
    tags = b"".join(struct.pack("!HH", 0x8100, vid) for vid in vids)
    return ETHERNET + tags + b"\x08\x00" + ip(1, ping)


def frame(packet: bytes) -> bytes:
    return ETHERNET + b"\x08\x00" + packet


TUNNELS: dict[str, Callable[[bytes], bytes]] = {
    "vxlan": lambda inner: frame(udp(4789, b"\x08\0\0\0\0\0\x01\0" + inner)),
    "geneve": lambda inner: frame(udp(6081, b"\0\0\x65\x58\0\0\x01\0" + inner)),
    "gre": lambda inner: frame(ip(47, b"\0\0\x65\x58" + inner)),
    "erspan": lambda inner: frame(ip(47, b"\x10\0\x88\xbe\0\0\0\1" + b"\x10\0\0\0\0\0\0\0" + inner)),
    "gre in ip": lambda inner: frame(ip(4, ip(47, b"\0\0\x65\x58" + inner))),
    "gre in gre": lambda inner: frame(ip(47, b"\0\0\x08\0" + ip(47, b"\0\0\x65\x58" + inner))),
}


def play(first: list[bytes], folder: Path) -> list[dict[str, Any]]:
    """Play frames of an attacker, then a connection of the victim that a rule must see; return all events."""
    rules, capture = folder / "test.rules", folder / "test.pcap"
    rules.write_text(RULES)
    write_capture(capture, [Conversation(4, inbound=True, client_port=40_000, port=80, request=REQUEST)])
    events: list[dict[str, Any]] = []
    tenant = Tenant(1, rules, "1", home_net=())
    with protected_port({1: tenant}, dict.fromkeys(range(1, 40), 1), events) as port:
        assert not port.play(first, ATTACKER).lost
        assert not port.play(read_capture(capture), VICTIM).lost
    return [event for event in events if event["event_type"] == "alert"]


def found(events: list[dict[str, Any]]) -> set[tuple[int, int]]:
    """Return VLAN id and rule of the alerts."""
    return {(event["vlan"][0], event["alert"]["signature_id"]) for event in events}


def test_a_guests_own_tag_is_inspected(tmp_path: Path) -> None:
    assert found(play([tagged(5)], tmp_path)) == {(ATTACKER, 2), (VICTIM, 1)}


def test_many_tags_do_not_blind_the_engine(tmp_path: Path) -> None:
    assert found(play([tagged(5, 6), tagged(5, 6, 7), tagged(5, 6, 7, 8)], tmp_path)) == {(VICTIM, 1)}


def test_many_tags_inside_tunnels_do_not_blind_the_engine(tmp_path: Path) -> None:
    frames = [tunnel(tagged(5, 6, 7)) for tunnel in TUNNELS.values()]
    assert found(play(frames, tmp_path)) == {(VICTIM, 1)}


def test_tags_inside_tunnels_cannot_speak_for_other_vms(tmp_path: Path) -> None:
    frames = [tunnel(tagged(VICTIM + number)) for number, tunnel in enumerate(TUNNELS.values(), 1)]
    assert found(play(frames, tmp_path)) == {(VICTIM, 1)}
