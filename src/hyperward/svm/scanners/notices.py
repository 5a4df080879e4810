"""What is told of the scanners, as events."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hyperward.events.ids import random_id
from hyperward.events.model import Event, Feature, Kind, Severity

_SEVERE: Final = {
    Kind.SCANNER_CRASHED: Severity.FUNCTIONAL_FAILURE,
    Kind.SCANNER_START_FAILED: Severity.FUNCTIONAL_FAILURE,
    Kind.SCANNER_CRASH_LOOP: Severity.CRITICAL,
    Kind.ADDRESSES_UNUSABLE: Severity.WARNING,
}


@dataclass(frozen=True, slots=True)
class ScannerNotice:
    """One notice.

    Args:
        kind: what happened.
        text: one line for people.
    """

    kind: Kind
    text: str


def event_of_notice(notice: ScannerNotice, *, time: datetime, svm: str) -> Event:
    """Return the event that a notice means."""
    return Event(
        id=random_id(time),
        time=time,
        severity=_SEVERE.get(notice.kind, Severity.INFORMATIONAL),
        kind=notice.kind,
        feature=Feature.WEB_ADDRESSES,
        message=notice.text,
        svm=svm,
    )
