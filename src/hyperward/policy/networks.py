"""Networks in policies: parsing, and one canonical form so that equal sets compare equal."""

import ipaddress
import re
from collections.abc import Iterable
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
NetworkSet: TypeAlias = tuple[str, ...]
"""Networks in CIDR notation, without overlap, IPv4 before IPv6, ascending; or `ANY`."""

ANY: NetworkSet = ("any",)

# ipaddress also takes netmasks and host masks behind the slash; CIDR is the one form here.
_CIDR = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:/[0-9]{1,3})?")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def parse_network(text: str) -> Network:
    """Return the network that `text` names: an address, or CIDR notation.

    Raises:
        ValueError: not an address or network, host bits are set, or an IPv4 network is written as IPv6.
    """
    if not _CIDR.fullmatch(text):
        raise ValueError("not an address or network; write it like 10.1.0.0/16 or 2001:db8::/32")
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError as error:
        raise ValueError("not an address or network; write it like 10.1.0.0/16 or 2001:db8::/32") from error
    network = interface.network
    if interface.ip != network.network_address:
        alone = ipaddress.ip_network(interface.ip)
        raise ValueError(f"{text} has bits set behind the prefix; write {network} or {alone}")
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        plain = ipaddress.IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
        raise ValueError(f"{text} is IPv4 written as IPv6; write {plain}")
    return network


def canonical(networks: Iterable[Network]) -> NetworkSet:
    """Return a set of networks in its canonical form: neighbours joined, no overlap, sorted."""
    every = tuple(networks)
    v4 = ipaddress.collapse_addresses(net for net in every if isinstance(net, ipaddress.IPv4Network))
    v6 = ipaddress.collapse_addresses(net for net in every if isinstance(net, ipaddress.IPv6Network))
    return tuple(str(net) for net in (*v4, *v6))


def parse_network_set(texts: Iterable[str]) -> NetworkSet:
    """Return the canonical form of networks in text.

    Raises:
        ValueError: as `parse_network`.
    """
    return canonical(parse_network(text) for text in texts)
