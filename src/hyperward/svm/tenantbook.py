"""Which number a rule set has in the engine.

VMs with equal settings share a tenant. When the settings of just these VMs change, the number stays and the engine
loads the tenant again: it goes on with the old rules until the others are ready, so no packet passes without rules.
Only a VM that leaves a group moves to another tenant.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from hyperward.ips.engine.tenants import MAX_TENANT
from hyperward.policy.resolve import IpsSettings

Users = frozenset[str]
"""Interfaces of the ports that use a rule set."""


class TenantEntry(msgspec.Struct, frozen=True):
    """A tenant's number, and who used it when it was assigned."""

    id: int
    users: frozenset[str]


def settings_key(settings: IpsSettings) -> str:
    """Return a short text that is equal for equal settings."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:32]


def assign(before: Mapping[str, TenantEntry], wanted: Mapping[str, Users]) -> dict[str, TenantEntry]:
    """Return the tenants for the wanted settings.

    Args:
        before: the entries in force, by settings key.
        wanted: who uses which settings, by settings key.
    """
    leaving = {entry.users: entry.id for key, entry in before.items() if key not in wanted}
    taken = {entry.id for entry in before.values()}
    after: dict[str, TenantEntry] = {}
    for key, users in wanted.items():
        if key in before:
            number = before[key].id
        elif users in leaving:
            number = leaving.pop(users)
        else:
            number = next(n for n in range(1, MAX_TENANT + 1) if n not in taken)
            taken.add(number)
        after[key] = TenantEntry(number, users)
    return after
