"""When to start a crashed engine again, and when to say that it does not help. Pure."""

from dataclasses import dataclass, field
from typing import Final

FIRST: Final = 0.1
LONGEST: Final = 30.0
CALM: Final = 120.0
"""Seconds after which a crash counts no more."""
LOOP: Final = 5
"""Crashes within the calm time that make a crash loop."""


@dataclass(slots=True)
class Backoff:
    """Counts crashes. Times are seconds of a monotonic clock."""

    crashes: list[float] = field(default_factory=list)

    def crashed(self, now: float) -> float:
        """Note a crash; return the seconds to wait before the next start."""
        self.crashes = [time for time in self.crashes if now - time < CALM] + [now]
        return min(LONGEST, FIRST * float(4 ** (len(self.crashes) - 1)))

    @property
    def looping(self) -> bool:
        """Whether the engine crashes again and again."""
        return len(self.crashes) >= LOOP
