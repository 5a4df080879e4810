"""Points in time in policies."""

import re
from datetime import UTC, date, datetime, time, timedelta

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?")


def parse_expiry(text: str) -> datetime:
    """Return the moment from which on something no longer holds.

    Args:
        text: a date, which counts to its end (2026-08-31 is 2026-09-01T00:00:00Z), or a time such as
            2026-08-31T18:00:00Z.

    Raises:
        ValueError: neither a date nor a time, or a time without a zone.
    """
    found = _TIME.fullmatch(text)
    if not found and not _DATE.fullmatch(text):
        raise ValueError("not a date or UTC time; write it like 2026-08-31 or 2026-08-31T18:00:00Z")
    if found and found.group(1) is None:
        raise ValueError("the time has no zone; add a Z for UTC: 2026-08-31T18:00:00Z")
    try:
        if found:
            return datetime.fromisoformat(text).astimezone(UTC)
        return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("no such date or time; write it like 2026-08-31 or 2026-08-31T18:00:00Z") from error


def print_expiry(moment: datetime) -> str:
    """Return a moment in the form that `parse_expiry` reads."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
