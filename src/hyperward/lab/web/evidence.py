"""What became of a request for a web address, judged from three sides: the client, the server, the SVM's events. Pure.

An event belongs to the attempt whose machine, client address, protocol and web address it names, and that was the last
such one to begin before it.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from hyperward.events.model import Event, EventAction, Kind
from hyperward.lab.evidence import Row
from hyperward.lab.web.answer import End
from hyperward.lab.web.asking import Asked
from hyperward.lab.web.attempts import Attempt, Way
from hyperward.lab.web.sites import VERSION
from hyperward.policy.actions import WebAction

FORBIDDEN = 403
_OK = 200


class Protection(StrEnum):
    """Under what an attempt is made."""

    STANDARD = "standard"
    MONITORING = "monitoring"
    NONE = "without policy"


def events_by_attempt(asked: Sequence[Asked], events: Iterable[Event]) -> list[list[Event]]:
    """Return the web events that belong to each attempt, in the order of the attempts."""
    found: list[list[Event]] = [[] for _ in asked]
    for event in events:
        fitting = [i for i, one in enumerate(asked) if one.began <= event.time and _is_about(event, one.attempt)]
        if fitting:
            found[max(fitting, key=lambda i: asked[i].began)].append(event)
    return found


def judge(asked: Asked, events: Sequence[Event], protection: Protection, version: str = VERSION) -> Row:
    """Return whether an attempt went as expected, with the event that proves it.

    Args:
        asked: the attempt, carried out.
        events: that belong to it.
        protection: under which it was made.
        version: of the database that lists it.
    """
    site, attempt = asked.attempt.site, asked.attempt
    action = site.action if protection is not Protection.NONE else WebAction.OFF
    blocked = action is WebAction.BLOCK and protection is Protection.STANDARD
    done = EventAction.BLOCK if blocked else EventAction.REPORT
    event = next(
        (one for one in events if _says(one, attempt, action, done) and one.entry and one.entry.version == version),
        None,
    )
    right_event = not events if action is WebAction.OFF else event is not None
    went = _cut(asked, event) if blocked else asked.answer.status == _OK and asked.arrived
    shown = event or next(iter(events), None)
    seen = f"client: {asked.answer}; {'arrived' if asked.arrived else 'never arrived'}"
    over = f"{site.way}, port {site.server_port}" if site.port else site.way.value
    return Row(
        what=f"{site.title} over {over}, {attempt.client}, IPv{attempt.family}",
        expected=_expected(site.way, action, blocked=blocked),
        happened=f"{seen}; {_told(shown) if shown else 'no event'}",
        ok=went and right_event,
        event=shown.id if shown else "",
    )


def shows_all(page: str, attempt: Attempt, event_id: str) -> bool:
    """Return whether a block page names the address, the category and the event."""
    entry = attempt.site.entry
    return entry is not None and all(text in page for text in (attempt.site.address, entry.category, event_id))


def _cut(asked: Asked, event: Event | None) -> bool:
    """Return whether the client was kept away as its protocol allows; busybox wget shows no page of an error."""
    answer, attempt = asked.answer, asked.attempt
    if asked.arrived or event is None:
        return False
    if attempt.site.way is Way.QUIC:
        return answer.end is End.SILENT
    if attempt.site.way is Way.TLS:
        return answer.end is End.CUT
    return answer.status == FORBIDDEN and (not answer.page or shows_all(answer.page, attempt, event.id))


def _is_about(event: Event, attempt: Attempt) -> bool:
    vm = event.vm.name if event.vm else ""
    place = event.request.rpartition(" ")[2]
    return (
        event.kind is Kind.WEB_ADDRESS
        and (vm, event.application, event.destination_port)
        == (attempt.client, attempt.site.way.value, attempt.site.server_port)
        and event.source == attempt.client_address
        and place.rstrip("/") == attempt.site.address.rstrip("/")
    )


def _says(event: Event, attempt: Attempt, asked: WebAction, done: EventAction) -> bool:
    entry = attempt.site.entry
    if entry is None or event.entry is None:
        return False
    monitored = asked is WebAction.BLOCK and done is EventAction.REPORT
    return (
        event.asked == asked.value
        and event.done is done
        and event.reason == ("monitoring mode" if monitored else "")
        and event.category == entry.category
        and (event.entry.list, event.entry.id, event.entry.entry) == (entry.list_id, entry.entry_id, entry.text)
    )


def _expected(way: Way, action: WebAction, *, blocked: bool) -> str:
    if action is WebAction.OFF:
        return "passes untouched, no event"
    if not blocked:
        return f"passes untouched, event, {action.value} asked"
    kept_away = {
        Way.HTTP: "block page with address, category and event",
        Way.TLS: "connection cut",
        Way.QUIC: "no answer",
    }
    return f"{kept_away[way]}; never arrives; event with entry and version, action block"


def _told(event: Event) -> str:
    name = event.vm.name if event.vm else "an unknown VM"
    why = f" ({event.asked} asked: {event.reason})" if event.reason else ""
    entry = f" [{event.entry}, {event.entry.version}]" if event.entry else ""
    return f"event for {name}: {event.message}{entry}, {event.done}{why}"
