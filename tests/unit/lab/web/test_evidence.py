"""Attempts are judged from all three sides: one side that does not fit is enough."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from hyperward.events.model import EntryRef, Event, EventAction, Feature, Kind, Severity, VmRef
from hyperward.lab.plan import plan_lab
from hyperward.lab.web.answer import Answer, End
from hyperward.lab.web.asking import Asked
from hyperward.lab.web.attempts import Attempt, Way, attempts
from hyperward.lab.web.evidence import Protection, events_by_attempt, judge
from hyperward.lab.web.sites import VERSION
from hyperward.policy.actions import WebAction

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = attempts(plan_lab(vms=1), ("vm1",))
LISTED = [one for one in EVERY if one.site.action is WebAction.BLOCK]
STANDARD, MONITORING, NONE = Protection.STANDARD, Protection.MONITORING, Protection.NONE


def _event(attempt: Attempt, *, done: EventAction = EventAction.BLOCK, reason: str = "") -> Event:
    site, entry = attempt.site, attempt.site.entry
    assert entry is not None
    return Event(
        id="event-1",
        time=NOW + timedelta(seconds=1),
        severity=Severity.CRITICAL,
        kind=Kind.WEB_ADDRESS,
        feature=Feature.WEB_ADDRESSES,
        vm=VmRef(name=attempt.client),
        source=attempt.client_address,
        destination_port=site.server_port,
        application=site.way.value,
        category=entry.category,
        entry=EntryRef(list=entry.list_id, entry=entry.text, id=entry.entry_id, version=VERSION),
        asked=EventAction(site.action.value),
        done=done,
        reason=reason,
        request=f"GET {site.address}" if site.way is Way.HTTP else site.address,
    )


def _blocked(attempt: Attempt) -> Asked:
    entry = attempt.site.entry
    page = f"{attempt.site.address} {entry.category if entry else ''} event-1"
    answers = {Way.HTTP: Answer(End.ANSWERED, 403, page), Way.TLS: Answer(End.CUT), Way.QUIC: Answer(End.SILENT)}
    return Asked(attempt, NOW, answers[attempt.site.way], arrived=False)


def _loaded(attempt: Attempt) -> Asked:
    return Asked(attempt, NOW, Answer(End.ANSWERED, 200, "page"), arrived=True)


@pytest.mark.parametrize("attempt", LISTED, ids=lambda one: one.name)
def test_what_is_blocked_is_right_only_with_all_of_its_signs(attempt: Attempt) -> None:
    asked, event = _blocked(attempt), _event(attempt)
    assert judge(asked, [event], STANDARD).ok
    assert judge(asked, [event], STANDARD).event == "event-1"
    assert not judge(asked, [], STANDARD).ok
    assert not judge(replace(asked, arrived=True), [event], STANDARD).ok
    assert not judge(_loaded(attempt), [event], STANDARD).ok
    for change in ({"done": EventAction.REPORT}, {"category": "other"}, {"entry": None}, {"reason": "x"}):
        assert not judge(asked, [msgspec.structs.replace(event, **change)], STANDARD).ok


def test_a_block_page_has_to_say_which_event_it_is() -> None:
    asked = _blocked(LISTED[0])
    assert not judge(replace(asked, answer=Answer(End.ANSWERED, 403, "blocked")), [_event(LISTED[0])], STANDARD).ok
    assert judge(replace(asked, answer=Answer(End.ANSWERED, 403)), [_event(LISTED[0])], STANDARD).ok


@pytest.mark.parametrize("attempt", LISTED, ids=lambda one: one.name)
def test_monitoring_reports_and_nothing_else(attempt: Attempt) -> None:
    event = _event(attempt, done=EventAction.REPORT, reason="monitoring mode")
    assert judge(_loaded(attempt), [event], MONITORING).ok
    assert not judge(_loaded(attempt), [], MONITORING).ok
    assert not judge(_blocked(attempt), [event], MONITORING).ok
    assert not judge(_loaded(attempt), [_event(attempt)], MONITORING).ok


def test_what_is_clean_or_without_a_policy_has_no_event() -> None:
    clean = next(one for one in EVERY if one.site.entry is None)
    assert judge(_loaded(clean), [], STANDARD).ok
    assert not judge(_loaded(clean), [_event(LISTED[0])], STANDARD).ok
    assert judge(_loaded(LISTED[0]), [], NONE).ok
    assert not judge(_loaded(LISTED[0]), [_event(LISTED[0])], NONE).ok
    assert not judge(replace(_loaded(clean), arrived=False), [], STANDARD).ok


def test_events_find_the_attempt_that_they_name() -> None:
    asked = [_blocked(one) for one in LISTED]
    later = replace(asked[0], began=NOW + timedelta(seconds=5))
    found = events_by_attempt([*asked, later], [_event(one) for one in LISTED])
    assert [len(events) for events in found] == [1] * len(LISTED) + [0]
    assert all(events[0].request.endswith(one.site.address) for one, events in zip(LISTED, found, strict=False))
    stranger = msgspec.structs.replace(_event(LISTED[0]), vm=VmRef(name="vm2"))
    assert events_by_attempt(asked, [stranger]) == [[] for _ in asked]
