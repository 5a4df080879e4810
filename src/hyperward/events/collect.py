"""From the engine's file into the store, one batch at a time, each event exactly once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hyperward.events.detect import Origin, PortLookup, event_of
from hyperward.events.ids import random_id
from hyperward.events.model import Event, Feature, Kind, Severity
from hyperward.events.store import EventStore
from hyperward.ips.engine.eve import decode_line
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.tail import Batch, EveTail, TailPosition

TAIL: Final = "eve"
Complete = Callable[[Event], Event]
"""Last word on an event before it is stored, as by the response that blocks its source."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What came of a batch.

    Args:
        events: stored, in order.
        unreadable: lines that were skipped.
        caught_up: nothing more was there to read.
    """

    events: Sequence[Event]
    unreadable: int
    caught_up: bool


class EveCollector:
    """Reads the engine's file from where the store says, and stores what it means.

    Args:
        settings: of the engine.
        store: where events go.
        ports: finds the port behind a VLAN id.
        svm: name of the node.
    """

    def __init__(self, settings: EngineSettings, store: EventStore, ports: PortLookup, *, svm: str) -> None:
        self._settings = settings
        self._store = store
        self._ports = ports
        self._svm = svm
        self._tail = EveTail(settings.eve_path, store.position(TAIL, TailPosition))

    def collect(self, complete: Complete | None = None) -> Collected:
        """Read and store one batch.

        Args:
            complete: called with every event before it is stored.

        Raises:
            SystemFault: the file cannot be read or the events cannot be stored; the next call begins at the same place.
        """
        before = self._tail.position
        batch = self._tail.read()
        try:
            events, unreadable = self._events(batch)
            if complete is not None:
                events = [complete(event) for event in events]
            if events or batch.position != before:
                self._store.append(events, tail=TAIL, position=batch.position)
        except BaseException:
            self._tail.position = before
            raise
        if batch.position.inode != before.inode:
            self._tail.forget_read_files()
        return Collected(events, unreadable, batch.caught_up)

    def _events(self, batch: Batch) -> tuple[list[Event], int]:
        events: list[Event] = []
        bad: list[str] = [f"{trouble.path.name} at {trouble.offset}: {trouble.text}" for trouble in batch.troubles]
        for line in batch.lines:
            origin = Origin(
                self._svm,
                batch.source,
                line.offset,
                line.data,
                self._settings.guest_interface,
                self._settings.network_interface,
            )
            try:
                event = event_of(decode_line(line.data), self._ports, origin)
            except ValueError as exc:
                bad.append(f"line at {line.offset}: {exc}")
                continue
            if event is not None:
                events.append(event)
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
            feature=Feature.INTRUSION_PREVENTION,
            message=f"{len(bad)} entries of the engine's file could not be read; the first: {bad[0][:500]}",
            svm=self._svm,
        )
