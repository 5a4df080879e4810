"""What the store remembers: which version is active, which one before, what is being tried, and what happened.

One small file is replaced as a whole: active and previous can never disagree. It carries the last record of the
history, so that a power cut between the two files loses none.
"""

from enum import StrEnum

import msgspec

from hyperward.fromjson import from_json

MAX_BYTES = 1 << 16


class Stage(StrEnum):
    """How far a change got."""

    TESTING = "testing"
    """Nothing uses the version yet."""
    ACTIVATING = "activating"
    """Some of the machine may use it already."""


class Attempt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change under way.

    Args:
        to: the version that is to become active.
        who: that asked for it.
        action: `update` or `rollback`.
        since: when it began (`2026-01-31T12:00:00Z`).
        stage: how far it got.
    """

    to: int
    who: str
    action: str
    since: str
    stage: Stage = Stage.TESTING


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the history.

    Args:
        number: rises by one.
        time: when it ended.
        who, action: as asked for.
        before, after: active version before, and the one it was to be; 0 for none.
        result: `done`, `refused`, `interrupted`.
        reason: why not, as one line; empty when done.
    """

    number: int
    time: str
    who: str
    action: str
    before: int
    after: int
    result: str
    reason: str = ""


class Ledger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file.

    Args:
        active, previous: version numbers, 0 for none.
        attempt: the change under way.
        last: the last record of the history.
    """

    active: int = 0
    previous: int = 0
    attempt: Attempt | None = None
    last: Record | None = None


def dump(ledger: Ledger) -> bytes:
    """Return the bytes of the file."""
    return msgspec.json.encode(ledger) + b"\n"


def load(raw: bytes) -> Ledger:
    """Return the ledger that `dump` wrote.

    Raises:
        ValueError: the bytes are not one.
    """
    if len(raw) > MAX_BYTES:
        raise ValueError(f"{len(raw)} bytes")
    ledger = from_json(raw, Ledger)
    if min(ledger.active, ledger.previous) < 0:
        raise ValueError("a version number below 0")
    return ledger


def ended(ledger: Ledger, *, time: str, result: str, reason: str = "") -> Ledger:
    """Return the ledger after the change under way came to its end.

    Args:
        ledger: with an attempt.
        time: now.
        result: `done` makes its version the active one; anything else leaves what was active.
        reason: why not.
    """
    attempt = ledger.attempt
    if attempt is None:
        return ledger
    number = ledger.last.number + 1 if ledger.last else 1
    record = Record(number, time, attempt.who, attempt.action, ledger.active, attempt.to, result, reason[:2000])
    if result != "done":
        return msgspec.structs.replace(ledger, attempt=None, last=record)
    previous = ledger.previous if attempt.to == ledger.active else ledger.active
    return Ledger(attempt.to, previous, None, record)
