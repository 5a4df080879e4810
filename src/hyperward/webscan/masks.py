"""Many address masks at once: which one an address meets. The cost does not grow with their number."""

import socket
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

from hyperward.webscan.address import Address
from hyperward.webscan.address.numbers import is_ip
from hyperward.webscan.mask import AddressMask, parse_mask

__all__ = ["AddressMask", "MaskSet", "parse_mask"]

_WWW: Final = "www."
_BITS: Final = {4: 32, 6: 128}


class MaskSet:
    """Masks by host, domain and subnet.

    Args:
        masks: of two for the same addresses the first one is told.
    """

    def __init__(self, masks: Iterable[AddressMask]) -> None:
        self._hosts: dict[str, _Paths] = {}
        self._domains: dict[str, _Paths] = {}
        self._networks: dict[tuple[int, int], dict[int, str]] = {}
        self._labels = 0
        for mask in masks:
            if mask.network:
                self._add_network(mask)
            else:
                by_host = self._domains if mask.below else self._hosts
                by_host.setdefault(mask.host, _Paths()).add(mask)
                if mask.below:
                    self._labels = max(self._labels, mask.host.count(".") + 1)

    def find(self, address: Address) -> str | None:
        """Return the text of a mask that an address meets, one for the host before one for a domain; None for none.

        A mask with a path is not met by an address whose path is not known.
        """
        host = address.host
        hosts = self._hosts
        for name in (host, host[len(_WWW) :]) if host.startswith(_WWW) else (host,):
            paths = hosts.get(name)
            found = None if paths is None else paths.find(address)
            if found is not None:
                return found
        if is_ip(host):
            return self._find_network(host) if self._networks else None
        return self._find_domain(address) if self._labels else None

    def _find_domain(self, address: Address) -> str | None:
        # Longest first, and never more labels than a mask has: a hostile host may have thousands.
        suffixes: list[str] = []
        for label in reversed(address.host.rsplit(".", self._labels)[1:]):
            suffixes.append(f"{label}.{suffixes[-1]}" if suffixes else label)
        for suffix in reversed(suffixes):
            paths = self._domains.get(suffix)
            found = None if paths is None else paths.find(address)
            if found is not None:
                return found
        return None

    def _find_network(self, host: str) -> str | None:
        version, number = _number(host)
        for (of_version, length), networks in self._networks.items():
            if of_version == version:
                found = networks.get(number >> _BITS[version] - length)
                if found is not None:
                    return found
        return None

    def _add_network(self, mask: AddressMask) -> None:
        network = ip_network(mask.network)
        prefix = int(network.network_address) >> network.max_prefixlen - network.prefixlen
        self._networks.setdefault((network.version, network.prefixlen), {}).setdefault(prefix, mask.text)


class _Paths:
    """The paths of one host that have masks."""

    __slots__ = ("_depth", "_every", "_exact", "_folders")

    def __init__(self) -> None:
        self._every: str | None = None
        self._exact: dict[str, str] = {}
        self._folders: dict[str, str] = {}
        self._depth = 0

    def add(self, mask: AddressMask) -> None:
        if not mask.path:
            self._every = self._every or mask.text
        elif mask.path.endswith("/*"):
            folder = mask.path[:-1]
            self._folders.setdefault(folder, mask.text)
            self._depth = max(self._depth, folder.count("/"))
        else:
            self._exact.setdefault(mask.path, mask.text)

    def find(self, address: Address) -> str | None:
        if self._every is not None:
            return self._every
        path = address.path
        if not path:
            return None
        found = self._exact.get(path)
        if found is None and address.query is not None and self._exact:
            found = self._exact.get(f"{path}?{address.query}")
        return found if found is not None or not self._depth else self._find_folder(path)

    def _find_folder(self, path: str) -> str | None:
        end = path.find("/") + 1
        for _ in range(self._depth):
            if not end:
                return None
            found = self._folders.get(path[:end])
            if found is not None:
                return found
            end = path.find("/", end) + 1
        return None


def _number(host: str) -> tuple[int, int]:
    version, family = (6, socket.AF_INET6) if ":" in host else (4, socket.AF_INET)
    return version, int.from_bytes(socket.inet_pton(family, host), "big")
