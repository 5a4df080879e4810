"""What a change of policies or inventory does to each VM. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

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


class Side(Protocol):
    """Policies and VMs that belong together."""

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All policies, without errors in their tree."""

    @property
    def vms(self) -> tuple[PlannedVm, ...]:
        """All VMs, without ties."""


def plan(
    before: tuple[Iterable[Policy], Iterable[PlannedVm]], after: tuple[Iterable[Policy], Iterable[PlannedVm]]
) -> Plan:
    """Return what changes for each VM.

    Args:
        before: policies and VMs as they are.
        after: policies and VMs as they shall be.

    Raises:
        AssignmentTie: policies cover a VM equally specifically.
        InputError: the parents of policies do not lead to roots.
    """
    old, new = _covered(*before), _covered(*after)
    names = {key: vm for key, (vm, _) in old.items()} | {key: vm for key, (vm, _) in new.items()}
    changes: list[VmChange] = []
    order = [*new, *(key for key in old if key not in new)]
    for key in order:
        was, will = old.get(key, _NOTHING)[1], new.get(key, _NOTHING)[1]
        settings = _differences(was, will)
        policy_before, policy_after = was.policy.name if was else None, will.policy.name if will else None
        if settings or policy_before != policy_after:
            changes.append(VmChange(names[key].name, names[key].id, policy_before, policy_after, settings))
    return Plan(tuple(changes), len(order) - len(changes))
