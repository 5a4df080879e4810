"""Bring shadow policies into force, after and apart from what acts.

Everything here may fail without any effect on the active policies: their rules are in force before this begins, a
shadow's rule set is a tenant of its own under a VLAN id of its own, and only copies travel there.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import structlog

from hyperward.errors import HyperwardError
from hyperward.ips.engine.tenants import Desired, Tenant
from hyperward.policy.resolve import IpsSettings
from hyperward.policy.shadow import Shadow
from hyperward.steering.ports import PortSettings, PortTable
from hyperward.svm.lanes import LaneEntry
from hyperward.svm.rulesets import RuleSet, RuleSetSource
from hyperward.svm.tenantbook import TenantEntry, assign, settings_key

log = structlog.get_logger(__name__)

_PREFIX = "shadow/"


@dataclass(frozen=True, slots=True)
class ShadowPort:
    """A port that a shadow policy judges.

    Args:
        interface: its name.
        ifindex: its index; None while it is not there.
        vid: VLAN id of its copies.
        shadow: the policy.
    """

    interface: str
    ifindex: int | None
    vid: int
    shadow: Shadow


def key_of(ips: IpsSettings) -> str:
    """Return the key of a shadow's rules in the book of tenants: never shared with rules that act."""
    return _PREFIX + settings_key(ips)


def entries(tenants: Mapping[str, TenantEntry], *, of_shadows: bool) -> dict[str, TenantEntry]:
    """Return the part of the book that belongs to shadows, or the rest of it."""
    return {key: entry for key, entry in tenants.items() if key.startswith(_PREFIX) == of_shadows}


def assign_shadows(before: Mapping[str, TenantEntry], ports: Iterable[ShadowPort]) -> dict[str, TenantEntry]:
    """Return the book with the tenants that these shadows need, and all that belongs to others as it was."""
    users: dict[str, set[str]] = {}
    for port in ports:
        users.setdefault(key_of(port.shadow.ips), set()).add(_PREFIX + port.interface)
    others = {key: entry.users for key, entry in entries(before, of_shadows=False).items()}
    return assign(before, others | {key: frozenset(names) for key, names in users.items()})


def desired_of(ports: Iterable[ShadowPort], tenants: Mapping[IpsSettings, Tenant]) -> Desired:
    """Return what the engine shall hold for shadows.

    Args:
        ports: those with a shadow whose rules are there.
        tenants: of the shadows, by settings.
    """
    mappings = {port.vid: tenants[port.shadow.ips].id for port in ports}
    return Desired({tenant.id: tenant for tenant in tenants.values()}, mappings)


async def compile_shadows(
    rule_sets: RuleSetSource, shadows: Iterable[tuple[str, Shadow]], failed: dict[str, str]
) -> dict[IpsSettings, RuleSet]:
    """Return the rule sets of shadows; those that fail are left out.

    Args:
        rule_sets: where they come from.
        shadows: by interface.
        failed: gets the reason by interface.
    """
    compiled: dict[IpsSettings, RuleSet] = {}
    reasons: dict[IpsSettings, str] = {}
    for interface, shadow in shadows:
        ips = shadow.ips
        if ips not in compiled and ips not in reasons:
            try:
                compiled[ips] = await rule_sets.get(ips)
            except (HyperwardError, OSError) as error:
                reasons[ips] = error.line() if isinstance(error, HyperwardError) else str(error)
                log.error("shadow_rule_set_failed", policy=shadow.policy, reason=reasons[ips])
        if ips in reasons:
            failed[interface] = f"{shadow.policy}: {reasons[ips]}"
    return compiled


async def steer_shadows(table: PortTable, wanted: Mapping[int, int], failed: dict[str, str]) -> None:
    """Tell the kernel which ports have a shadow.

    Args:
        table: the ports.
        wanted: VLAN id of the copies by interface index; ports that are missing have none.
        failed: gets the reason by interface index, where an interface cannot be changed.
    """
    # In a thread, as for the active policies: events are read meanwhile.
    await asyncio.to_thread(_steer, table, wanted, failed)


def _steer(table: PortTable, wanted: Mapping[int, int], failed: dict[str, str]) -> None:
    for ifindex, settings in table.registered().items():
        changed = replace(settings, shadow_vid=wanted.get(ifindex, 0))
        if changed == settings:
            continue
        try:
            table.put(ifindex, changed)
        except HyperwardError as error:
            failed[str(ifindex)] = error.line()


def still_shadowed(before: PortSettings | None, lane: LaneEntry | None, *, wanted: bool) -> int:
    """Return the VLAN id of copies that a port keeps while its active policy is applied; 0 for none.

    Args:
        before: what is registered.
        lane: the port's lane for shadows. An id that is not this one's may be another port's by now, and copies under
            it would come out there.
        wanted: whether it shall still have a shadow.
    """
    is_own = before is not None and lane is not None and before.shadow_vid == lane.vid
    return lane.vid if lane is not None and is_own and wanted else 0
