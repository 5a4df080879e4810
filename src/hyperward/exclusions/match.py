"""What rows mean, spelled out: the first row that a packet meets. Slow and plain; the kernel's answer must equal it.

Not everything about a packet can be seen: fragments have no ports, a connection that was there before us has no known
opener, odd headers hide the protocol. A row whose condition cannot be checked *may* be met. Then all rows down to the
first that is met for certain are possible, and the strictest of their actions holds: an attacker gains nothing by
hiding what a row asks for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from hyperward.exclusions.prefixes import ANY, holds, prefixes
from hyperward.exclusions.rows import (
    WITH_PORTS,
    Direction,
    ExclusionAction,
    ExclusionRow,
    port_range,
    protocol_number,
)

STRICTNESS = (ExclusionAction.DEFAULT, ExclusionAction.DO_NOT_BLOCK, ExclusionAction.DO_NOT_SCAN)
"""The strictest first."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is known of a packet, from the VM's view.

    Args:
        version: 4 or 6.
        remote: the remote address as a number.
        vlan: the guest's own VLAN id, 0 without one.
        opened: who began the connection; None when that is not known.
        protocol: its number; None when it is not known.
        remote_port: None when it is not known, as for fragments, or there is none.
        local_port: the same on the VM's side.
    """

    version: int
    remote: int
    vlan: int = 0
    opened: Direction | None = None
    protocol: int | None = None
    remote_port: int | None = None
    local_port: int | None = None


class Meets(Enum):
    """Whether a packet meets a row."""

    NO = 0
    MAYBE = 1
    YES = 2


def first_match(rows: Iterable[ExclusionRow], traffic: Traffic) -> tuple[ExclusionAction, ExclusionRow | None]:
    """Return what happens to a packet and the row that says so; None where no row does."""
    action, said = None, None
    for row in rows:
        meets = meets_row(row, traffic)
        if meets is Meets.NO:
            continue
        if action is None or STRICTNESS.index(row.action) < STRICTNESS.index(action):
            action, said = row.action, row
        if meets is Meets.YES or action is ExclusionAction.DEFAULT:
            return action, said
    return (action, said) if action is ExclusionAction.DEFAULT else (ExclusionAction.DEFAULT, None)


def meets_row(row: ExclusionRow, traffic: Traffic) -> Meets:
    """Tell whether a packet meets a row; scope by VM and expiry are not looked at."""
    answers = [_address(row, traffic), _vlan(row, traffic), _protocol(row, traffic), _direction(row, traffic)]
    return min(answers, key=lambda answer: answer.value)


def _address(row: ExclusionRow, traffic: Traffic) -> Meets:
    if row.address == ANY:
        return Meets.YES
    version, found = prefixes(row.address)
    inside = version == traffic.version and any(holds(one, traffic.remote, version) for one in found)
    return Meets.YES if inside else Meets.NO


def _vlan(row: ExclusionRow, traffic: Traffic) -> Meets:
    wanted = {"any": True, "none": traffic.vlan == 0, "tagged": traffic.vlan != 0}
    return Meets.YES if wanted.get(row.vlan, row.vlan == str(traffic.vlan)) else Meets.NO


def _protocol(row: ExclusionRow, traffic: Traffic) -> Meets:
    ports = row.remote_port is not None or row.local_port is not None
    if row.protocol is None and not ports:
        return Meets.YES
    if traffic.protocol is None:
        return Meets.MAYBE
    if row.protocol is not None and traffic.protocol != protocol_number(row.protocol):
        return Meets.NO
    return _of_ports(row, traffic) if ports else Meets.YES


def _of_ports(row: ExclusionRow, traffic: Traffic) -> Meets:
    if traffic.protocol not in WITH_PORTS:
        return Meets.NO
    if traffic.remote_port is None or traffic.local_port is None:
        return Meets.MAYBE
    remote, local = port_range(row.remote_port), port_range(row.local_port)
    inside = remote[0] <= traffic.remote_port <= remote[1] and local[0] <= traffic.local_port <= local[1]
    return Meets.YES if inside else Meets.NO


def _direction(row: ExclusionRow, traffic: Traffic) -> Meets:
    if row.direction is Direction.ANY:
        return Meets.YES
    if traffic.opened is None:
        return Meets.MAYBE
    return Meets.YES if row.direction is traffic.opened else Meets.NO
