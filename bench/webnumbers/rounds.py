"""Measures in turns: each guard one round, then again, so that what changes on the machine meets all of them alike."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from webnumbers.figures import Round, Series
from webnumbers.ground import Ground
from webnumbers.machine import foreign, moment, spent

FOREIGN_LIMIT = 0.10
"""Cores' worth of others' CPU from which a round is measured again."""
Guarded = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one round found.

    Args:
        values: in the order of the names of its kind.
        requests: that were answered; 0 where that is not what counts.
        foreign: cores' worth of CPU that others took.
        scanners: seconds of CPU that the scanners took.
        faults: why the values do not mean what they say.
    """

    values: tuple[float, ...]
    requests: int = 0
    foreign: float = 0.0
    scanners: float = 0.0
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """Something to be measured: names and units of its values, and how one round of it goes."""

    names: tuple[tuple[str, str], ...]
    measure: Callable[[], Sample]


@dataclass(frozen=True, slots=True)
class Found:
    """The rounds of one kind under one guard: a series for each of its values, and the samples themselves."""

    series: tuple[Series, ...]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Rounds:
    """Runs rounds.

    Args:
        ground: whose processes are ours.
        scanners: their pids.
        rounds: of each kind under each guard.
        patience: how often a round is tried that others disturb.
        tell: says what was measured.
    """

    ground: Ground
    scanners: Sequence[int]
    rounds: int
    patience: int
    tell: Callable[[str], None]

    def run(self, kind: Kind, guards: Mapping[str, Guarded]) -> dict[str, Found]:
        """Measure one kind under each guard in turns; every other turn goes the other way round."""
        samples: dict[str, list[Sample]] = {name: [] for name in guards}
        for turn in range(self.rounds):
            for name in list(guards)[:: -1 if turn % 2 else 1]:
                with guards[name]():
                    samples[name].append(self._quiet(kind, name))
        return {name: found_of(kind, name, values) for name, values in samples.items()}

    def _quiet(self, kind: Kind, guard: str) -> Sample:
        """Return a round without fault that others did not disturb, or the one that comes nearest to that."""
        tries: list[Sample] = []
        while len(tries) < self.patience:
            before = moment()
            sample = kind.measure()
            after = moment()
            ours = [os.getpid(), *self.ground.pids]
            others, used = foreign(before, after, ours), spent(before, after, self.scanners)
            tries.append(replace(sample, foreign=others, scanners=used))
            loaded = others > FOREIGN_LIMIT
            name, unit = kind.names[0]
            marked = (" (under others' load)" if loaded else "") + "".join(f" ({fault})" for fault in sample.faults)
            self.tell(f"{name}, {guard}: {sample.values[0]:,.2f} {unit}; others {others:.0%} of a core{marked}")
            if not marked:
                return tries[-1]
        return min(tries, key=lambda one: (len(one.faults), one.foreign))


def found_of(kind: Kind, guard: str, samples: Sequence[Sample]) -> Found:
    """Return the series of samples."""
    series = tuple(
        Series(name, guard, unit, tuple(Round(one.values[at], one.foreign) for one in samples))
        for at, (name, unit) in enumerate(kind.names)
    )
    return Found(series, tuple(samples))
