"""Which rows of a policy hold for a VM now."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from hyperward.exclusions.rows import Direction, ExclusionAction, ExclusionRow, direction_rows
from hyperward.policy.masks import compile_mask


class ScopedRows:
    """The rows of one policy, asked VM by VM. VMs for which the same rows hold get the same tuple.

    Args:
        rows: in their order.
        directions: what the policy excludes as a whole; it stands below all rows, so rows can carve out of it.
        now: rows that expired by then do not hold; with a time zone.
    """

    def __init__(self, rows: Iterable[ExclusionRow], directions: Iterable[Direction] = (), *, now: datetime) -> None:
        live = [row for row in rows if row.expires is None or row.expires > now]
        self._rows = (*live, *direction_rows(frozenset(directions)))
        self._scoped = {
            place: (frozenset(row.groups), tuple(compile_mask(mask) for mask in row.vms))
            for place, row in enumerate(self._rows)
            if row.vms or row.groups
        }
        self._known: dict[frozenset[int], tuple[ExclusionRow, ...]] = {}

    def of(self, vm_name: str, groups: Iterable[str] = ()) -> tuple[ExclusionRow, ...]:
        """Return the rows that hold for a VM, in their order."""
        member = frozenset(groups)
        out = frozenset(
            place
            for place, (wanted, masks) in self._scoped.items()
            if not (wanted & member) and not any(mask.match(vm_name) for mask in masks)
        )
        if out not in self._known:
            self._known[out] = tuple(row for place, row in enumerate(self._rows) if place not in out)
        return self._known[out]


def needs_observing(rows: Sequence[ExclusionRow]) -> bool:
    """Tell whether packets of a port with these rows may have to take its observe lane."""
    return any(row.action is ExclusionAction.DO_NOT_BLOCK for row in rows)


def next_expiry(rows: Iterable[ExclusionRow], *, now: datetime) -> datetime | None:
    """Return when the next row expires; None when none will."""
    return min((row.expires for row in rows if row.expires is not None and row.expires > now), default=None)
