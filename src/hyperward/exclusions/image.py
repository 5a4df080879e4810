"""Rows compiled into what the kernel is given: tries of prefixes, and lists of the rows behind the first.

Most prefixes have one row that decides; it stands in the trie itself. Where rows with conditions (VLAN, direction,
protocol, port) come before it, the trie has the first and the number of a node with the next, and so on. Equal ends of
such lists are shared.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hyperward.errors import InputError
from hyperward.exclusions.candidates import Candidate, Rule, rule_of
from hyperward.exclusions.prefixes import Prefix, text
from hyperward.exclusions.rows import MAX_ROWS, ExclusionRow
from hyperward.exclusions.tries import Change, Rank, Ranks, Trie
from hyperward.steering.layout import MAX_CANDIDATES, MAX_EXCLUSIONS

VERSIONS: Final = (4, 6)
FEW_ROWS: Final = 1_000
"""Up to so many changed rows, only what they concern is looked at again."""
MAX_PREFIXES: Final = MAX_EXCLUSIONS // 2
"""Of one set: the kernel's tries must hold a set and the one that replaces it."""
_GAP: Final = 1 << 32


class Entry(NamedTuple):
    """A row that may be met, and the node of the next; 0 for none."""

    candidate: Candidate
    next: int


@dataclass(slots=True)
class Delta:
    """What turns the kernel's copy of an image into another.

    Args:
        nodes: lists to write, by number; before anything else.
        put: entries to write, by IP version.
        gone: prefixes to take out, by IP version; after those are written.
        unused: nodes that nothing leads to any more.
    """

    nodes: dict[int, Entry] = field(default_factory=dict)
    put: dict[int, dict[Prefix, Entry]] = field(default_factory=lambda: {version: {} for version in VERSIONS})
    gone: dict[int, list[Prefix]] = field(default_factory=lambda: {version: [] for version in VERSIONS})
    unused: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The number of map entries to write or take out."""
        changed = sum(len(self.put[version]) + len(self.gone[version]) for version in VERSIONS)
        return changed + len(self.nodes) + len(self.unused)


class Image:
    """The compiled form of a list of rows, kept so that a change costs what it concerns and not the whole.

    `rows`, `entries` and `nodes` are to be read only.
    """

    def __init__(self, rows: Sequence[ExclusionRow] = ()) -> None:
        self.rows: tuple[ExclusionRow, ...] = ()
        self.entries: dict[int, dict[Prefix, Entry]] = {version: {} for version in VERSIONS}
        self.nodes: dict[int, Entry] = {}
        self._ranks: list[Rank] = []
        self._rules: dict[Rank, Rule] = {}
        self._deciding: set[Rank] = set()
        self._tries: dict[int, Trie] = {}
        self._lists = Lists(self.nodes)
        if rows:
            self.update(rows)

    def update(self, rows: Sequence[ExclusionRow]) -> Delta:
        """Compile other rows and return what changes.

        Raises:
            InputError: there are too many rows, or an address would meet too many; nothing was changed. `where` names
                the row, counted from 1.
        """
        if len(rows) > MAX_ROWS:
            raise InputError(f"there are {len(rows)} rows of exclusions; at most {MAX_ROWS} are allowed")
        after = tuple(rows)
        start, stop_before, stop_after = _difference(self.rows, after)
        few = self._tries and max(stop_before, stop_after) - start <= FEW_ROWS
        ranks = self._between(start, stop_before, stop_after - start) if few else None
        if ranks is None:
            return self._rebuild(after)
        return self._replace(after, slice(start, stop_before), ranks, after[start:stop_after])

    def _between(self, start: int, stop: int, count: int) -> list[Rank] | None:
        """Return ranks in place of those from `start` to `stop`; None when there are too few.

        None of the leaving ranks is given away again: lists are compared by rank, and one that stands for another row
        by now would look unchanged to the prefixes inside.
        """
        below = self._ranks[start - 1] if start else 0
        above = self._ranks[stop] if stop < len(self._ranks) else below + _GAP * (count + 1)
        leaving = set(self._ranks[start:stop])
        step = (above - below) // (count + 1)
        if step <= len(leaving):
            return None if count else []
        wished = (below + step * (place + 1) for place in range(count))
        return [next(rank for rank in range(wish, wish - step, -1) if rank not in leaving) for wish in wished]

    def _rebuild(self, rows: tuple[ExclusionRow, ...]) -> Delta:
        ranks = [_GAP * (place + 1) for place in range(len(rows))]
        rules = {rank: rule_of(row) for rank, row in zip(ranks, rows, strict=True)}
        deciding = {rank for rank, rule in rules.items() if rule.decides}
        own: dict[int, dict[Prefix, list[Rank]]] = {version: {} for version in VERSIONS}
        for rank, rule in rules.items():
            for version, places in rule.prefixes.items():
                for key in places:
                    own[version].setdefault(key, []).append(rank)
        tries = {version: Trie(version, deciding.__contains__) for version in VERSIONS}
        wanted: dict[int, dict[Prefix, Ranks | None]] = {}
        for version, trie in tries.items():
            trie.build(own[version])
            entries = dict(trie.entries())
            _check_lists(entries, version, ranks)
            wanted[version] = dict.fromkeys(self.entries[version]) | entries
        _check_size(tries)
        self.rows, self._ranks, self._rules, self._deciding, self._tries = rows, ranks, rules, deciding, tries
        return self._write(wanted)

    def _replace(
        self, rows: tuple[ExclusionRow, ...], old: slice, ranks: list[Rank], added: Sequence[ExclusionRow]
    ) -> Delta:
        rules = {rank: rule_of(row) for rank, row in zip(ranks, added, strict=True)}
        left = {rank: self._rules[rank] for rank in self._ranks[old]}
        renewed = self._ranks[: old.start] + ranks + self._ranks[old.stop :]
        deciding_before = self._deciding.intersection(left)
        self._deciding.difference_update(left)
        self._deciding.update(rank for rank, rule in rules.items() if rule.decides)
        changes: dict[int, Change] = {}
        try:
            for version, trie in self._tries.items():
                changes[version] = trie.change(_placed(left, version), _placed(rules, version))
                met = {key: trie.met(key) for key in changes[version].met if key in trie}
                _check_lists(met, version, renewed)
            _check_size(self._tries)
        except InputError:
            for version, change in changes.items():
                self._tries[version].undo(change)
            self._deciding.difference_update(rules)
            self._deciding.update(deciding_before)
            raise
        for rank in left:
            del self._rules[rank]
        self._rules |= rules
        self.rows, self._ranks = rows, renewed
        return self._write(
            {
                version: {key: self._tries[version].entry(key) for key in change.met.keys() | change.own.keys()}
                for version, change in changes.items()
            }
        )

    def _write(self, wanted: Mapping[int, Mapping[Prefix, Ranks | None]]) -> Delta:
        delta = Delta()
        leaving: list[int] = []
        for version, changes in wanted.items():
            entries = self.entries[version]
            for key, met in changes.items():
                before = entries.get(key)
                if met is None:
                    if before is not None:
                        del entries[key]
                        delta.gone[version].append(key)
                        leaving.append(before.next)
                    continue
                first, *others = (self._rules[rank].candidate for rank in met)
                entry = Entry(first, self._lists.take(others, delta.nodes))
                if before is not None:
                    leaving.append(before.next)
                if entry != before:
                    entries[key] = delta.put[version][key] = entry
        for number in leaving:
            self._lists.release(number, delta.unused)
        return delta


class Lists:
    """The nodes of decision lists, each there once however many lists end in it.

    Args:
        nodes: filled with them, by number from 1.
    """

    def __init__(self, nodes: dict[int, Entry]) -> None:
        self._nodes = nodes
        self._numbers: dict[Entry, int] = {}
        self._uses: dict[int, int] = {}
        self._last = 0

    def take(self, candidates: Sequence[Candidate], fresh: dict[int, Entry]) -> int:
        """Return the number of a list, 0 for an empty one; nodes that were not there are added to `fresh`."""
        number = 0
        for candidate in reversed(candidates):
            node = Entry(candidate, number)
            known = self._numbers.get(node)
            if known is None:
                known = self._last = self._last + 1
                self._nodes[known] = fresh[known] = node
                self._numbers[node] = known
                self._uses[known] = 0
                if number:
                    self._uses[number] += 1
            number = known
        if number:
            self._uses[number] += 1
        return number

    def release(self, number: int, unused: list[int]) -> None:
        """Give back what `take` returned; nodes that nothing leads to any more are added to `unused`."""
        while number:
            self._uses[number] -= 1
            if self._uses[number]:
                return
            node = self._nodes.pop(number)
            del self._uses[number], self._numbers[node]
            unused.append(number)
            number = node.next


def _placed(rules: Mapping[Rank, Rule], version: int) -> list[tuple[Prefix, Rank]]:
    return [(key, rank) for rank, rule in rules.items() for key in rule.prefixes.get(version, ())]


def _difference(before: Sequence[ExclusionRow], after: Sequence[ExclusionRow]) -> tuple[int, int, int]:
    """Return where two lists begin to differ, and where each of them is the same again to its end."""
    shorter = min(len(before), len(after))
    start = next((at for at in range(shorter) if _other(before[at], after[at])), shorter)
    same = next((at for at in range(shorter - start) if _other(before[-1 - at], after[-1 - at])), shorter - start)
    return start, len(before) - same, len(after) - same


def _other(one: ExclusionRow, two: ExclusionRow) -> bool:
    # Comparing models is slow, and rows that did not change are mostly the same objects.
    return one is not two and one != two


def _check_lists(lists: Mapping[Prefix, Ranks], version: int, ranks: Sequence[Rank]) -> None:
    for key, met in lists.items():
        if len(met) > MAX_CANDIDATES:
            raise InputError(
                f"{text(key, version)} may meet {len(met)} rows before one decides for certain; at most"
                f" {MAX_CANDIDATES} are allowed",
                where=f"exclusion row {bisect_left(ranks, met[MAX_CANDIDATES]) + 1}",
                hint="put a row without VLAN, direction, protocol and port above it, or join rows",
            )


def _check_size(tries: Mapping[int, Trie]) -> None:
    for version, trie in tries.items():
        if len(trie) > MAX_PREFIXES:
            raise InputError(
                f"the rows need {len(trie)} IPv{version} prefixes; at most {MAX_PREFIXES} are allowed",
                where="exclusions",
                hint="write subnets instead of ranges, or fewer rows",
            )
