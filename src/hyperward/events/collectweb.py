"""From the scanners' files into the store, one batch at a time, each event exactly once."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hyperward.events.collect import Collected
from hyperward.events.ids import random_id
from hyperward.events.model import Event, Feature, Kind, Severity
from hyperward.events.store import EventStore
from hyperward.events.web import MAX_RECORD, WebPortLookup, decode_record, event_of_record
from hyperward.ips.engine.rotate import numbered
from hyperward.ips.engine.tail import Batch, EveTail, TailPosition

_NAME: Final = re.compile(r"(records-([0-9]{1,3})\.json)(?:\.[0-9]+)?")
_LOOK: Final = 512 * 1024
"""Bytes read at once."""


def record_files(folder: Path) -> list[Path]:
    """Return the files that scanners write, also those of scanners that there are no more, by their index."""
    found: dict[int, Path] = {}
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    for name in names:
        # A file that was put aside and not followed by another yet still has records to be read.
        base = _NAME.fullmatch(name)
        if base is not None:
            found[int(base[2])] = folder / base[1]
    return [path for _, path in sorted(found.items())]


class WebCollector:
    """Reads every scanner's file from where the store says, and stores what it means.

    Args:
        folder: of the files.
        store: where events go.
        ports: finds the port behind a port id.
        svm: name of the node.
    """

    def __init__(self, folder: Path, store: EventStore, ports: WebPortLookup, *, svm: str) -> None:
        self._folder = folder
        self._store = store
        self._ports = ports
        self._svm = svm
        self._tails: dict[Path, EveTail] = {}

    def collect(self) -> Collected:
        """Read and store one batch of every file.

        Raises:
            SystemFault: a file cannot be read or events cannot be stored; the next call begins at the same place.
        """
        events: list[Event] = []
        unreadable, caught_up = 0, True
        for path in record_files(self._folder):
            done = self._collect(path)
            events += done.events
            unreadable += done.unreadable
            caught_up = caught_up and done.caught_up
        return Collected(events, unreadable, caught_up)

    def _collect(self, path: Path) -> Collected:
        tail = self._tail(path)
        before = tail.position
        batch = tail.read()
        try:
            events, unreadable = self._events(batch, path)
            if events or batch.position != before:
                self._store.append(events, tail=_name(path), position=batch.position)
        except BaseException:
            tail.position = before
            raise
        if batch.position.inode != before.inode and numbered(path):
            tail.forget_read_files()
        return Collected(events, unreadable, batch.caught_up)

    def _tail(self, path: Path) -> EveTail:
        if path not in self._tails:
            position = self._store.position(_name(path), TailPosition)
            self._tails[path] = EveTail(path, position, chunk=_LOOK, max_line=MAX_RECORD)
        return self._tails[path]

    def _events(self, batch: Batch, path: Path) -> tuple[list[Event], int]:
        events: list[Event] = []
        bad = [f"{trouble.path.name} at {trouble.offset}: {trouble.text}" for trouble in batch.troubles]
        for line in batch.lines:
            try:
                events.append(event_of_record(decode_record(line.data), self._ports, svm=self._svm))
            except ValueError as error:
                bad.append(f"{path.name} at {line.offset}: {error}")
        if bad:
            events.append(self._lost(bad))
        return events, len(bad)

    def _lost(self, bad: list[str]) -> Event:
        now = datetime.now(UTC)
        return Event(
            id=random_id(now),
            time=now,
            severity=Severity.FUNCTIONAL_FAILURE,
            kind=Kind.EVENTS_LOST,
            feature=Feature.WEB_ADDRESSES,
            message=f"{len(bad)} entries of a scanner's file could not be read; the first: {bad[0][:500]}",
            svm=self._svm,
        )


def _name(path: Path) -> str:
    return f"web/{path.name}"
