"""A part of the demo's scenario, and what the parts have in common."""

from collections.abc import Callable
from dataclasses import dataclass

from hyperward.lab.evidence import Row

EVENT_SECONDS = 15.0
"""How long an event may take until it is stored."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the scenario and what came of it."""

    title: str
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether everything went as expected."""
        return all(row.ok for row in self.rows)
