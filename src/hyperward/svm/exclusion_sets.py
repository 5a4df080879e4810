"""Keeps the kernel's sets of exclusions in step with what ports shall have.

Ports with equal rows share a set. When just their rows change, the set is changed in place and only what differs is
written; what moves to other rows in part gets a set of its own. A port is switched to another set at once, by its
entry in the kernel; the old set leaves when no port uses it any more.

After a restart nothing is known of the sets of the daemon before, so ports move to fresh ones and the old ones leave.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

import structlog

from hyperward.errors import HyperwardError
from hyperward.exclusions.image import Delta, Image
from hyperward.exclusions.rows import ExclusionRow, row_id
from hyperward.steering.layout import ExclusionHits

Rows: TypeAlias = tuple[ExclusionRow, ...]

log = structlog.get_logger(__name__)


class SetUse(NamedTuple):
    """What a port's entry in the kernel says: number of the set and version of its content; zeroes for none."""

    number: int = 0
    version: int = 0


class Tables(Protocol):
    """The maps of exclusions; `ExclusionTables` is the kernel's, `StubTables` its twin for tests."""

    def apply(self, number: int, delta: Delta) -> None:
        """Bring the set of that number from one state to another."""

    def clean(self) -> None:
        """Take out what nothing leads to."""

    def drop_all_but(self, kept: Iterable[int]) -> None:
        """Take out every set but these."""

    def hits(self) -> dict[int, ExclusionHits]:
        """Return what met each row."""

    def forget_hits(self, kept: Iterable[int]) -> None:
        """Drop the counters of other rows."""


@dataclass(slots=True)
class _Set:
    number: int
    version: int
    image: Image
    users: set[str]
    broken: bool = False
    """The kernel took only a part of a change: good as it is, but not to be changed or shared again."""


@dataclass(slots=True)
class Prepared:
    """What ports shall use.

    Args:
        uses: by port.
        failed: ports that stay with what they have, and why.
    """

    uses: dict[str, SetUse] = field(default_factory=dict)
    failed: dict[str, HyperwardError] = field(default_factory=dict)


class ExclusionSets:
    """All sets of one SVM. Calls must not overlap.

    Args:
        tables: where they are.
        used: what ports of an earlier daemon use.
        now: seconds since the epoch. Versions begin there, so that none is used again while a flow may remember it.
    """

    def __init__(self, tables: Tables, used: Iterable[SetUse] = (), *, now: float | None = None) -> None:
        before = tuple(used)
        begin = int(time.time() if now is None else now) & 0x7FFF_FFFF
        self._tables = tables
        self._sets: list[_Set] = []
        self._number = max((use.number for use in before), default=0)
        self._version = max((begin, *(use.version for use in before)))
        self._strangers = True

    def prepare(self, wanted: Mapping[str, Rows]) -> Prepared:
        """Make the kernel know the rows that ports shall have.

        Sets that change in place hold at once; the others when the port's entry is written.

        Args:
            wanted: rows by port, as they hold for its VM now.
        """
        prepared = Prepared()
        groups = _groups(wanted)
        exact = {id(group): self._same(group.rows) for group in groups}
        keeping = {id(found) for found in exact.values() if found is not None}
        for group in groups:
            if not group.rows:
                prepared.uses |= dict.fromkeys(group.users, SetUse())
                continue
            found = exact[id(group)]
            try:
                if found is None:
                    found = self._changed(group, keeping) or self._fresh(group)
                    keeping.add(id(found))
            except HyperwardError as error:
                log.error("exclusions_refused", reason=error.line(), ports=len(group.users))
                prepared.failed |= dict.fromkeys(group.users, error)
                continue
            found.users |= group.users
            prepared.uses |= dict.fromkeys(group.users, SetUse(found.number, found.version))
        return prepared

    def settle(self, used: Mapping[str, int]) -> None:
        """Take out the sets that no port uses any more.

        Args:
            used: the number of the set in the kernel's entry of each port.

        Raises:
            SystemFault: the kernel refused.
        """
        numbers = set(used.values())
        leaving = [one for one in self._sets if one.number not in numbers]
        self._sets = [one for one in self._sets if one.number in numbers]
        for one in self._sets:
            one.users = {port for port, number in used.items() if number == one.number}
        if self._strangers or any(one.broken for one in leaving):
            self._tables.drop_all_but(numbers)
            self._strangers = False
        else:
            for one in leaving:
                self._tables.apply(one.number, one.image.update(()))
            self._tables.clean()
        if leaving:
            self._tables.forget_hits(row_id(row) for one in self._sets for row in one.image.rows)

    def hits(self, rows: Iterable[ExclusionRow]) -> list[tuple[ExclusionRow, ExclusionHits]]:
        """Return rows with the packets and bytes that met them, whichever port it was; they outlive a restart."""
        counted = self._tables.hits()
        return [(row, counted.get(row_id(row), ExclusionHits())) for row in rows]

    def _same(self, rows: Rows) -> _Set | None:
        return next((one for one in self._sets if not one.broken and _equal(one.image.rows, rows)), None)

    def _changed(self, group: "_Group", keeping: set[int]) -> _Set | None:
        """Change the set whose users all move to these rows; None when there is none such."""
        for one in self._sets:
            if id(one) in keeping or one.broken or not one.users or not one.users <= group.users:
                continue
            delta = one.image.update(group.rows)
            try:
                self._tables.apply(one.number, delta)
            except HyperwardError:
                one.broken = True
                raise
            if delta.size:
                one.version = self._next_version()
            return one
        return None

    def _fresh(self, group: "_Group") -> _Set:
        image = Image()
        delta = image.update(group.rows)
        self._number += 1
        one = _Set(self._number, self._next_version(), image, set())
        try:
            self._tables.apply(one.number, delta)
        except HyperwardError:
            # What was written of it leaves with the next cleaning; nobody uses its number.
            self._strangers = True
            raise
        self._sets.append(one)
        return one

    def _next_version(self) -> int:
        self._version = self._version % 0xFFFF_FFFF + 1
        return self._version


@dataclass(slots=True)
class _Group:
    rows: Rows
    users: set[str]


def _groups(wanted: Mapping[str, Rows]) -> list[_Group]:
    groups: list[_Group] = []
    known: dict[int, _Group] = {}
    for port, rows in wanted.items():
        group = known.get(id(rows)) or next((group for group in groups if _equal(group.rows, rows)), None)
        if group is None:
            group = _Group(rows, set())
            groups.append(group)
        known[id(rows)] = group
        group.users.add(port)
    return groups


def _equal(one: Rows, two: Rows) -> bool:
    return one is two or (len(one) == len(two) and one == two)
