"""A row as the kernel meets it: everything but its addresses, which are the tries' part."""

from typing import Final, NamedTuple

from hyperward.exclusions.prefixes import ANY, Prefix, prefix, prefixes
from hyperward.exclusions.rows import (
    Direction,
    ExclusionAction,
    ExclusionRow,
    port_range,
    protocol_number,
    row_id,
)
from hyperward.steering.layout import PROTOCOL_ANY, Opener, VlanMatch
from hyperward.steering.layout import ExclusionAction as Code

_CODES: Final = {
    ExclusionAction.DEFAULT: int(Code.DEFAULT),
    ExclusionAction.DO_NOT_BLOCK: int(Code.DO_NOT_BLOCK),
    ExclusionAction.DO_NOT_SCAN: int(Code.DO_NOT_SCAN),
}
_OPENERS: Final = {
    Direction.OUTBOUND: int(Opener.BY_VM),
    Direction.INBOUND: int(Opener.BY_REMOTE),
    Direction.ANY: int(Opener.BY_ANY),
}
_VLANS: Final = {"any": int(VlanMatch.ANY), "none": int(VlanMatch.NONE), "tagged": int(VlanMatch.TAGGED)}
_EVERYWHERE: Final[dict[int, tuple[Prefix, ...]]] = {4: (prefix(0, 0),), 6: (prefix(0, 0),)}


class Candidate(NamedTuple):
    """The conditions of a row, its action and its number; the fields of `struct exclusion` without `next`."""

    row: int
    remote_from: int
    remote_to: int
    local_from: int
    local_to: int
    vlan: int
    protocol: int
    vlan_match: int
    opened: int
    ports: int
    action: int


class Rule(NamedTuple):
    """A row ready for the tries.

    Args:
        candidate: its conditions.
        prefixes: its addresses, by IP version.
        decides: every packet from these addresses meets it, so no row below it can be met there.
    """

    candidate: Candidate
    prefixes: dict[int, tuple[Prefix, ...]]
    decides: bool


def rule_of(row: ExclusionRow) -> Rule:
    """Return a row ready for the tries."""
    if row.address == ANY:
        places = _EVERYWHERE
    else:
        version, found = prefixes(row.address)
        places = {version: found}
    ports = row.remote_port is not None or row.local_port is not None
    vlan_match = _VLANS.get(row.vlan, int(VlanMatch.ID))
    candidate = Candidate(
        row_id(row),
        *port_range(row.remote_port),
        *port_range(row.local_port),
        int(row.vlan) if vlan_match == VlanMatch.ID else 0,
        PROTOCOL_ANY if row.protocol is None else protocol_number(row.protocol),
        vlan_match,
        _OPENERS[row.direction],
        int(ports),
        _CODES[row.action],
    )
    decides = row.vlan == ANY and row.direction is Direction.ANY and row.protocol is None and not ports
    return Rule(candidate, places, decides)
