"""The durable store of events on the SVM: SQLite, one writer (the daemon), any number of readers.

Events and the position up to which the engine's file was read are stored in one transaction, so that every event is
stored exactly once whenever the daemon is killed. The disk used is bounded: the oldest events go first.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec
import structlog

from hyperward.errors import SystemFault
from hyperward.events import schema
from hyperward.events.ids import random_id
from hyperward.events.model import Event, Feature, Kind, Severity
from hyperward.fromjson import from_json

log = structlog.get_logger(__name__)
_Position = TypeVar("_Position", bound=msgspec.Struct)
_Result = TypeVar("_Result")
_SLACK: Final = 1.25
"""How much larger than allowed the file may be for a moment, before the oldest events are deleted."""
_SHARE: Final = 20
"""One of how many events goes when there is no room."""
_KEPT_BROKEN: Final = 1
"""Broken files that are kept for examination."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept.

    Args:
        events: number of events.
        bytes: of the database file.
    """

    events: int = 1_000_000
    bytes: int = 2 << 30


class EventStore:
    """The writer's side. Use as a context manager, or call `close`.

    A broken file is moved aside and a fresh one begun; `svm` names the node in the event that says so.

    Args:
        path: of the database; its folder is made.
        limits: how much is kept.
        svm: name of the node.

    Raises:
        SystemFault: the file cannot be opened or was written by a later version.
    """

    def __init__(self, path: Path, *, limits: Limits | None = None, svm: str = "") -> None:
        self._path = path
        self._limits = limits or Limits()
        self._svm = svm
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as exc:
            raise SystemFault(f"folder cannot be made: {exc.strerror}", where=str(path.parent)) from None
        try:
            self._db = self._open()
        except sqlite3.Error as exc:
            if not schema.is_corrupt(exc):
                raise _fault(path, exc) from None
            self._begin_anew(exc)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def append(self, events: Sequence[Event], *, tail: str = "", position: msgspec.Struct | None = None) -> int:
        """Store events, and with them the position of the file they are from; return how many were not there yet.

        Args:
            events: in the order in which they are to be read.
            tail: name of the file's position.
            position: up to where the file was read.

        Raises:
            SystemFault: nothing was stored (disk full, no access); try again later.
        """
        try:
            return self._stored(lambda: self._append(events, tail, position))
        except sqlite3.Error as exc:
            raise _fault(self._path, exc) from None

    def position(self, tail: str, kind: type[_Position]) -> _Position | None:
        """Return the stored position of a file; None where there is none.

        Raises:
            SystemFault: the store cannot be read.
        """
        try:
            rows = self._stored(
                lambda: self._db.execute("SELECT position FROM tails WHERE name = ?", (tail,)).fetchall()
            )
            return from_json(rows[0][0], kind) if rows else None
        except sqlite3.Error as exc:
            raise _fault(self._path, exc) from None
        except ValueError as exc:
            log.warning("stored position cannot be read", tail=tail, reason=str(exc))
            return None

    def trim(self) -> int:
        """Delete the oldest events beyond the limits; return how many."""
        deleted = 0
        while (surplus := self._surplus()) > 0:
            deleted += self._delete(surplus)
        return deleted

    def _append(self, events: Sequence[Event], tail: str, position: msgspec.Struct | None) -> int:
        before = self._db.total_changes
        with self._transaction():
            self._db.executemany(schema.INSERT, map(_row, events))
            added = self._db.total_changes - before
            if position is not None:
                self._db.execute(schema.SET_TAIL, (tail, msgspec.json.encode(position)))
        if added:
            self.trim()
        return added

    def _stored(self, action: Callable[[], _Result]) -> _Result:
        """Do something with the file; where it is broken or full, mend that and do it once more."""
        try:
            return action()
        except sqlite3.Error as exc:
            if schema.is_corrupt(exc):
                self._begin_anew(exc)
            elif schema.is_full(exc):
                log.warning("no room for events; deleting the oldest", path=str(self._path))
                self._delete(max(1, self._count() // _SHARE))
            else:
                raise
        return action()

    def _surplus(self) -> int:
        """Return how many of the oldest events are to go."""
        count = self._count()
        pages = self._pragma("page_count") - self._pragma("freelist_count")
        too_large = pages * schema.PAGE > self._limits.bytes
        return max(count - self._limits.events, max(1, count // _SHARE) if too_large and count else 0)

    def _delete(self, number: int) -> int:
        with self._transaction():
            deleted = self._db.execute(schema.DELETE_OLDEST, (number - 1,)).rowcount
            if deleted <= 0:
                # Fewer than asked for: all of them.
                deleted = self._db.execute("DELETE FROM events").rowcount
        self._db.execute("PRAGMA incremental_vacuum").fetchall()
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return deleted

    def _count(self) -> int:
        return int(self._db.execute(schema.RANGE).fetchone()[2])

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # SQLite may have rolled back by itself; then there is nothing to roll back.
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=5, isolation_level=None)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version not in {0, schema.VERSION}:
            raise _other_version(self._path, version)
        db.execute(f"PRAGMA page_size = {schema.PAGE}")
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        # What is reported as stored survives a power cut.
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {16 << 20}").fetchall()
        db.execute(f"PRAGMA max_page_count = {int(self._limits.bytes * _SLACK) // schema.PAGE}").fetchall()
        if version == 0:
            db.execute("BEGIN IMMEDIATE")
            for statement in schema.CREATE:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {schema.VERSION}")
            db.execute("COMMIT")

    def _begin_anew(self, why: sqlite3.Error) -> None:
        if hasattr(self, "_db"):
            self._db.close()
        now = datetime.now(UTC)
        aside = self._path.with_name(f"{self._path.name}.broken-{now:%Y%m%dT%H%M%S%f}")
        text = f"the event store was broken ({why}); it is kept as {aside.name} and a fresh one was begun"
        log.error("event store was broken", path=str(self._path), aside=str(aside), reason=str(why))
        try:
            self._path.rename(aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(f"{self._path.name}{suffix}").unlink(missing_ok=True)
            for old in sorted(self._path.parent.glob(f"{self._path.name}.broken-*"))[:-_KEPT_BROKEN]:
                old.unlink(missing_ok=True)
        except OSError as exc:
            raise SystemFault(f"broken and cannot be moved aside: {exc.strerror}", where=str(self._path)) from None
        self._db = self._open()
        self._append([_lost(text, now, self._svm)], "", None)


def _other_version(path: Path, version: int) -> SystemFault:
    return SystemFault(
        f"event store of version {version}, this program reads {schema.VERSION}",
        where=str(path),
        hint="install the version that wrote it, or move the file away",
    )


def _lost(text: str, now: datetime, svm: str) -> Event:
    return Event(
        id=random_id(now),
        time=now,
        severity=Severity.FUNCTIONAL_FAILURE,
        kind=Kind.EVENTS_LOST,
        feature=Feature.SVM,
        message=text,
        svm=svm,
    )


def _row(event: Event) -> tuple[object, ...]:
    return (
        event.id,
        int(event.time.timestamp() * 1_000_000),
        event.severity,
        event.kind,
        event.feature,
        event.vm.name if event.vm else "",
        event.vm.id if event.vm else "",
        msgspec.json.encode(event),
    )


def _fault(path: Path, error: sqlite3.Error) -> SystemFault:
    hint = "free disk space" if schema.is_full(error) else "check the file's permissions and the disk"
    return SystemFault(f"event store: {error}", where=str(path), hint=hint)
