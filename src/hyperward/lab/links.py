"""Apply a plan's links and addresses to namespaces that are there: thin calls to the kernel.

The hypervisor's side speaks no IP by itself, so that nothing but the machines' own traffic crosses the ports. In the
machines, duplicate address detection and router advertisements are off: IPv6 works at once.
"""

import fcntl
import os
import struct
from pathlib import Path

from pyroute2 import IPRoute

from hyperward.errors import SystemFault
from hyperward.lab.netns import NetNs
from hyperward.lab.plan import BRIDGE, GUEST_NIC, HOST, Kind, LabPlan, Node

BRIDGE_MAC = "52:54:00:77:00:01"
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000  # linux/if_tun.h
_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFA_F_NODAD = 0x02  # linux/if_addr.h


def apply_links(plan: LabPlan) -> None:
    """Make bridge, ports, NICs and addresses of a lab whose namespaces are there.

    Raises:
        SystemFault: no TUN device on this machine.
        pyroute2.NetlinkError: the kernel refused a link.
    """
    guests = [node for node in plan.nodes if node.kind is not Kind.QEMU]
    for node in guests:
        NetNs(plan.netns_name(node.name)).call(_prepare_guest)
    NetNs(plan.netns_name(HOST)).call(lambda: _make_host(plan))
    for node in guests:
        _configure_guest(NetNs(plan.netns_name(node.name)), node)


def _sysctl(name: str, value: str) -> None:
    Path("/proc/sys/net", name).write_text(value, encoding="ascii")


def _prepare_guest() -> None:
    """Before a NIC is there, so that it starts with these."""
    for scope in ("all", "default"):
        _sysctl(f"ipv6/conf/{scope}/accept_dad", "0")
        _sysctl(f"ipv6/conf/{scope}/accept_ra", "0")


def _make_host(plan: LabPlan) -> None:
    with IPRoute() as ipr:
        _up(ipr, "lo")
        ipr.link(
            "add",
            ifname=BRIDGE,
            kind="bridge",
            address=BRIDGE_MAC,
            br_stp_state=0,
            br_forward_delay=0,
            br_mcast_snooping=0,
        )
        _silence(BRIDGE)
        _up(ipr, BRIDGE)
        bridge = _index(ipr, BRIDGE)
        for node in plan.nodes:
            if node.kind is Kind.QEMU:
                _make_tap(node.port)
                ipr.link("set", index=_index(ipr, node.port), address=node.port_mac)
            else:
                _make_veth(ipr, node, NetNs(plan.netns_name(node.name)))
            _silence(node.port)
            ipr.link("set", index=_index(ipr, node.port), master=bridge)
            _up(ipr, node.port)


def _make_veth(ipr: IPRoute, node: Node, guest: NetNs) -> None:
    handle = os.open(guest.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        peer = {"ifname": GUEST_NIC, "address": node.mac, "net_ns_fd": handle}
        ipr.link("add", ifname=node.port, kind="veth", address=node.port_mac, peer=peer)
    finally:
        os.close(handle)


def _make_tap(name: str) -> None:
    """Make a tap that stays without a process; QEMU opens it by name."""
    try:
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise SystemFault(f"no TUN device: {error.strerror}", where="/dev/net/tun") from error
    try:
        request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
        fcntl.ioctl(handle, _TUNSETIFF, request)
        fcntl.ioctl(handle, _TUNSETPERSIST, 1)
    finally:
        os.close(handle)


def _configure_guest(netns: NetNs, node: Node) -> None:
    def configure() -> None:
        with IPRoute() as ipr:
            _up(ipr, "lo")
            _up(ipr, GUEST_NIC)
            index = _index(ipr, GUEST_NIC)
            for address in (node.ipv4, node.ipv6):
                ipr.addr(
                    "add",
                    index=index,
                    address=str(address.ip),
                    prefixlen=address.network.prefixlen,
                    flags=_IFA_F_NODAD if address.version == 6 else 0,  # noqa: PLR2004 - the version of IP
                )

    netns.call(configure)


def _silence(name: str) -> None:
    """Without an IPv6 address of its own an interface sends no router solicitations or listener reports."""
    _sysctl(f"ipv6/conf/{name}/disable_ipv6", "1")


def _index(ipr: IPRoute, name: str) -> int:
    found = ipr.link_lookup(ifname=name)
    if not found:
        raise SystemFault("the interface that was just made is not there", where=name)
    return int(found[0])


def _up(ipr: IPRoute, name: str) -> None:
    ipr.link("set", index=_index(ipr, name), state="up")
