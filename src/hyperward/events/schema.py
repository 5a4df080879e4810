"""The tables of the event store, and how its errors are told apart."""

import sqlite3
from typing import Final

VERSION: Final = 1
PAGE: Final = 4096
"""Bytes of a database page."""

CREATE: Final = (
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        time INTEGER NOT NULL,
        severity TEXT NOT NULL,
        kind TEXT NOT NULL,
        feature TEXT NOT NULL,
        vm_name TEXT NOT NULL,
        vm_id TEXT NOT NULL,
        body BLOB NOT NULL
    )""",
    "CREATE INDEX events_time ON events (time)",
    "CREATE INDEX events_vm_name ON events (vm_name, time)",
    "CREATE INDEX events_vm_id ON events (vm_id, time)",
    "CREATE TABLE tails (name TEXT PRIMARY KEY, position BLOB NOT NULL)",
)
INSERT: Final = (
    "INSERT OR IGNORE INTO events (id, time, severity, kind, feature, vm_name, vm_id, body) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
SET_TAIL: Final = (
    "INSERT INTO tails (name, position) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET position = excluded.position"
)
SELECT: Final = """SELECT seq, body FROM events WHERE
    (:vm IS NULL OR vm_name = :vm OR vm_id = :vm)
    AND (:severity IS NULL OR severity = :severity)
    AND (:feature IS NULL OR feature = :feature)
    AND (:kind IS NULL OR kind = :kind)
    AND (:since IS NULL OR time >= :since)
    AND (:until IS NULL OR time < :until)
    AND seq > :after
    ORDER BY seq DESC LIMIT :limit"""
NEWER: Final = "SELECT seq, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
RANGE: Final = "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0), count(*) FROM events"
DELETE_OLDEST: Final = "DELETE FROM events WHERE seq <= (SELECT seq FROM events ORDER BY seq LIMIT 1 OFFSET ?)"

_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})


def is_corrupt(error: sqlite3.Error) -> bool:
    """Tell whether the file itself is broken."""
    return _primary(error) in _CORRUPT


def is_full(error: sqlite3.Error) -> bool:
    """Tell whether there is no room: on the disk or within the size allowed."""
    return _primary(error) == sqlite3.SQLITE_FULL


def _primary(error: sqlite3.Error) -> int:
    # The low byte of an extended result code is the primary one.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
