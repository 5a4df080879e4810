"""The inventory file: its shape, and what may not stand in it twice."""

import itertools
from collections.abc import Hashable, Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from hyperward.inventory.models import Inventory, Port, Vm
from hyperward.inventory.values import (
    MAX_PORT_ID,
    check_interface,
    check_name,
    check_platform,
    parse_address,
    parse_mac,
)
from hyperward.policy.findings import Finding, KeyPath
from hyperward.policy.places import parse_place
from hyperward.yamlfile import Document, FileErrors, FileModel, Limits, parse
from hyperward.yamlfile.limits import MIB
from hyperward.yamlfile.problems import MAX_PROBLEMS

LIMITS = Limits(max_bytes=16 * MIB, max_nodes=3_000_000, max_entry_nodes=5_000)
MAX_VMS = 200_000
MAX_LABELS = 256
"""Groups, and tags, of one VM."""


def _address(text: str) -> str:
    return str(parse_address(text))


_Labels = Annotated[tuple[Annotated[str, AfterValidator(check_name)], ...], Field(max_length=MAX_LABELS)]


class PortEntry(FileModel):
    """A port as the file gives it."""

    interface: Annotated[str, AfterValidator(check_interface)]
    mac: Annotated[str, AfterValidator(parse_mac)] | None = None
    id: Annotated[int, Field(ge=1, le=MAX_PORT_ID)] | None = None


class VmEntry(FileModel):
    """A VM as the file gives it; the id defaults to the name."""

    name: Annotated[str, AfterValidator(check_name)]
    id: Annotated[str, AfterValidator(check_name)] | None = None
    platform: Annotated[str, AfterValidator(check_platform)] = "static"
    addresses: Annotated[tuple[Annotated[str, AfterValidator(_address)], ...], Field(max_length=256)] = ()
    ports: Annotated[tuple[PortEntry, ...], Field(max_length=64)] = ()
    path: Annotated[str, AfterValidator(parse_place)] = ""
    groups: _Labels = ()
    tags: _Labels = ()
    tenant: Annotated[str, AfterValidator(check_name)] | None = None


class InventoryFile(FileModel):
    """A file of VMs."""

    vms: tuple[VmEntry, ...]


def parse_inventory(text: str, name: str) -> Inventory:
    """Return the inventory in the text of a file.

    Args:
        text: the file's content.
        name: the file's name for messages.

    Raises:
        FileErrors: all that is wrong in it.
    """
    return inventory_of(parse(text, name, LIMITS))


def inventory_of(document: Document) -> Inventory:
    """Return the inventory in a parsed file.

    Raises:
        FileErrors: all that is wrong in it.
    """
    vms = document.validate_list(InventoryFile, "vms", VmEntry, max_items=MAX_VMS)
    problems = [
        document.problem(finding.path, finding.what, hint=finding.hint, see=finding.see)
        for finding in itertools.islice(duplicates(vms), MAX_PROBLEMS)
    ]
    if problems:
        raise FileErrors(problems)
    return Inventory(tuple(_vm(entry) for entry in vms))


def duplicates(vms: tuple[VmEntry, ...]) -> Iterator[Finding]:
    """Yield each value that must be unique and is not, in the order of the file."""
    seen: dict[tuple[str, Hashable], KeyPath] = {}
    for kind, value, path in _unique_values(vms):
        first = seen.setdefault((kind, value), path)
        if first is not path:
            text = value[-1] if isinstance(value, tuple) else value
            yield Finding(
                path, f"the {kind} {text} is already taken by", f"give every {_OWNER[kind]} its own", see=first
            )


_OWNER = {"name": "VM", "id": "VM", "interface": "port", "MAC": "port", "port id": "port"}


def _unique_values(vms: tuple[VmEntry, ...]) -> Iterator[tuple[str, Hashable, KeyPath]]:
    for index, vm in enumerate(vms):
        at: KeyPath = ("vms", index)
        yield "name", vm.name, (*at, "name")
        yield "id", (vm.platform, vm.id or vm.name), (*at, "name" if vm.id is None else "id")
        for number, port in enumerate(vm.ports):
            here: KeyPath = (*at, "ports", number)
            yield "interface", port.interface, (*here, "interface")
            if port.mac is not None:
                yield "MAC", port.mac, (*here, "mac")
            if port.id is not None:
                yield "port id", port.id, (*here, "id")


def _vm(entry: VmEntry) -> Vm:
    return Vm(
        name=entry.name,
        id=entry.name if entry.id is None else entry.id,
        platform=entry.platform,
        addresses=tuple(parse_address(text) for text in entry.addresses),
        ports=tuple(Port(port.interface, port.mac, port.id) for port in entry.ports),
        path=entry.path,
        groups=tuple(dict.fromkeys(entry.groups)),
        tags=tuple(dict.fromkeys(entry.tags)),
        tenant=entry.tenant,
    )
