"""The daemon's own events: one place that knows how they are worded."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from hyperward.errors import HyperwardError
from hyperward.events.ids import random_id
from hyperward.events.model import Event, Feature, Kind, Severity, VmRef
from hyperward.events.store import EventStore

log = structlog.get_logger(__name__)


class EventLog:
    """Writes events of the daemon into the store and the log.

    An event that cannot be stored now (full disk) is kept, bounded, and stored with the next.
    """

    _KEPT = 10_000

    def __init__(self, store: EventStore, svm: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._svm = svm
        self._clock = clock
        self._waiting: list[Event] = []
        self._stuck = ""

    def write(
        self,
        kind: Kind,
        message: str,
        *,
        severity: Severity = Severity.INFORMATIONAL,
        feature: Feature = Feature.SVM,
        vm: str = "",
        port: int | None = None,
        **fields: Any,
    ) -> None:
        """Write one event."""
        now = self._clock()
        event = Event(
            id=random_id(now),
            time=now,
            severity=severity,
            kind=kind,
            feature=feature,
            message=message,
            svm=self._svm,
            vm=VmRef(name=vm) if vm else None,
            port=port,
            **fields,
        )
        self.add(event)

    def add(self, event: Event) -> None:
        """Write an event that is made already."""
        quiet = event.severity is Severity.INFORMATIONAL
        (log.info if quiet else log.warning)(event.kind.value, message=event.message)
        self._waiting = [*self._waiting, event][-self._KEPT :]
        self.flush()

    def flush(self) -> None:
        """Store what waits."""
        if not self._waiting:
            return
        try:
            self._store.append(self._waiting)
        except HyperwardError as error:
            # Once, not with every attempt: the log may be on the same full disk.
            if error.line() != self._stuck:
                log.error("events_wait", count=len(self._waiting), reason=error.line())
            self._stuck = error.line()
        else:
            self._waiting, self._stuck = [], ""
