"""The way from what the engine holds to what it shall hold, as an ordered list of commands. Pure.

Order: what is quick and needs no loading first, so that a change of one VM's policy does not wait for another's rules;
then loading, then what needed it, then cleaning up. The two halves of a move stand together, because between them the
VLAN id is forwarded without inspection.

A VLAN id that nobody wants any more stays mapped: no frame travels under it, to take it out costs milliseconds, and
the port that gets it next most often wants the same rules. Only what is beyond `SPARE` is taken out, the oldest first,
since the engine searches the mappings one by one for every packet.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice
from typing import Final

from hyperward.ips.engine.tenants import FIRST_VID, LAST_VID, Desired

SPARE: Final = 2048
"""VLAN ids that stay mapped although nobody wants them."""
AHEAD: Final = 1024
"""VLAN ids that an engine has mapped from its start for ports that are still to come."""


class Operation(StrEnum):
    """A command of the engine."""

    REGISTER_TENANT = "register-tenant"
    RELOAD_TENANT = "reload-tenant"
    UNREGISTER_TENANT = "unregister-tenant"
    MAP = "register-tenant-handler"
    UNMAP = "unregister-tenant-handler"


@dataclass(frozen=True, slots=True)
class Step:
    """One command. `vid` is 0 for commands about tenants, `version` is set where rules are loaded."""

    operation: Operation
    tenant: int
    vid: int = 0
    version: str = ""


@dataclass(slots=True)
class Registered:
    """What a running engine holds: tenant id to version, VLAN id to tenant id."""

    tenants: dict[int, str] = field(default_factory=dict)
    mappings: dict[int, int] = field(default_factory=dict)

    def record(self, step: Step) -> None:
        """Note that a step was carried out."""
        match step.operation:
            case Operation.REGISTER_TENANT | Operation.RELOAD_TENANT:
                self.tenants[step.tenant] = step.version
            case Operation.UNREGISTER_TENANT:
                self.tenants.pop(step.tenant, None)
            case Operation.MAP:
                self.mappings[step.vid] = step.tenant
            case Operation.UNMAP:
                self.mappings.pop(step.vid, None)


def mapped_at_start(desired: Desired) -> dict[int, int]:
    """Return what an engine is started with: the wanted mappings, and after them the ids that are given away next.

    Those belong to the tenant with the most ports: a port more of that kind costs no command, a thousand cost none.
    """
    most = Counter(desired.mappings.values()).most_common(1)
    tenant = most[0][0] if most else min(desired.tenants, default=1)
    last = max(desired.mappings, default=0)
    following = chain(range(last + 1, LAST_VID + 1), range(FIRST_VID, last))
    free = (vid for vid in following if vid not in desired.mappings)
    return {**desired.mappings, **dict.fromkeys(islice(free, AHEAD), tenant)}


def plan(actual: Registered, desired: Desired) -> list[Step]:
    """Return the steps, in the order in which they are to be carried out."""
    loaded = actual.tenants.keys() & desired.tenants.keys()
    ready = {vid: to for vid, to in desired.mappings.items() if to in loaded or to not in desired.tenants}
    waiting = {vid: to for vid, to in desired.mappings.items() if vid not in ready}
    return [
        *_unmap(actual.mappings, desired.mappings),
        *_map(actual.mappings, ready),
        *_load(actual, desired),
        *_map(actual.mappings, waiting),
        *(Step(Operation.UNREGISTER_TENANT, tenant) for tenant in actual.tenants if tenant not in desired.tenants),
    ]


def _load(actual: Registered, desired: Desired) -> Iterator[Step]:
    for tenant in desired.tenants.values():
        if tenant.id not in actual.tenants:
            yield Step(Operation.REGISTER_TENANT, tenant.id, version=tenant.version)
        elif actual.tenants[tenant.id] != tenant.version:
            yield Step(Operation.RELOAD_TENANT, tenant.id, version=tenant.version)


def _map(actual: Mapping[int, int], wanted: Mapping[int, int]) -> Iterator[Step]:
    for vid, tenant in wanted.items():
        before = actual.get(vid)
        if before == tenant:
            continue
        if before is not None:
            yield Step(Operation.UNMAP, before, vid)
        yield Step(Operation.MAP, tenant, vid)


def _unmap(actual: Mapping[int, int], wanted: Mapping[int, int]) -> Iterator[Step]:
    spare = [vid for vid in actual if vid not in wanted]
    return (Step(Operation.UNMAP, actual[vid], vid) for vid in islice(spare, max(0, len(spare) - SPARE)))
