"""What a row of exclusions says. Everything is from the VM's view.

A direction is who began the connection, not which way a packet goes: `inbound` is what others open to the VM,
`outbound` what the VM opens. Both directions of a connection are then treated alike, and the engine never sees half
of one.
"""

import hashlib
import re
from enum import StrEnum
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hyperward.exclusions.prefixes import check_address
from hyperward.policy.fields import Expiry, Mask, Name, Reason, Settings

MAX_ROWS: Final = 100_000
MAX_SCOPE: Final = 1_000
MAX_VLAN: Final = 4094
MAX_PORT: Final = 65535

PROTOCOLS: Final = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}
"""Protocols that have a name here (IANA protocol numbers); any other is written as its number."""
WITH_PORTS: Final = frozenset({6, 17, 132})
"""Protocols whose ports the kernel reads."""

_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class ExclusionAction(StrEnum):
    """What happens to traffic that meets the row."""

    DEFAULT = "default"
    """As if there were no exclusions: carves an address out of a wider row below."""
    DO_NOT_SCAN = "do_not_scan"
    """It goes its way; nothing looks at it."""
    DO_NOT_BLOCK = "do_not_block"
    """It is scanned and reported, never acted upon."""


class Direction(StrEnum):
    """Who began the connection."""

    INBOUND = "inbound"
    """Not the VM."""
    OUTBOUND = "outbound"
    """The VM."""
    ANY = "any"


ExcludedDirection: TypeAlias = Literal[Direction.INBOUND, Direction.OUTBOUND]
"""What a policy can exclude as a whole."""


def _vlan(value: object) -> object:
    # Spreadsheets and CSV have only text.
    if isinstance(value, str):
        if value in {"any", "none", "tagged"}:
            return value
        if not re.fullmatch(r"[0-9]{1,4}", value):
            raise ValueError("not a VLAN; write any, none, tagged, or an id from 1 to 4094")
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a VLAN; write any, none, tagged, or an id from 1 to 4094")  # noqa: TRY004 - pydantic's
    if not 1 <= value <= MAX_VLAN:
        raise ValueError(f"no VLAN has the id {value}; write any, none, tagged, or an id from 1 to 4094")
    return str(value)


def _protocol(value: object) -> object:
    if isinstance(value, str) and value.lower() in PROTOCOLS:
        return value.lower()
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:  # noqa: PLR2004 - one byte
        raise ValueError(f"not a protocol; write {', '.join(PROTOCOLS)}, or a number from 0 to 255")
    return next((name for name, number in PROTOCOLS.items() if number == value), str(value))


def _ports(value: object) -> object:
    found = _PORTS.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if found is None:
        raise ValueError("not a port; write a number like 443 or a range like 8000-8100")
    first, last = int(found[1]), int(found[2] or found[1])
    if max(first, last) > MAX_PORT:
        raise ValueError(f"no port has the number {max(first, last)}; ports go from 0 to {MAX_PORT}")
    if first > last:
        raise ValueError(f"the range is upside down; write {last}-{first}")
    return str(first) if first == last else f"{first}-{last}"


Vlan: TypeAlias = Annotated[str, BeforeValidator(_vlan)]
Protocol: TypeAlias = Annotated[str, BeforeValidator(_protocol)]
Ports: TypeAlias = Annotated[str, BeforeValidator(_ports)]


class ExclusionRow(Settings):
    """One row. A field that is not given does not restrict."""

    address: Annotated[str, AfterValidator(check_address)] = "any"
    """The remote side: `any`, an address, a subnet, or a range `FIRST-LAST`."""
    vlan: Vlan = "any"
    """The guest's own tag: `any`, `none`, `tagged`, or an id. Of two tags the outer one."""
    direction: Direction = Direction.ANY
    protocol: Protocol | None = None
    """`tcp`, `udp`, `sctp`, `icmp`, `icmpv6` or a number."""
    remote_port: Ports | None = None
    """A port or range of the remote side; restricts the row to TCP, UDP and SCTP. So does the next."""
    local_port: Ports | None = None
    """A port or range of the VM's side."""
    vms: Annotated[tuple[Mask, ...], Field(max_length=MAX_SCOPE)] = ()
    """VM names or masks; with `groups`, the row holds for VMs that fit either. Neither: all VMs of the policy."""
    groups: Annotated[tuple[Name, ...], Field(max_length=MAX_SCOPE)] = ()
    action: ExclusionAction
    reason: Reason
    expires: Expiry | None = None

    @model_validator(mode="after")
    def _ports_need_a_protocol_with_ports(self) -> "ExclusionRow":
        portless = self.protocol is not None and protocol_number(self.protocol) not in WITH_PORTS
        if portless and (self.remote_port or self.local_port):
            raise ValueError(f"{self.protocol} has no ports; remove the port, or name tcp, udp or sctp")
        return self


def protocol_number(protocol: str) -> int:
    """Return the number of a protocol as a row names it."""
    return PROTOCOLS[protocol] if protocol in PROTOCOLS else int(protocol)


def port_range(ports: str | None) -> tuple[int, int]:
    """Return first and last port; all of them for None."""
    if ports is None:
        return 0, MAX_PORT
    first, _, last = ports.partition("-")
    return int(first), int(last or first)


def row_id(row: ExclusionRow) -> int:
    """Return the number under which hits of a row are counted: 64 bits of a hash over what it matches and does.

    It outlives restarts, changes of other rows, and changes of reason and expiry. Never 0, which stands for no row.
    """
    said = "\0".join(
        (
            row.address,
            row.vlan,
            row.direction,
            row.protocol or "",
            row.remote_port or "",
            row.local_port or "",
            "\1".join(row.vms),
            "\1".join(row.groups),
            row.action,
        )
    )
    return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest(), "little") or 1


def direction_rows(directions: frozenset[Direction]) -> tuple[ExclusionRow, ...]:
    """Return the row that stands below all others of a policy that excludes a direction as a whole."""
    if not directions:
        return ()
    one = next(iter(directions)) if len(directions) == 1 else Direction.ANY
    what = "all" if one is Direction.ANY else one
    return (ExclusionRow(direction=one, action=ExclusionAction.DO_NOT_SCAN, reason=f"{what} traffic is excluded"),)
