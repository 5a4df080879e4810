"""A point in time by which something must have happened, and waiting for a condition until then."""

import time
from collections.abc import Callable
from dataclasses import dataclass

_STEP = 0.02


@dataclass(frozen=True, slots=True)
class Deadline:
    """A deadline on the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    def passed(self) -> bool:
        """Return whether the deadline has passed."""
        return self.left() == 0.0


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Look at a condition every 20 ms; return whether it held within that many seconds. Looks at least once."""
    deadline = Deadline.after(seconds)
    while not condition():
        if deadline.passed():
            return False
        time.sleep(_STEP)
    return True
