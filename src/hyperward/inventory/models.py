"""The VMs and ports of one hypervisor, as every driver reports them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hyperward.inventory.values import Address


class NicIdentity(NamedTuple):
    """What a virtual NIC is, whatever its address, its tap or its VM's name become."""

    platform: str
    instance: str
    mac: str | None
    """In lower case with colons; None while it is not known."""


@dataclass(frozen=True, slots=True)
class Port:
    """One virtual NIC of a VM as the hypervisor shows it.

    Args:
        interface: the name of the tap or veth.
        mac: the NIC's address in the guest, lower case with colons; None when it is still to be learned.
        id: the port's number, 1 to 2046; None when the daemon may choose.
    """

    interface: str
    mac: str | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Vm:
    """One virtual machine.

    Args:
        name: what people call it.
        id: what the platform calls it.
        platform: `static`, `libvirt` and so on.
        addresses: known IP addresses; more are learned at the port.
        ports: its virtual NICs.
        path: its place in the inventory tree, such as `/dc1/cluster2/host3`; empty when it has none.
        groups: the groups it is in.
        tags: what was put on it.
        tenant: whose it is; None for the provider's own.
    """

    name: str
    id: str
    platform: str
    addresses: tuple[Address, ...] = ()
    ports: tuple[Port, ...] = ()
    path: str = ""
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tenant: str | None = None

    def identity(self, port: Port) -> NicIdentity:
        """Return what identifies one of the VM's NICs."""
        return NicIdentity(self.platform, self.id, port.mac)


@dataclass(frozen=True, slots=True)
class Inventory:
    """All VMs, in the order of their source."""

    vms: tuple[Vm, ...] = ()

    def ports(self) -> Iterator[tuple[Vm, Port]]:
        """Yield every port with its VM."""
        for vm in self.vms:
            for port in vm.ports:
                yield vm, port
