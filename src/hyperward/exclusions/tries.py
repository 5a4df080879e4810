"""The rows that an address may meet, for every prefix that rows name: what the tries of the kernel are made of.

For a prefix these are the rows that hold the whole of it, in order, cut after the first that decides for certain. The
longest prefix that holds an address then knows all there is to know about it, because every row that holds the address
holds that prefix.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from hyperward.exclusions.prefixes import BITS, Prefix, end, parents

Rank: TypeAlias = int
"""The place of a row in the order; with gaps, so that rows can come between."""
Ranks: TypeAlias = tuple[Rank, ...]

NOWHERE: Final[Ranks] = ()


class Trie:
    """The prefixes of one IP version.

    Args:
        version: 4 or 6.
        decides: tells whether every packet from the addresses of a row meets it.
    """

    def __init__(self, version: int, decides: Callable[[Rank], bool]) -> None:
        self._version = version
        self._decides = decides
        self._own: dict[Prefix, Ranks] = {}
        self._keys: list[Prefix] = []
        self._met: dict[Prefix, Ranks] = {}

    def __len__(self) -> int:
        """Return how many prefixes rows name."""
        return len(self._keys)

    def __contains__(self, key: Prefix) -> bool:
        """Tell whether rows name the prefix."""
        return key in self._own

    def met(self, key: Prefix) -> Ranks:
        """Return the rows that addresses of a prefix may meet."""
        return self._met[key]

    def build(self, own: Mapping[Prefix, list[Rank]]) -> None:
        """Take over all rows at once, in place of those before."""
        self._own = {key: tuple(ranks) for key, ranks in own.items()}
        self._keys = sorted(self._own)
        self._met = dict(self._sweep(0, len(self._keys), NOWHERE, frozenset()))

    def parent(self, key: Prefix) -> Prefix | None:
        """Return the longest prefix that holds this one."""
        return next((above for above in parents(key, self._version) if above in self._own), None)

    def entries(self) -> Iterator[tuple[Prefix, Ranks]]:
        """Yield what the kernel's trie needs: prefixes that say something else than the one around them."""
        stack: list[tuple[Prefix, Ranks]] = []
        for key in self._keys:
            while stack and key >= stack[-1][0]:
                stack.pop()
            met = self._met[key]
            if met != (stack[-1][1] if stack else NOWHERE):
                yield key, met
            stack.append((end(key, self._version), met))

    def entry(self, key: Prefix) -> Ranks | None:
        """Return what the kernel's trie has to say at a prefix; None where it needs no entry."""
        if key not in self._own:
            return None
        above = self.parent(key)
        met = self._met[key]
        return None if met == (NOWHERE if above is None else self._met[above]) else met

    def change(self, removed: Iterable[tuple[Prefix, Rank]], added: Iterable[tuple[Prefix, Rank]]) -> "Change":
        """Take rows out and put others in; return how to undo it, with the prefixes concerned."""
        change = Change()
        for key, rank in removed:
            self._set_own(key, tuple(r for r in self._own[key] if r != rank), change)
            change.lowest = min(change.lowest, rank)
        for key, rank in added:
            self._set_own(key, tuple(sorted((*self._own.get(key, ()), rank))), change)
            change.lowest = min(change.lowest, rank)
        for key in sorted(change.own, key=lambda key: key & 0xFF):
            self._look_again(key, change)
        return change

    def undo(self, change: "Change") -> None:
        """Be as before a change."""
        for key, ranks in change.own.items():
            self._set_own(key, ranks, None)
        for key, before in change.met.items():
            if before is None:
                self._met.pop(key, None)
            else:
                self._met[key] = before

    def _set_own(self, key: Prefix, ranks: Ranks, change: "Change | None") -> None:
        if change is not None:
            change.own.setdefault(key, self._own.get(key, NOWHERE))
        at = bisect_left(self._keys, key)
        if ranks:
            if key not in self._own:
                self._keys.insert(at, key)
            self._own[key] = ranks
        elif key in self._own:
            del self._own[key], self._keys[at]

    def _look_again(self, key: Prefix, change: "Change") -> None:
        """Find again what addresses of a prefix meet, and those of prefixes inside it."""
        above = self.parent(key)
        first, last = bisect_left(self._keys, key), bisect_left(self._keys, end(key, self._version))
        if key not in self._own:
            change.met.setdefault(key, self._met.pop(key, None))
        skip = _Unchanged(self._met, self._decides, change)
        for inner, met in self._sweep(first, last, NOWHERE if above is None else self._met[above], skip):
            before = self._met.get(inner)
            if before != met:
                change.met.setdefault(inner, before)
                self._met[inner] = met

    def _sweep(self, first: int, last: int, around: Ranks, skip: "_Skip") -> Iterator[tuple[Prefix, Ranks]]:
        keys, own, decides, bits = self._keys, self._own, self._decides, BITS[self._version]
        stack: list[tuple[Prefix, Ranks]] = []
        at = first
        while at < last:
            key = keys[at]
            at += 1
            if key in skip:
                at = bisect_left(keys, end(key, self._version), at, last)
                continue
            while stack and key >= stack[-1][0]:
                stack.pop()
            met = _cut(stack[-1][1] if stack else around, own[key], decides)
            yield key, met
            stack.append((((key >> 8) + (1 << bits - (key & 0xFF))) << 8, met))


class Change:
    """What a change of rows did to a trie: everything as it was before, by prefix."""

    def __init__(self) -> None:
        self.own: dict[Prefix, Ranks] = {}
        self.met: dict[Prefix, Ranks | None] = {}
        self.lowest: Rank = 1 << 200


class _Unchanged:
    """The prefixes where a row above the changed ones decides: nothing changes there, nor inside them."""

    def __init__(self, met: Mapping[Prefix, Ranks], decides: Callable[[Rank], bool], change: Change) -> None:
        self._met, self._decides, self._lowest, self._touched = met, decides, change.lowest, change.own

    def __contains__(self, key: object) -> bool:
        if key in self._touched:
            return False
        met = self._met.get(key) if isinstance(key, int) else None
        return met is not None and met[-1] < self._lowest and self._decides(met[-1])


_Skip: TypeAlias = _Unchanged | frozenset[Prefix]


def _cut(around: Ranks, own: Ranks, decides: Callable[[Rank], bool]) -> Ranks:
    """Return the rows around and of a prefix itself in order, up to the first that decides."""
    if around and around[-1] < own[0] and decides(around[-1]):
        return around
    every = sorted(around + own)
    for place, rank in enumerate(every):
        if decides(rank):
            return tuple(every[: place + 1])
    return tuple(every)
