"""Rows that can never match, because rows above them match first whatever they could match."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hyperward.exclusions.candidates import Candidate, Rule, rule_of
from hyperward.exclusions.prefixes import BITS, Prefix, end
from hyperward.exclusions.rows import ExclusionRow
from hyperward.exclusions.tries import Trie
from hyperward.steering.layout import PROTOCOL_ANY, VlanMatch

MAX_STEPS: Final = 2_000_000
"""Comparisons after which the search ends: a warning is not worth more."""


class Hidden(NamedTuple):
    """A row that can never match, and the first that hides it (for its first addresses, where several do together)."""

    row: int
    by: int


def hidden_rows(rows: Sequence[ExclusionRow]) -> Iterator[Hidden]:
    """Yield the rows of a list, by index from 0, that can never match.

    Found are rows whose addresses are all covered by rows above, each of which matches whatever the hidden row could
    match there. Not found are rows that only several rows with different conditions hide together (VLAN `none` and
    `tagged` above `any`). A row for some VMs, or one that expires, hides only rows of the same VMs that expire no
    later.
    """
    yield from _Search(rows).found()


class _Search:
    def __init__(self, rows: Sequence[ExclusionRow]) -> None:
        self._rows = rows
        self._rules: list[Rule] = [rule_of(row) for row in rows]
        self._steps = 0
        self._tries: dict[int, Trie] = {}
        self._keys: dict[int, list[Prefix]] = {}
        self._covered: dict[int, dict[Prefix, int]] = {}
        for version in BITS:
            own: dict[Prefix, list[int]] = {}
            for place, rule in enumerate(self._rules):
                for key in rule.prefixes.get(version, ()):
                    own.setdefault(key, []).append(place)
            self._tries[version] = Trie(version, self._decides)
            self._tries[version].build(own)
            self._keys[version] = sorted(own)
            self._covered[version] = _covered(self._keys[version], version)

    def found(self) -> Iterator[Hidden]:
        """Yield the hidden rows."""
        for place, rule in enumerate(self._rules):
            if self._steps > MAX_STEPS:
                return
            hiders = [self._hider(place, key, version) for version, keys in rule.prefixes.items() for key in keys]
            if all(hider is not None for hider in hiders):
                yield Hidden(place, min(hider for hider in hiders if hider is not None))

    def _decides(self, place: int) -> bool:
        row = self._rows[place]
        return self._rules[place].decides and not row.vms and not row.groups and row.expires is None

    def _hider(self, place: int, key: Prefix, version: int) -> int | None:
        """Return a row that hides one at all addresses of a prefix; None where some address may meet it."""
        hider = self._at(place, key, version)
        if hider is not None:
            return hider
        if self._covered[version].get(key, 0) < 1 << BITS[version] - (key & 0xFF):
            return None
        keys, found = self._keys[version], None
        at, stop = bisect_left(keys, key) + 1, bisect_left(keys, end(key, version))
        while at < stop:
            inner = self._hider(place, keys[at], version)
            if inner is None or self._steps > MAX_STEPS:
                return None
            found = inner if found is None else found
            at = bisect_left(keys, end(keys[at], version), at, stop)
        return found

    def _at(self, place: int, key: Prefix, version: int) -> int | None:
        for above in self._tries[version].met(key):
            self._steps += 1
            if above >= place:
                return None
            if self._hides(above, place):
                return above
        return None

    def _hides(self, above: int, place: int) -> bool:
        upper, lower = self._rows[above], self._rows[place]
        scope = (upper.vms, upper.groups)
        if scope not in {((), ()), (lower.vms, lower.groups)}:
            return False
        if upper.expires is not None and (lower.expires is None or lower.expires > upper.expires):
            return False
        return _includes(self._rules[above].candidate, self._rules[place].candidate)


def _covered(keys: Sequence[Prefix], version: int) -> dict[Prefix, int]:
    """Return how many addresses of each prefix the prefixes right inside it hold."""
    covered: dict[Prefix, int] = {}
    stack: list[Prefix] = []
    for key in keys:
        while stack and key >= end(stack[-1], version):
            stack.pop()
        if stack:
            covered[stack[-1]] = covered.get(stack[-1], 0) + (1 << BITS[version] - (key & 0xFF))
        stack.append(key)
    return covered


def _includes(upper: Candidate, lower: Candidate) -> bool:
    """Tell whether one row's conditions hold whenever another's do."""
    vlan = upper.vlan_match == VlanMatch.ANY or (upper.vlan_match, upper.vlan) == (lower.vlan_match, lower.vlan)
    tagged = upper.vlan_match == VlanMatch.TAGGED and lower.vlan_match == VlanMatch.ID
    protocol = upper.protocol in {PROTOCOL_ANY, lower.protocol}
    ports = not upper.ports or (
        bool(lower.ports)
        and upper.remote_from <= lower.remote_from
        and lower.remote_to <= upper.remote_to
        and upper.local_from <= lower.local_from
        and lower.local_to <= upper.local_to
    )
    return (vlan or tagged) and protocol and ports and upper.opened & lower.opened == lower.opened
