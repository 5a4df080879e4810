"""What became of an attack, judged from three sides: the attacker, the server, and the SVM's events. Pure.

An event belongs to the attack whose connection it names (VM, both addresses, the server's port) and that was the last
one on such a connection to begin before the event's packet. Attacks on equal connections must not overlap in time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from hyperward.events.model import Event, EventAction, Kind
from hyperward.lab.outcome import Outcome, Result
from hyperward.lab.scenario import Attack


class Expectation(StrEnum):
    """What has to become of an attack."""

    BLOCKED = "connection cut, event with action terminate"
    SOURCE_BLOCKED = "connection cut, source blocked, event with action terminate_and_block"
    REPORTED = "passes untouched, event with action ignore"
    UNTOUCHED = "passes untouched, no event"


_ACTIONS = {
    Expectation.BLOCKED: EventAction.TERMINATE,
    Expectation.SOURCE_BLOCKED: EventAction.TERMINATE_AND_BLOCK,
}


@dataclass(frozen=True, slots=True)
class Tried:
    """An attack that was carried out."""

    attack: Attack
    client_address: str
    began: datetime
    """With a zone, on this machine's clock: the engine's events are on the same."""
    outcome: Outcome
    arrived: bool
    """Whether the server recorded it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was tried: for people, and whether it went as expected."""

    what: str
    expected: str
    happened: str
    ok: bool
    event: str = ""
    """Id of the event that says so."""


_Address = IPv4Address | IPv6Address
_Connection = tuple[_Address, _Address, int]
"""Client, server, the server's port."""


def events_by_attack(tried: Sequence[Tried], events: Iterable[Event]) -> list[list[Event]]:
    """Return the detections that belong to each attack, in the order of the attacks."""
    by_connection: dict[_Connection, list[int]] = {}
    for index in sorted(range(len(tried)), key=lambda index: tried[index].began):
        by_connection.setdefault(_connection(tried[index]), []).append(index)
    found: list[list[Event]] = [[] for _ in tried]
    for event in events:
        if event.kind is not Kind.DETECTION:
            continue
        candidates = [i for end in _connections(event) for i in by_connection.get(end, ())]
        begun = [i for i in candidates if tried[i].began <= event.time]
        if begun:
            found[begun[-1]].append(event)
    return found


def judge(tried: Tried, events: Sequence[Event], expectation: Expectation) -> Row:
    """Return whether an attack went as expected, with the event that proves it."""
    attack, outcome = tried.attack, tried.outcome
    fitting = [event for event in events if _fits(event, attack, expectation)]
    event = fitting[0] if fitting else None
    if expectation in _ACTIONS:
        ok = outcome.result is Result.RESET and not tried.arrived and event is not None
    else:
        # The QEMU VM's web server does not record what it refuses, but it answers it.
        ok = outcome.completed and (event is not None if expectation is Expectation.REPORTED else not events)
    shown = event or next(iter(events), None)
    seen = f"attacker: {outcome.result}{_detail(outcome)}; {_server_side(tried)}"
    return Row(
        what=f"{attack.kind.title}, {attack.client} to {attack.server}, IPv{attack.family}",
        expected=expectation.value,
        happened=f"{seen}; {_told(shown) if shown else 'no event'}",
        ok=ok,
        event=shown.id if shown else "",
    )


def _fits(event: Event, attack: Attack, expectation: Expectation) -> bool:
    if event.vm is None or event.vm.name != attack.vm or event.category != attack.kind.rule_class or event.rule is None:
        return False
    if expectation in _ACTIONS:
        return event.asked is event.done is _ACTIONS[expectation] and event.verdict == "drop"
    if event.asked is not EventAction.TERMINATE:
        return False
    return event.done is EventAction.IGNORE and event.reason == "monitoring mode"


def _connection(tried: Tried) -> _Connection:
    attack = tried.attack
    return ip_address(tried.client_address), ip_address(attack.server_address), attack.message.port


def _connections(event: Event) -> list[_Connection]:
    """Return the connection of an event from both ends: the packet that matched may have gone either way."""
    if event.source_port is None or event.destination_port is None:
        return []
    source, destination = ip_address(event.source), ip_address(event.destination)
    return [(source, destination, event.destination_port), (destination, source, event.source_port)]


def _detail(outcome: Outcome) -> str:
    return f" ({outcome.detail})" if outcome.completed and outcome.detail else ""


def _server_side(tried: Tried) -> str:
    if tried.arrived:
        return "arrived"
    return "answered" if tried.outcome.completed else "never arrived"


def _told(event: Event) -> str:
    name = event.vm.name if event.vm else "an unknown VM"
    why = f" ({event.asked} asked: {event.reason})" if event.reason else ""
    return f"event for {name}: {event.message} [{event.rule}], {event.done}{why}"
