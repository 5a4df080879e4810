"""Where copies for monitoring go, on real interfaces: both directions to one end, each saying its way."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from hyperward.lab.deadline import wait_until
from hyperward.steering.layout import TCI_COPY_TO_VM, Mode
from hyperward.steering.pairs import attach_pairs, ensure_pairs
from hyperward.steering.ports import KernelPorts, PortSettings
from kernel import loaded_program, own_namespace

pytestmark = pytest.mark.root

VID = 14
PACKET_AUXDATA = 8  # linux/if_packet.h
SOL_PACKET = 263
FRAME = bytes.fromhex("02" * 12 + "0800" + "450000140000000040110000" + "0a4d0001" + "0a4d0009") + bytes(30)


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[KernelPorts]:
    with own_namespace(), loaded_program(tmp_path) as program:
        pairs = ensure_pairs()
        ports = KernelPorts(program)
        ports.configure(pairs, down_ms=300, busy_ms=200, probe_ms=50)
        attach_pairs(pairs, program)
        ports.gate(is_open=True)
        with IPRoute() as ip:
            ip.link("add", ifname="port", kind="veth", peer="vm")
            for name in ("port", "vm"):
                ip.link("set", index=ip.link_lookup(ifname=name)[0], state="up")
            # The kernel drops what is sent before it has noticed the carrier.
            assert wait_until(lambda: all(_is_up(ip, name) for name in ("port", "vm", "hwg0", "hwg1")), 10)
        ports.put(socket.if_nametoindex("port"), PortSettings(port_id=7, vid=VID, mode=Mode.MONITORING))
        yield ports


def _is_up(ip: IPRoute, name: str) -> bool:
    return bool(ip.get_links(ip.link_lookup(ifname=name)[0])[0].get_attr("IFLA_OPERSTATE") == "UP")


def _listen(interface: str) -> socket.socket:
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    listener.bind((interface, 0x0003))
    listener.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    listener.settimeout(5)
    return listener


def _tag_of_copy(listener: socket.socket) -> int:
    """Return the tag of the next IPv4 frame; the kernel keeps it beside the frame."""
    while True:
        data, ancillary, _, _ = listener.recvmsg(2048, 256)
        if data[12:14] == b"\x08\x00":
            [aux] = [value for level, kind, value in ancillary if (level, kind) == (SOL_PACKET, PACKET_AUXDATA)]
            # struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid
            return int(struct.unpack("=IIIHHHH", aux)[5])


@pytest.mark.parametrize(("send_from", "tci"), [("vm", VID), ("port", TCI_COPY_TO_VM | VID)])
def test_copies_of_both_directions_enter_at_the_guest_end(ports: KernelPorts, send_from: str, tci: int) -> None:
    with _listen("hwg1") as engine, _listen("vm" if send_from == "port" else "port") as original:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((send_from, 0))
            sender.send(FRAME)
        assert _tag_of_copy(engine) == tci
        assert _tag_of_copy(original) == 0
    counters = ports.counters(7)
    side = counters.from_vm if send_from == "vm" else counters.to_vm
    assert side["cloned"] >= 1  # the kernel itself sends neighbour discovery
    assert side["clone_failed"] == 0
