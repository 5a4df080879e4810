"""The never-block set of a hypervisor: its own addresses, its gateways, its DNS servers, and what the operator adds."""

import subprocess
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TypeVar

import msgspec

from hyperward.fromjson import from_json
from hyperward.response.blocking import Network, NeverBlock, never_block

T = TypeVar("T")
_RESOLV_CONF = Path("/etc/resolv.conf")


class _Address(msgspec.Struct):
    local: str = ""


class _Interface(msgspec.Struct):
    addr_info: list[_Address] = []


class _Route(msgspec.Struct):
    gateway: str = ""


def never_block_set(operator: Iterable[Network]) -> NeverBlock:
    """Return the set as it is now; what the host does not tell is left out.

    Args:
        operator: networks that the operator adds.
    """
    return never_block(
        an_address_of_this_hypervisor=_own_addresses(),
        a_gateway=_gateways(),
        a_DNS_server=_dns_servers(),
        the_operator_says_so=operator,
    )


def _own_addresses() -> Iterator[Network]:
    for interface in _ask(list[_Interface], "address", "show"):
        yield from _hosts(address.local for address in interface.addr_info)


def _gateways() -> Iterator[Network]:
    for family in ("-4", "-6"):
        yield from _hosts(route.gateway for route in _ask(list[_Route], family, "route", "show", "default"))


def _dns_servers() -> Iterator[Network]:
    try:
        lines = _RESOLV_CONF.read_text(errors="replace").splitlines()
    except OSError:
        return
    words = (line.split() for line in lines)
    yield from _hosts(word[1] for word in words if len(word) > 1 and word[0] == "nameserver")


def _hosts(texts: Iterable[str]) -> Iterator[Network]:
    for text in texts:
        try:
            yield ip_network(ip_address(text.partition("%")[0]))
        except ValueError:
            continue


def _ask(kind: type[list[T]], *arguments: str) -> list[T]:
    done = subprocess.run(["ip", "-json", *arguments], capture_output=True, check=False)
    try:
        return from_json(done.stdout or b"[]", kind)
    except ValueError:
        return []
