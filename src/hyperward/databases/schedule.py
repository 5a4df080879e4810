"""When an SVM looks for databases. Pure: times in, a time out."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

POLL: Final = timedelta(minutes=1)
"""Between two looks when databases are wanted as soon as they are there: a look moves some hundred bytes."""
RETRY: Final = timedelta(minutes=5)
"""After a try that failed, when the next one would be later."""
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION: Final = re.compile(r"([1-9]\d{0,5})([smhd])")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Window:
    """The part of each day in which databases may change, in local time; it may go over midnight."""

    begins: time
    ends: time

    def holds(self, moment: datetime) -> bool:
        """Tell whether a local time is in it."""
        at = moment.time()
        if self.begins <= self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends

    def next(self, moment: datetime) -> datetime:
        """Return the local time itself when it is in the window, else when the window opens next."""
        if self.holds(moment):
            return moment
        opens = moment.replace(hour=self.begins.hour, minute=self.begins.minute, second=0, microsecond=0)
        return opens if opens > moment else opens + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to look.

    Args:
        every: between two looks.
        jitter: up to so much more, so that a thousand SVMs do not ask at once.
        window: databases change only then; None for always.
        as_soon_as_available: look every minute.
    """

    every: timedelta = timedelta(hours=2)
    jitter: timedelta = timedelta(minutes=10)
    window: Window | None = None
    as_soon_as_available: bool = False


def next_look(schedule: Schedule, last: datetime | None, *, failed: bool, chance: float, now: datetime) -> datetime:
    """Return when to look next; not before `now`.

    Args:
        schedule: of the operator.
        last: look, whatever came of it; None for none yet.
        failed: it failed.
        chance: 0 to 1, which part of the jitter is added.
        now: local time with its zone.
    """
    due = now
    if last is not None:
        pause = POLL if schedule.as_soon_as_available else schedule.every + schedule.jitter * chance
        due = max(now, last + (min(pause, RETRY) if failed else pause))
    return schedule.window.next(due.astimezone(now.tzinfo)) if schedule.window else due


def parse_duration(text: str) -> timedelta:
    """Return a duration written as `90s`, `30m`, `2h` or `7d`.

    Raises:
        ValueError: it is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration; write it like 30m, 2h or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def parse_window(begins: str, ends: str) -> Window:
    """Return a window written as two times of day, `22:00` and `05:00`.

    Raises:
        ValueError: a time is none, or the two are equal.
    """
    times = []
    for text in (begins, ends):
        found = _TIME.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no time of day; write it like 22:00")
        times.append(time(int(found[1]), int(found[2])))
    if times[0] == times[1]:
        raise ValueError("the window begins when it ends; leave it out for the whole day")
    return Window(*times)
