"""Which end of a connection is the VM."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address, ip_network

from hyperward.events.model import Direction
from hyperward.policy.networks import ANY, NetworkSet


class VmSide(StrEnum):
    """Who the VM is where no address says it."""

    HOME = "home"
    """The end in HOME_NET, if only one end is."""
    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class View:
    """A connection seen from the VM.

    Args:
        concerns: False when the VM takes no part in it.
        direction: outbound when the VM opened it; None when nobody can tell.
    """

    concerns: bool = True
    direction: Direction | None = None


class Sides:
    """Finds the VM.

    Args:
        addresses: of the VM; with any, only its connections count.
        side: who it is without addresses.
        home_net: the policy's HOME_NET.
    """

    def __init__(self, addresses: Iterable[str], side: VmSide, home_net: NetworkSet) -> None:
        self._addresses = frozenset(str(ip_address(address)) for address in addresses)
        self._side = side
        self._home = [] if home_net == ANY else [ip_network(network) for network in home_net]

    def view(self, client: str, server: str) -> View:
        """Return how the VM sees a connection from `client` to `server`, both in canonical form."""
        if self._addresses:
            ends = (client in self._addresses, server in self._addresses)
        elif self._side is VmSide.HOME:
            ends = (self._at_home(client), self._at_home(server))
        else:
            ends = (self._side is VmSide.CLIENT, self._side is VmSide.SERVER)
        if ends == (True, False):
            return View(direction=Direction.OUTBOUND)
        if ends == (False, True):
            return View(direction=Direction.INBOUND)
        return View(concerns=not self._addresses or any(ends))

    def _at_home(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self._home if network.version == address.version)
