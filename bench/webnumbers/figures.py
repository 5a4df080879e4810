"""What the measured rounds come to: medians, spreads, ratios against limits, tables. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

UNSURE_SPREAD = 0.30
"""Part of the median by which rounds may differ."""
UNSURE_FOREIGN = 0.25
"""Cores' worth of CPU that others may take in a round."""


class Bound(Enum):
    """On which side of its limit a value has to be."""

    AT_LEAST = "at least"
    UNDER = "under"


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement.

    Args:
        value: in the unit of what was measured.
        foreign: cores' worth of CPU that processes of others took meanwhile.
    """

    value: float
    foreign: float = 0.0


@dataclass(frozen=True, slots=True)
class Series:
    """The rounds of one thing under one guard."""

    name: str
    guard: str
    unit: str
    rounds: tuple[Round, ...]

    @property
    def median(self) -> float:
        """The median of all rounds; 0 without any."""
        return statistics.median(each.value for each in self.rounds) if self.rounds else 0.0

    @property
    def spread(self) -> float:
        """Largest minus smallest value, as a part of the median."""
        values = [each.value for each in self.rounds]
        return (max(values) - min(values)) / self.median if values and self.median else 0.0

    @property
    def foreign(self) -> float:
        """The most that others took in a round."""
        return max((each.foreign for each in self.rounds), default=0.0)


@dataclass(frozen=True, slots=True)
class Row:
    """A value held against its limit.

    Args:
        what: was measured.
        value: that was found.
        limit: that it is held against; None for one that is only told.
        bound: on which side of it the value has to be.
        unit: of value and limit.
        note: how the value came about.
        sure: False where rounds differ so much, or others took so much, that the value may be chance.
    """

    what: str
    value: float
    limit: float | None = None
    bound: Bound = Bound.AT_LEAST
    unit: str = ""
    note: str = ""
    sure: bool = True

    @property
    def holds(self) -> bool:
        """Whether the value is within its limit."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.bound is Bound.AT_LEAST else self.value < self.limit


@dataclass(frozen=True, slots=True)
class Result:
    """All that a run found.

    Args:
        machine: date, CPU, kernel and the like, by name.
        rows: values with limits.
        series: the rounds behind them.
        faults: why the numbers do not mean what they say; none in a good run.
    """

    machine: dict[str, str]
    rows: tuple[Row, ...]
    series: tuple[Series, ...]
    faults: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether all values are within their limits and mean what they say."""
        return not self.faults and all(row.holds for row in self.rows)


def ratio(over: Series, under: Series) -> float:
    """Return the quotient of two medians; 0 where the lower one is 0."""
    return over.median / under.median if under.median else 0.0


def sure_of(*series: Series) -> bool:
    """Tell whether rounds agree, and were measured by themselves, well enough to say something."""
    return all(one.spread <= UNSURE_SPREAD and one.foreign <= UNSURE_FOREIGN for one in series)


def note_of(*series: Series) -> str:
    """Return medians and spreads behind a value."""
    return "; ".join(f"{one.guard} {shown(one.median)} {one.unit} (±{one.spread / 2:.0%})" for one in series)


def shown(value: float) -> str:
    """Return a number with as many digits as a reader needs."""
    if abs(value) >= 1000:  # noqa: PLR2004 - from here on the fraction says nothing
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def limit_of(row: Row) -> str:
    """Return the limit as a reader wants it."""
    return "" if row.limit is None else f"{row.bound.value} {shown(row.limit)} {row.unit}".rstrip()


def verdict_of(row: Row) -> str:
    """Return what is to be said of a row."""
    if row.limit is None:
        return ""
    return ("holds" if row.holds else "MISSED") + ("" if row.sure else ", unsure")


def as_text(result: Result) -> str:
    """Return the result for a terminal."""
    lines = [f"{name}: {value}" for name, value in result.machine.items()]
    lines.append("")
    cells = [
        (row.what, f"{shown(row.value)} {row.unit}".rstrip(), limit_of(row), verdict_of(row), row.note)
        for row in result.rows
    ]
    widths = [max((len(cell[column]) for cell in cells), default=0) for column in range(4)]
    lines += [
        "  ".join([*(cell[column].ljust(widths[column]) for column in range(4)), cell[4]]).rstrip() for cell in cells
    ]
    lines += [f"FAULT: {fault}" for fault in result.faults]
    return "\n".join(lines)


def as_markdown(result: Result, how: str) -> str:
    """Return the result as a page; `how` are the paragraphs that say how it was measured."""
    lines = ["# Web Addresses Scan: measured numbers", ""]
    lines += ["Written by `python bench/web.py --write docs/numbers-web.md`.", ""]
    lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in result.machine.items()), ""]
    lines += ["| what | measured | limit | | from |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.what} | {shown(row.value)} {row.unit}".rstrip()
        + f" | {limit_of(row)} | {verdict_of(row)} | {row.note} |"
        for row in result.rows
    ]
    lines += ["", "## Rounds", "", "| what | guard | unit | rounds | others' CPU at most |", "|---|---|---|---|---|"]
    for one in result.series:
        values = ", ".join(shown(each.value) for each in one.rounds)
        lines.append(f"| {one.name} | {one.guard} | {one.unit} | {values} | {one.foreign:.0%} of a core |")
    lines += ["", "## How", "", how, ""]
    lines += [f"Fault: {fault}" for fault in result.faults]
    return "\n".join(lines).rstrip() + "\n"


def as_json(result: Result) -> dict[str, Any]:
    """Return the result as a value for programs."""
    rows: Sequence[dict[str, Any]] = [
        asdict(row) | {"bound": row.bound.value, "holds": row.holds} for row in result.rows
    ]
    return {
        "machine": result.machine,
        "holds": result.holds,
        "rows": rows,
        "series": [asdict(one) | {"median": one.median, "spread": one.spread} for one in result.series],
        "faults": list(result.faults),
    }
