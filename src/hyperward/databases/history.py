"""The history of changes: one JSON line for each. A line that a power cut tore is passed over."""

import os
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from hyperward.databases.disk import Disk
from hyperward.databases.ledger import Record
from hyperward.fromjson import from_json

_TAIL: Final = 4096
"""Bytes of a line at most: a record is bounded."""


def append_record(path: Path, record: Record, disk: Disk) -> None:
    """Add a record; a torn line before it is ended first.

    Raises:
        OSError: the disk refuses.
    """
    torn = False
    if path.exists() and path.stat().st_size:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
    disk.append(path, (b"\n" if torn else b"") + msgspec.json.encode(record) + b"\n")


def read_history(path: Path, limit: int) -> list[Record]:
    """Return the last records, the latest first."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - (limit + 2) * _TAIL))
            lines = deque(file, maxlen=limit + 2)
    except FileNotFoundError:
        return []
    records = []
    for line in reversed(lines):
        try:
            records.append(from_json(line, Record))
        except ValueError:
            continue
    return records[:limit]
