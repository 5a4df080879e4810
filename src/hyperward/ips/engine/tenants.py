"""What the engine shall hold: tenants (one per distinct rule set and variant) and which VLAN id belongs to which."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from hyperward.errors import InputError

PRIVATE_NETWORKS: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10")
"""RFC 1918, RFC 4193 and link-local: what HOME_NET is until the addresses of the VMs are known."""
FIRST_VID: Final = 1
LAST_VID: Final = 4093
"""4094 and 4095 are reserved, 0 is a priority tag."""
MAX_TENANT: Final = 65_535
MAX_NETWORKS: Final = 4096


@dataclass(frozen=True, slots=True)
class Tenant:
    """A rule set loaded into the engine.

    Args:
        id: 1 to 65535.
        rules_path: file with the rules, complete with actions.
        version: changes whenever the rules or networks do; a changed version makes the engine load the tenant again.
        home_net: networks of the VMs; empty is `any`, which makes a rule with `!$HOME_NET` impossible.
        external_net: the other side; empty is `any`, so that attacks between VMs of one network are seen.

    Raises:
        InputError: an id out of range, a relative path or something that is not a network.
    """

    id: int
    rules_path: Path
    version: str
    home_net: tuple[str, ...] = PRIVATE_NETWORKS
    external_net: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"tenant {self.id}"
        if not 1 <= self.id <= MAX_TENANT:
            raise InputError(f"tenant id {self.id} is not within 1 to {MAX_TENANT}", where=where)
        if not self.rules_path.is_absolute() or not str(self.rules_path).isprintable():
            raise InputError(f"rule file {str(self.rules_path)!r} is not an absolute, printable path", where=where)
        for name in ("home_net", "external_net"):
            object.__setattr__(self, name, _networks(getattr(self, name), where=f"{where} {name}"))


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything the engine shall hold.

    Args:
        tenants: by id.
        mappings: VLAN id to tenant id, those with the most traffic first. A VLAN id may point to a tenant that is not
            there (yet): its frames are forwarded without inspection until it is.

    Raises:
        InputError: a VLAN id out of range, or a tenant filed under another id.
    """

    tenants: Mapping[int, Tenant] = field(default_factory=dict)
    mappings: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, tenant in self.tenants.items():
            if key != tenant.id:
                raise InputError(f"tenant {tenant.id} is filed under {key}")
        check_mappings(self.mappings)


def check_mappings(mappings: Mapping[int, int]) -> None:
    """Refuse VLAN ids and tenant ids the engine cannot use.

    Raises:
        InputError: names the VLAN id.
    """
    for vid, tenant in mappings.items():
        if not FIRST_VID <= vid <= LAST_VID:
            raise InputError(f"VLAN id {vid} is not within {FIRST_VID} to {LAST_VID}", where="tenant mapping")
        if not 1 <= tenant <= MAX_TENANT:
            raise InputError(f"tenant id {tenant} is not within 1 to {MAX_TENANT}", where=f"mapping of VLAN id {vid}")


def _networks(values: Iterable[str], *, where: str) -> tuple[str, ...]:
    networks = []
    for value in values:
        try:
            networks.append(str(ip_network(value)))
        except ValueError as exc:
            raise InputError(
                f"{value!r} is not a network: {exc}", where=where, hint="write it as 192.0.2.0/24"
            ) from None
    if len(networks) > MAX_NETWORKS:
        raise InputError(f"{len(networks)} networks, at most {MAX_NETWORKS} are possible", where=where)
    return tuple(dict.fromkeys(networks))
