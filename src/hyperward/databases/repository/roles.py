"""Who signs what, and for how long. Values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tuf.api.metadata import Role, Root

from hyperward.databases.repository.keys import PublicKey
from hyperward.errors import InputError

ROLES: Final = ("root", "targets", "snapshot", "timestamp")
_MOST_KEYS: Final = 32
_MOST_DAYS: Final = 36525


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """The keys of a role, and how many of them must sign."""

    keys: tuple[PublicKey, ...]
    threshold: int = 1


@dataclass(frozen=True, slots=True)
class Expiry:
    """Days after which readers refuse a role's metadata.

    The defaults ask for the offline keys once a year (root) and four times a year (targets), and for `refresh` by the
    online keys once a week, so that a held-back repository is noticed within one.
    """

    root: int = 365
    targets: int = 90
    snapshot: int = 30
    timestamp: int = 7

    def until(self, role: str, now: datetime) -> datetime:
        """Return when metadata of the role expires that is signed now.

        Raises:
            InputError: the number of days is not between 1 and a hundred years.
        """
        days = int(getattr(self, role))
        if not 1 <= days <= _MOST_DAYS:
            raise InputError(f"{role} metadata valid for {days} days", hint=f"choose between 1 and {_MOST_DAYS}")
        return (now + timedelta(days=days)).replace(microsecond=0)


def root_of(roles: Mapping[str, RoleKeys], *, version: int, expires: datetime) -> Root:
    """Return root metadata that names these keys.

    Raises:
        InputError: a role is missing or unknown, has a key twice, or a threshold that its keys cannot reach.
    """
    if set(roles) != set(ROLES):
        raise InputError(f"keys for {sorted(roles)}", hint=f"give keys for each of {', '.join(ROLES)}")
    named = {}
    for role in ROLES:
        ids = sorted(key.keyid for key in roles[role].keys)
        if len(set(ids)) != len(ids) or len(ids) > _MOST_KEYS:
            raise InputError("a key is there twice, or there are too many", where=f"role {role}")
        if not 1 <= roles[role].threshold <= len(ids):
            raise InputError(
                f"a threshold of {roles[role].threshold} with {len(ids)} keys",
                where=f"role {role}",
                hint="choose a threshold between 1 and the number of keys",
            )
        named[role] = Role(ids, roles[role].threshold)
    keys = {key.keyid: key.tuf() for role in ROLES for key in roles[role].keys}
    return Root(version=version, expires=expires, keys=dict(sorted(keys.items())), roles=named)


def keys_of(root: Root) -> dict[str, RoleKeys]:
    """Return the keys that root metadata names."""
    return {
        name: RoleKeys(
            tuple(PublicKey(keyid, str(root.keys[keyid].keyval["public"])) for keyid in role.keyids), role.threshold
        )
        for name, role in root.roles.items()
    }
