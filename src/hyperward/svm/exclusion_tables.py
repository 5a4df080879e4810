"""Compiled exclusions in the kernel's maps.

Writes are ordered so that every packet meets the rows of before or those of after, never a mixture: lists before what
leads to them, longer prefixes before shorter ones, and what goes goes last, shorter ones first. For any one address
just one of these writes changes the answer.
"""

import errno
from collections.abc import Iterable
from typing import Final

from hyperward.errors import SystemFault
from hyperward.exclusions.image import Delta, Entry
from hyperward.exclusions.prefixes import Prefix
from hyperward.steering.layout import (
    Exclusion,
    ExclusionHits,
    ExclusionKey4,
    ExclusionKey6,
    ExclusionNode,
)
from hyperward.steering.libbpf import BpfError
from hyperward.steering.maps import Maps

_SET_BITS: Final = 32
_FULL: Final = frozenset({errno.ENOSPC, errno.E2BIG, errno.ENOMEM})


class ExclusionTables:
    """The maps of exclusions.

    Args:
        maps: those of the steering program.
    """

    def __init__(self, maps: Maps) -> None:
        self._v4, self._v6 = maps.exclusions4, maps.exclusions6
        self._nodes, self._hits = maps.exclusion_nodes, maps.exclusion_hits
        self._late: list[ExclusionNode] = []

    def apply(self, number: int, delta: Delta) -> None:
        """Bring the set of that number from one state to another.

        Raises:
            SystemFault: the kernel refused an entry; those before it are written.
        """
        self.clean()
        try:
            self._nodes.set_many((ExclusionNode(number, node), _record(entry)) for node, entry in delta.nodes.items())
            self._v4.set_many((_key4(number, key), _record(delta.put[4][key])) for key in _longest_first(delta.put[4]))
            self._v6.set_many((_key6(number, key), _record(delta.put[6][key])) for key in _longest_first(delta.put[6]))
        except BpfError as error:
            if error.number not in _FULL:
                raise
            raise SystemFault(
                "the kernel has no room for the exclusions", where="exclusions", hint="use fewer rows or ranges"
            ) from error
        self._v4.delete_many(_key4(number, key) for key in reversed(_longest_first(delta.gone[4])))
        self._v6.delete_many(_key6(number, key) for key in reversed(_longest_first(delta.gone[6])))
        # A packet may be on its way along them right now.
        self._late += [ExclusionNode(number, node) for node in delta.unused]

    def clean(self) -> None:
        """Take out the nodes that nothing has led to since the last change."""
        self._nodes.delete_many(self._late)
        self._late.clear()

    def drop_all_but(self, kept: Iterable[int]) -> None:
        """Take out every set but these, also what an earlier daemon left. Reads all keys: not for every change."""
        numbers = frozenset(kept)
        self._late.clear()
        self._v4.delete_many([key for key in self._v4.keys() if key.set not in numbers])  # noqa: SIM118 - no mapping
        self._v6.delete_many([key for key in self._v6.keys() if key.set not in numbers])  # noqa: SIM118
        self._nodes.delete_many([key for key in self._nodes.keys() if key.set not in numbers])  # noqa: SIM118

    def hits(self) -> dict[int, ExclusionHits]:
        """Return what met each row since it was first met, by row number; rows that nothing met are missing."""
        return dict(self._hits.items())

    def forget_hits(self, kept: Iterable[int]) -> None:
        """Drop the counters of rows that are not there any more."""
        rows = frozenset(kept)
        for row in self._hits.keys():  # noqa: SIM118 - no mapping
            if row not in rows:
                self._hits.delete(row)


def _record(entry: Entry) -> Exclusion:
    row, *conditions = entry.candidate
    return Exclusion(row, entry.next, *conditions)


def _key4(number: int, key: Prefix) -> ExclusionKey4:
    return ExclusionKey4(_SET_BITS + (key & 0xFF), number, (key >> 8).to_bytes(4, "big"))


def _key6(number: int, key: Prefix) -> ExclusionKey6:
    return ExclusionKey6(_SET_BITS + (key & 0xFF), number, (key >> 8).to_bytes(16, "big"))


def _longest_first(keys: Iterable[Prefix]) -> list[Prefix]:
    return sorted(keys, key=lambda key: -(key & 0xFF))
