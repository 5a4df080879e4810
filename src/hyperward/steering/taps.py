"""The devices between the kernel's steering and the web scanners: one persistent TAP device for each, `hww0` and on.

A persistent device stays when its scanner dies, with the filters on it, and the scanner that comes after opens it
again. Without `IFF_VNET_HDR` and offloads the kernel segments and checksums what it puts into the queue, so that a
scanner reads frames as they would be on a wire. A frame is as long as what the VM sent: with jumbo frames longer than
the device's MTU.
"""

import errno
import os
import socket
import struct
import time
from fcntl import ioctl
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hyperward.errors import SystemFault
from hyperward.steering.layout import MAX_SCANNERS
from hyperward.steering.pairs import DEFAULT_MTU

QUEUE_FRAMES = 4096
"""Places in a device's queue: twice what may wait by default, so that a last packet finds room for its segments."""
MAX_FRAME = 65_536 + 64
"""Bytes that a read of a device may return: the longest IP packet with Ethernet header and tags."""

_TUN = "/dev/net/tun"
# linux/if_tun.h, linux/if.h, linux/sockios.h
_TUNSETIFF, _TUNSETPERSIST, _TUNSETOFFLOAD = 0x400454CA, 0x400454CB, 0x400454D0
_IFF_TAP, _IFF_NO_PI, _IFF_RUNNING = 0x0002, 0x1000, 0x0040
_SIOCGIFFLAGS = 0x8913
_TYPE_TAP = 2
_ROOT = 0xFFFFFFFF  # TC_H_ROOT
_ADDR_GEN_NONE = 1
_RUNNING_SECONDS = 2.0


class DeviceBusy(SystemFault):
    """Another process has the device open."""


def tap_name(index: int) -> str:
    """Return the name of the device of scanner `index`, from 0."""
    return f"hww{index}"


def ensure_taps(count: int, *, mtu: int = DEFAULT_MTU, queue: int = QUEUE_FRAMES) -> tuple[int, ...]:
    """Create the devices of `count` scanners in the current network namespace, or adopt those that are there.

    Args:
        count: 0 to 16. Devices of scanners beyond it are left: `remove_taps` takes them away.
        mtu: of the devices, above that of the VMs.
        queue: frames that wait in a device's queue before the kernel drops; at least twice `WebLimits.queue`.

    Returns:
        Interface indexes, by scanner index.

    Raises:
        SystemFault: an interface of one of the names exists and is not ours, or the kernel refuses.
    """
    if not 0 <= count <= MAX_SCANNERS:
        raise SystemFault(f"{count} web scanners", where="scanners", hint=f"give 0 to {MAX_SCANNERS}")
    try:
        with IPRoute() as ip:
            return tuple(_ensure(ip, tap_name(index), mtu, queue) for index in range(count))
    except NetlinkError as error:
        raise _refused(error.code) from None


def remove_taps(keep: int = 0) -> None:
    """Delete the devices, and the filters on them, of all scanners from index `keep` on; an open one's reads fail."""
    with IPRoute() as ip:
        for index in range(keep, MAX_SCANNERS):
            for found in ip.link_lookup(ifname=tap_name(index)):
                if _is_tap(ip, found):
                    ip.link("del", index=found)


def open_tap(index: int) -> int:
    """Open the device of scanner `index`; return a non-blocking descriptor that reads and writes whole frames.

    The device must be there: one made by this call would have no filters. Frames that waited for an earlier scanner
    went with it.

    Raises:
        DeviceBusy: another process has it open.
        SystemFault: there is no such device.
    """
    name = tap_name(index)
    try:
        socket.if_nametoindex(name)
    except OSError:
        raise SystemFault(
            "the device is missing", where=f"interface {name}", hint="start the SVM, which creates it"
        ) from None
    fd = -1
    try:
        fd = _attach(name)
        ioctl(fd, _TUNSETOFFLOAD, 0)
    except OSError as error:
        if fd >= 0:
            os.close(fd)
        raise _refused(error.errno or 0, name) from None
    _await_running(name)
    return fd


def _attach(name: str) -> int:
    fd = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    except OSError:
        os.close(fd)
        raise
    return fd


def _ensure(ip: IPRoute, name: str, mtu: int, queue: int) -> int:
    found = ip.link_lookup(ifname=name)
    if found and not _is_tap(ip, found[0]):
        raise SystemFault(
            "exists but is not our scanner's device", where=f"interface {name}", hint="remove or rename it"
        )
    if not found:
        _create(name)
        found = ip.link_lookup(ifname=name)
        # Frames wait in the device's own queue, whose length is counted; a second one before it has no use.
        ip.tc("replace", kind="noqueue", index=found[0], parent=_ROOT, handle=0)
    index = int(found[0])
    # No address of our own: the host must not speak on a scanner's device.
    ip.link(
        "set",
        index=index,
        mtu=mtu,
        txqlen=queue,
        arp=False,
        af_spec={"attrs": [["AF_INET6", {"attrs": [["IFLA_INET6_ADDR_GEN_MODE", _ADDR_GEN_NONE]]}]]},
    )
    ip.link("set", index=index, state="up")
    return index


def _create(name: str) -> None:
    try:
        fd = _attach(name)
        try:
            ioctl(fd, _TUNSETPERSIST, 1)
        finally:
            os.close(fd)
    except OSError as error:
        raise _refused(error.errno or 0, name) from None


def _is_tap(ip: IPRoute, index: int) -> bool:
    link: Any = ip.get_links(index)[0]
    if link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") != "tun":
        return False
    data = link.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA")
    plain = not data.get_attr("IFLA_TUN_PI") and not data.get_attr("IFLA_TUN_VNET_HDR")
    return bool(data.get_attr("IFLA_TUN_TYPE") == _TYPE_TAP and data.get_attr("IFLA_TUN_PERSIST") and plain)


def _await_running(name: str) -> None:
    """Wait until the kernel has noticed that the device is open: it drops what is sent before that."""
    deadline = time.monotonic() + _RUNNING_SECONDS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        while time.monotonic() < deadline:
            answer = ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16s24x", name.encode()))
            if struct.unpack_from("=H", answer, 16)[0] & _IFF_RUNNING:
                return
            time.sleep(0.001)


def _refused(number: int, name: str = tap_name(0)) -> SystemFault:
    kind = DeviceBusy if number == errno.EBUSY else SystemFault
    return kind(
        f"the kernel refuses the device of a web scanner: {os.strerror(number)}",
        where=f"interface {name}",
        hint="run as root with CAP_NET_ADMIN, on a kernel with TUN/TAP; one scanner has it open at a time",
    )
