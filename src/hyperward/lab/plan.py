"""What a lab consists of, as plain values: nodes, names, addresses. Nothing here touches the machine.

                      namespace `host`: the hypervisor
      namespace vm1 ── vm1 ┐
      namespace vm2 ── vm2 ┼── bridge br0 ── uplink ── namespace `out`: a host outside
      QEMU     tap ── vmq ┘

Interfaces of VMs on the host's side are named after the VM, as a hypervisor names taps; inside, the NIC is eth0.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Interface, IPv6Interface

from hyperward.errors import InputError
from hyperward.lab.web.sites import SITES

HOST = "host"
OUT = "out"
QEMU_VM = "vmq"
BRIDGE = "br0"
GUEST_NIC = "eth0"
DOMAIN = "hyperward.test"
"""The lab's DNS domain; `.test` is reserved for such use (RFC 2606)."""
OTHER_HTTP_PORT = 8080
"""Where the outside host serves HTTP besides port 80: addresses are found on any port."""
MAX_VMS = 64

_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")


class Kind(StrEnum):
    """What a node is made of."""

    OUTSIDE = "outside"
    """A host beyond the hypervisor's uplink, in a namespace."""
    NAMESPACE = "namespace"
    """A VM played by a namespace behind a veth pair."""
    QEMU = "qemu"
    """A real virtual machine on a tap."""


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the lab."""

    name: str
    kind: Kind
    port: str
    """The interface on the hypervisor's side, a port of the bridge."""
    mac: str
    """The hardware address of the machine's own NIC."""
    port_mac: str
    """The hardware address of the hypervisor's side."""
    ipv4: IPv4Interface
    ipv6: IPv6Interface

    def address(self, family: int) -> str:
        """Return the address of that family, 4 or 6, without prefix length."""
        return str(self.ipv4.ip if family == 4 else self.ipv6.ip)  # noqa: PLR2004 - the version number of IP


@dataclass(frozen=True, slots=True)
class LabPlan:
    """A whole lab. Made by `plan_lab`."""

    name: str
    vms: int
    qemu: bool
    nodes: tuple[Node, ...]

    def node(self, name: str) -> Node:
        """Return a node by name.

        Raises:
            InputError: the lab has no such node.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        names = ", ".join(node.name for node in self.nodes)
        raise InputError(f"the lab has no machine '{name}'", where=f"lab {self.name}", hint=f"it has {names}")

    def protected(self) -> tuple[Node, ...]:
        """Return the VMs: every node but the outside host."""
        return tuple(node for node in self.nodes if node.kind is not Kind.OUTSIDE)

    def netns_name(self, node: str) -> str:
        """Return the namespace of a node; that of a QEMU VM's process, and of `host`, is the hypervisor's."""
        inside = HOST if node == HOST or self.node(node).kind is Kind.QEMU else node
        return f"hw-{self.name}-{inside}"

    def netns_names(self) -> tuple[str, ...]:
        """Return the names of all namespaces, the hypervisor's first."""
        rest = (self.netns_name(node.name) for node in self.nodes if node.kind is not Kind.QEMU)
        return (self.netns_name(HOST), *rest)

    def dns_names(self) -> dict[str, tuple[str, str]]:
        """Return what the lab's DNS servers answer, name to (IPv4, IPv6) address: machines and sites."""
        outside = self.node(OUT)
        sites = {name: (outside.address(4), outside.address(6)) for name in SITES}
        return sites | {f"{node.name}.{DOMAIN}": (node.address(4), node.address(6)) for node in self.nodes}


def check_lab_name(name: str) -> str:
    """Return the name of a lab.

    Raises:
        InputError: it is not 1 to 16 characters of a-z and 0-9 with a letter first.
    """
    if not _NAME.fullmatch(name):
        raise InputError("a lab's name is 1 to 16 characters of a-z and 0-9, a letter first", where=repr(name[:40]))
    return name


def plan_lab(name: str = "lab", *, vms: int = 1, qemu: bool = False) -> LabPlan:
    """Return the plan of a lab with that many namespace VMs, and a QEMU VM if wanted.

    Addresses and hardware addresses depend on nothing but the number of the machine, so that a test, a rule or a
    policy may name them.

    Raises:
        InputError: a bad name, or not 0 to 64 namespace VMs.
    """
    check_lab_name(name)
    if not 0 <= vms <= MAX_VMS:
        raise InputError(f"a lab has 0 to {MAX_VMS} namespace VMs, not {vms}", where=f"lab {name}")
    nodes = [_node(OUT, Kind.OUTSIDE, "uplink", 9)]
    nodes += [_node(f"vm{number}", Kind.NAMESPACE, f"vm{number}", 10 + number) for number in range(1, vms + 1)]
    if qemu:
        nodes.append(_node(QEMU_VM, Kind.QEMU, QEMU_VM, 200))
    return LabPlan(name=name, vms=vms, qemu=qemu, nodes=tuple(nodes))


def _node(name: str, kind: Kind, port: str, number: int) -> Node:
    return Node(
        name=name,
        kind=kind,
        port=port,
        mac=f"52:54:00:77:00:{number:02x}",  # QEMU's prefix, locally administered
        port_mac=f"fe:54:00:77:00:{number:02x}",  # libvirt's prefix: no bridge takes a high address as its own
        ipv4=IPv4Interface(f"10.77.0.{number}/24"),
        ipv6=IPv6Interface(f"fd77::{number}/64"),
    )
