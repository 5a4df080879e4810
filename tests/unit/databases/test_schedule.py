from datetime import UTC, datetime, time, timedelta

import pytest

from hyperward.databases.schedule import POLL, RETRY, Schedule, Window, next_look, parse_duration, parse_window

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVERY = Schedule(every=timedelta(hours=2), jitter=timedelta(minutes=10))


def look(schedule: Schedule, last: datetime | None, *, failed: bool = False, chance: float = 0.0) -> datetime:
    return next_look(schedule, last, failed=failed, chance=chance, now=NOON)


def test_the_first_look_is_now() -> None:
    assert look(EVERY, None) == NOON


def test_a_look_that_is_due_is_now_not_in_the_past() -> None:
    assert look(EVERY, NOON - timedelta(days=3)) == NOON


def test_jitter_is_added() -> None:
    assert look(EVERY, NOON) == NOON + timedelta(hours=2)
    assert look(EVERY, NOON, chance=0.5) == NOON + timedelta(hours=2, minutes=5)


def test_after_a_failure_it_is_sooner_but_never_later() -> None:
    assert look(EVERY, NOON, failed=True) == NOON + RETRY
    assert look(Schedule(as_soon_as_available=True), NOON, failed=True) == NOON + POLL


def test_as_soon_as_available_looks_every_minute() -> None:
    assert look(Schedule(as_soon_as_available=True), NOON) == NOON + POLL


NIGHT = Window(time(22), time(5))


@pytest.mark.parametrize(("hour", "holds"), [(21, False), (22, True), (23, True), (0, True), (4, True), (5, False)])
def test_a_window_over_midnight(hour: int, holds: bool) -> None:  # noqa: FBT001
    assert NIGHT.holds(NOON.replace(hour=hour)) is holds


def test_a_look_waits_for_the_window() -> None:
    schedule = Schedule(every=timedelta(hours=2), jitter=timedelta(), window=NIGHT)
    assert look(schedule, None) == NOON.replace(hour=22)
    assert look(schedule, NOON + timedelta(hours=9)) == NOON.replace(hour=23)
    assert look(Schedule(window=Window(time(8), time(10))), None) == NOON.replace(hour=8) + timedelta(days=1)


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("7d", 604_800)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "2", "0h", "h", "2 h", "-1h", "2w", "1h30m", "12345678d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


def test_windows() -> None:
    assert parse_window("22:00", "05:00") == NIGHT
    for wrong in (("22:00", "22:00"), ("24:00", "01:00"), ("2:00", "3:00")):
        with pytest.raises(ValueError, match=r"window|time of day"):
            parse_window(*wrong)
