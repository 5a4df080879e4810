"""What a change of policies or inventory does to each VM. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from hyperward.policy.assignment import AssignableVm
from hyperward.policy.inherit import DEFAULT, Inherited, Origin
from hyperward.policy.models import SETTINGS, Policy
from hyperward.policy.resolve import Resolver
from hyperward.policy.settings import value_at


class PlannedVm(AssignableVm, Protocol):
    """What a plan needs to know of a VM, beside what assignments look at."""

    @property
    def platform(self) -> str:
        """Where its id comes from."""


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting that gets another value for a VM.

    Args:
        path: the setting.
        before: its value; None as well where no policy covered the VM.
        after: its value; None as well where no policy will.
        origin_before: which policy set it.
        origin_after: which policy sets it.
    """

    path: str
    before: object
    after: object
    origin_before: Origin
    origin_after: Origin


@dataclass(frozen=True, slots=True)
class VmChange:
    """A VM for which something changes.

    Args:
        vm: its name.
        id: its id.
        before: the policy that covers it; None for none, or when the VM is not there.
        after: the policy that will; None as before.
        settings: what gets another value; empty when only the policy is another, with equal settings.
    """

    vm: str
    id: str
    before: str | None
    after: str | None
    settings: tuple[SettingChange, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that changes.

    Args:
        changes: VMs in the order of the inventory after the change; VMs that leave it come last.
        unchanged: how many other VMs there are.
    """

    changes: tuple[VmChange, ...]
    unchanged: int


World: TypeAlias = tuple[Iterable[Policy], Iterable[PlannedVm]]
"""Policies and the VMs that they are for."""


def plan(before: World, after: World) -> Plan:
    """Return what changes for each VM.

    Args:
        before: policies and VMs as they are.
        after: policies and VMs as they shall be.

    Raises:
        AssignmentTie: policies cover a VM equally specifically.
        InputError: the parents of policies do not lead to roots.
    """
    old, new = _covered(before), _covered(after)
    # Thousands of VMs share a few policies: a pair of policies is compared once.
    known: dict[tuple[int, int], tuple[SettingChange, ...]] = {}
    changes: list[VmChange] = []
    for key, (vm, will) in (new | {key: (vm, None) for key, (vm, _) in old.items() if key not in new}).items():
        was = old[key][1] if key in old else None
        pair = (id(was), id(will))
        if pair not in known:
            known[pair] = _differences(was, will)
        name_before, name_after = was.policy.name if was else None, will.policy.name if will else None
        if known[pair] or name_before != name_after:
            changes.append(VmChange(vm.name, vm.id, name_before, name_after, known[pair]))
    return Plan(tuple(changes), len(old.keys() | new.keys()) - len(changes))


def _covered(world: World) -> dict[tuple[str, str], tuple[PlannedVm, Inherited | None]]:
    policies, vms = world
    resolver = Resolver(policies)
    return {(vm.platform, vm.id): (vm, resolver.inherited(vm)) for vm in vms}


def _differences(was: Inherited | None, will: Inherited | None) -> tuple[SettingChange, ...]:
    changes = []
    for path in SETTINGS:
        before = value_at(was.policy, path) if was else None
        after = value_at(will.policy, path) if will else None
        if before != after:
            origins = (side.origins[path] if side else DEFAULT for side in (was, will))
            changes.append(SettingChange(path, before, after, *origins))
    return tuple(changes)
