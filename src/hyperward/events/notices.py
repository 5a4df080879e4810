"""What the engine's supervisor says, as events. Pure."""

from datetime import datetime
from typing import Final

from hyperward.events.ids import random_id
from hyperward.events.model import Event, Feature, Kind, Severity
from hyperward.ips.engine.notices import EngineNotice, NoticeKind

_KINDS: Final = {
    NoticeKind.STARTED: (Kind.ENGINE_STARTED, Severity.INFORMATIONAL),
    NoticeKind.ADOPTED: (Kind.ENGINE_ADOPTED, Severity.INFORMATIONAL),
    NoticeKind.STOPPED: (Kind.ENGINE_STOPPED, Severity.INFORMATIONAL),
    NoticeKind.CRASHED: (Kind.ENGINE_CRASHED, Severity.FUNCTIONAL_FAILURE),
    NoticeKind.HUNG: (Kind.ENGINE_CRASHED, Severity.FUNCTIONAL_FAILURE),
    NoticeKind.START_FAILED: (Kind.ENGINE_START_FAILED, Severity.FUNCTIONAL_FAILURE),
    NoticeKind.CRASH_LOOP: (Kind.ENGINE_CRASH_LOOP, Severity.CRITICAL),
    NoticeKind.LOADED: (Kind.RULES_IN_FORCE, Severity.INFORMATIONAL),
    NoticeKind.REFUSED: (Kind.RULES_REFUSED, Severity.FUNCTIONAL_FAILURE),
}


def event_of_notice(notice: EngineNotice, *, time: datetime, svm: str) -> Event:
    """Return the event that a notice means."""
    kind, severity = _KINDS[notice.kind]
    return Event(
        id=random_id(time),
        time=time,
        severity=severity,
        kind=kind,
        feature=Feature.INTRUSION_PREVENTION,
        message=notice.text,
        svm=svm,
    )
