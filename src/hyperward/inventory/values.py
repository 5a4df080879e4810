"""The values that identify VMs and ports, checked the same way whatever driver they come from."""

import ipaddress
import re
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_NAME = 128
# IFNAMSIZ of the kernel is 16 with the final zero byte (include/uapi/linux/if.h).
MAX_INTERFACE_BYTES = 15
# Each port takes two of the VLAN ids 1 to 4093: enforce and observe.
MAX_PORT_ID = 2046

RESERVED_INTERFACES = frozenset(
    {"hwg0", "hwg1", "hwn0", "hwn1", "hwm0", "hwm1", "lo", *(f"hww{index}" for index in range(16))}
)
"""The inspection pairs, the devices of web scanners, and the loopback, which is nobody's port."""

# dev_valid_name() of the kernel refuses "/", ":" and white space; "%" makes it a template for a number.
_NOT_IN_INTERFACE = re.compile(r"[/:%\s\x00-\x1f\x7f-\x9f]")
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_PLATFORM = re.compile(r"[a-z][a-z0-9-]{0,31}")


def check_interface(name: str) -> str:
    """Return `name` when a network interface that is protected can be called so.

    Raises:
        ValueError: the kernel allows no such name, or it is one of our own.
    """
    if not name or len(name.encode("utf-8", "replace")) > MAX_INTERFACE_BYTES:
        raise ValueError(f"an interface name has 1 to {MAX_INTERFACE_BYTES} bytes; see 'ip link'")
    if name in {".", ".."} or _NOT_IN_INTERFACE.search(name):
        raise ValueError("not an interface name: no '/', ':', '%' or white space, not '.' or '..'; see 'ip link'")
    if name in RESERVED_INTERFACES:
        raise ValueError(f"the interface name {name} is reserved; give the tap or veth of the VM")
    return name


def parse_mac(text: str) -> str:
    """Return a MAC address in lower case with colons.

    Raises:
        ValueError: not six pairs of hex digits, or not the address of one NIC.
    """
    mac = text.lower().replace("-", ":")
    if not _MAC.fullmatch(mac):
        raise ValueError("not a MAC address; write it like 52:54:00:12:34:56")
    if int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        raise ValueError("not the MAC address of one NIC but a group's or nobody's; see the VM's settings")
    return mac


def parse_address(text: str) -> Address:
    """Return the IP address of a VM.

    Raises:
        ValueError: not an address, or not one that a single machine can have on a network.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError("not an IP address; write it like 10.1.2.3 or 2001:db8::1") from error
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            raise ValueError(f"{text} is IPv4 written as IPv6; write {address.ipv4_mapped}")
        if address.scope_id is not None:
            raise ValueError("an address with a zone; leave out the part from % on")
    if address.is_multicast or address.is_unspecified or address.is_loopback:
        raise ValueError("not the address of one machine on a network; give the VM's own")
    return address


def check_platform(text: str) -> str:
    """Return the name of a platform: a lower-case word.

    Raises:
        ValueError: it is not.
    """
    if not _PLATFORM.fullmatch(text):
        raise ValueError("not a platform name; write a lower-case word such as static, libvirt or proxmox")
    return text


def check_name(text: str) -> str:
    """Return the name or id of a VM: one line of printable characters.

    Raises:
        ValueError: it is empty, too long, or has spaces at its ends or unprintable characters.
    """
    if not text or len(text) > MAX_NAME:
        raise ValueError(f"must have 1 to {MAX_NAME} characters, has {len(text)}")
    if text != text.strip() or not text.isprintable():
        raise ValueError("has spaces at its ends or unprintable characters; remove them")
    return text
