"""Reads events while the daemon writes them, from any process, without ever disturbing it."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

import msgspec

from hyperward.errors import SystemFault
from hyperward.events import schema
from hyperward.events.model import Event, Feature, Kind, Severity

BATCH: Final = 500
POLL: Final = 0.2
"""Seconds between two looks for what is new: SQLite tells other processes nothing by itself."""
_decoder = msgspec.json.Decoder(Event)


@dataclass(frozen=True, slots=True)
class Stored:
    """An event and its number in the store; numbers only grow."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which events; None stands for any.

    Args:
        vm: its name or id.
        severity: exactly this one.
        feature: exactly this one.
        kind: exactly this one.
        since: not before.
        until: before.
        limit: the youngest so many.
    """

    vm: str | None = None
    severity: Severity | None = None
    feature: Feature | None = None
    kind: Kind | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 1000

    def matches(self, event: Event) -> bool:
        """Tell whether an event is among them, the limit aside."""
        return (
            (self.vm is None or (event.vm is not None and self.vm in {event.vm.name, event.vm.id}))
            and (self.severity is None or event.severity is self.severity)
            and (self.feature is None or event.feature is self.feature)
            and (self.kind is None or event.kind is self.kind)
            and (self.since is None or event.time >= self.since)
            and (self.until is None or event.time < self.until)
        )


class EventReader:
    """The readers' side. Use as a context manager, or call `close`.

    Args:
        path: of the database.

    Raises:
        SystemFault: there is none, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db, self._inode = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def query(self, query: Query) -> list[Stored]:
        """Return the youngest events that match, oldest first.

        Raises:
            SystemFault: the store cannot be read.
        """
        rows = self._rows(
            schema.SELECT,
            {
                "vm": query.vm,
                "severity": query.severity,
                "feature": query.feature,
                "kind": query.kind,
                "since": _microseconds(query.since),
                "until": _microseconds(query.until),
                "after": 0,
                "limit": query.limit,
            },
        )
        return [_stored(row) for row in reversed(rows)]

    def last(self) -> int:
        """Return the number of the youngest event, 0 where there is none."""
        return int(self._rows(schema.RANGE, ())[0][1])

    def newer(self, after: int, *, limit: int = BATCH) -> list[Stored]:
        """Return the events after a number, oldest first.

        Raises:
            SystemFault: the store cannot be read.
        """
        return [_stored(row) for row in self._rows(schema.NEWER, (after, limit))]

    def follow(
        self, after: int, query: Query | None = None, *, pause: Callable[[float], None] = time.sleep
    ) -> Iterator[Stored]:
        """Yield matching events after a number, for ever, waiting for more.

        Where the daemon began a fresh store, that one is read from its beginning.

        Raises:
            SystemFault: the store cannot be read.
        """
        wanted = query or Query()
        while True:
            if self._replaced():
                after = 0
            found = self.newer(after)
            for stored in found:
                after = stored.seq
                if wanted.matches(stored.event):
                    yield stored
            if not found:
                pause(POLL)

    def _replaced(self) -> bool:
        try:
            if self._path.stat().st_ino == self._inode:
                return False
        except FileNotFoundError:
            return False
        self._db.close()
        self._db, self._inode = self._open()
        return True

    def _open(self) -> tuple[sqlite3.Connection, int]:
        try:
            inode = self._path.stat().st_ino
        except OSError as exc:
            raise SystemFault(
                f"no events can be read: {exc.strerror}", where=str(self._path), hint="is the daemon running?"
            ) from None
        try:
            db = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=5, isolation_level=None)
        except sqlite3.Error as exc:
            raise SystemFault(f"event store: {exc}", where=str(self._path)) from None
        return db, inode

    def _rows(self, statement: str, values: dict[str, object] | tuple[object, ...]) -> list[tuple[int, bytes]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as exc:
            raise SystemFault(f"event store: {exc}", where=str(self._path)) from None


def _stored(row: tuple[int, bytes]) -> Stored:
    return Stored(row[0], _decoder.decode(row[1]))


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1_000_000)
