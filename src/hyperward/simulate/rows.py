"""The seam to exclusion rows: what a simulation asks them, and the answer."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from hyperward.events.model import Direction


class RowAction(StrEnum):
    """What a row says about traffic."""

    DEFAULT = "default"
    DO_NOT_SCAN = "do_not_scan"
    DO_NOT_BLOCK = "do_not_block"


@dataclass(frozen=True, slots=True)
class Traffic:
    """A connection as rows see it.

    Args:
        remote: the address of the other side.
        vlan: the guest's own outer VLAN id; 0 without one.
        direction: inbound when the other side opened it.
        protocol: as the engine names it: `TCP`, `UDP`, `ICMP`.
        port: of the server; None where the protocol has none.
        remote_port: of the other side; None where the protocol has none.
        local_port: of the VM; None where the protocol has none.
    """

    remote: str
    vlan: int
    direction: Direction
    protocol: str
    port: int | None = None
    remote_port: int | None = None
    local_port: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the first row that holds the traffic says, and that row as people write it."""

    action: RowAction = RowAction.DEFAULT
    row: str = ""


Decide: TypeAlias = Callable[[Traffic], Decision]


def no_rows(_: Traffic) -> Decision:
    """Return the answer of a policy without rows."""
    return Decision()
