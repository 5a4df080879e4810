"""What recent requests of this SVM's VMs would meet in another version. Pure, but for reading the event store.

Only events are known: the scanners keep no record of requests that met nothing. So an address that an update adds is
found here when it was in an event for another reason: listed already, its name hidden, or part of an attack.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hyperward.databases.changes.model import MAX_TRAFFIC, Traffic, TrafficChange
from hyperward.databases.changes.rules import Number
from hyperward.errors import InputError
from hyperward.events.model import Event, Kind
from hyperward.policy.actions import WebAction
from hyperward.webscan.address import canonical
from hyperward.webscan.address.model import Address
from hyperward.webscan.database.model import Match

NOTE: Final = (
    "Only requests that led to an event are known; addresses that met nothing are not recorded, so more may be blocked."
)
Lookup = Callable[[Address], tuple[Match, ...]]
Actions = Mapping[str, Mapping[str, WebAction]]
"""What a VM's policy does with each category, by VM; a VM without Web Addresses Scan is not there."""
_STRENGTH: Final = {WebAction.OFF: 0, WebAction.REPORT: 1, WebAction.BLOCK: 2}


@dataclass(frozen=True, slots=True)
class Asked:
    """An address that a VM asked for: how often, first and last."""

    vm: str
    address: Address
    requests: int
    first: datetime
    last: datetime


def recent_requests(events: Iterable[Event]) -> tuple[Asked, ...]:
    """Return the addresses in events, each once for every VM that asked."""
    found: dict[tuple[str, str], Asked] = {}
    for event in events:
        address = _address_of(event)
        if address is None or event.vm is None:
            continue
        key = (event.vm.name, str(address))
        known = found.get(key)
        found[key] = Asked(
            event.vm.name,
            address,
            known.requests + 1 if known else 1,
            min(known.first, event.time) if known else event.time,
            max(known.last, event.time) if known else event.time,
        )
    return tuple(found.values())


def recent_detections(events: Iterable[Event]) -> Counter[Number]:
    """Return how often each rule was met."""
    return Counter((event.rule.gid, event.rule.sid) for event in events if event.rule is not None)


def traffic_changes(asked: Iterable[Asked], before: Lookup, after: Lookup, actions: Actions) -> Traffic:
    """Return the addresses that are judged otherwise after an update.

    Args:
        asked: from `recent_requests`.
        before: all databases together, as they were.
        after: as they will be.
        actions: of the policies in force.
    """
    every = tuple(asked)
    changes = [change for one in every for change in _changes(one, before, after, actions.get(one.vm, {}))]
    blocked = [one for one in changes if one.after == WebAction.BLOCK]
    passed = [one for one in changes if one.after != WebAction.BLOCK]
    return Traffic(
        since=min(one.first for one in every).isoformat(timespec="seconds") if every else "",
        addresses=len(every),
        would_block=tuple(sorted(blocked, key=_most_first)[:MAX_TRAFFIC]),
        would_pass=tuple(sorted(passed, key=_most_first)[:MAX_TRAFFIC]),
        blocked=len(blocked),
        passed=len(passed),
        note=NOTE,
    )


def _changes(one: Asked, before: Lookup, after: Lookup, actions: Mapping[str, WebAction]) -> Iterator[TrafficChange]:
    was, old = _decided(before(one.address), actions)
    will, fresh = _decided(after(one.address), actions)
    if (was == WebAction.BLOCK) == (will == WebAction.BLOCK):
        return
    match = fresh or old
    yield TrafficChange(
        vm=one.vm,
        address=str(one.address),
        before=was,
        after=will,
        category=match.entry.category if match else "",
        list=match.entry.list_id if match else "",
        entry=match.entry.text if match else "",
        requests=one.requests,
        last=one.last.isoformat(timespec="seconds"),
    )


def _decided(found: Iterable[Match], actions: Mapping[str, WebAction]) -> tuple[str, Match | None]:
    """Return the strongest action of the entries that are met, and the most exact entry that asks for it."""
    best: tuple[str, Match | None] = ("", None)
    for match in found:
        action = actions.get(match.entry.category, WebAction.OFF)
        if best[1] is None or _STRENGTH[action] > _STRENGTH[WebAction(best[0])]:
            best = (action.value, match)
    return best


def _most_first(one: TrafficChange) -> tuple[int, str, str]:
    return (-one.requests, one.vm, one.address)


def _address_of(event: Event) -> Address | None:
    """Return the address that an event is about: `GET host/path` of a scanner or of the engine, or a name alone."""
    if event.kind not in {Kind.WEB_ADDRESS, Kind.DETECTION} or not event.request:
        return None
    text = event.request.rpartition(" ")[2]
    if text.startswith("/"):
        return None
    try:
        address = canonical(text)
    except InputError:
        return None
    # What shows only a name (TLS, QUIC, DNS) is asked for without a path.
    return address if "/" in text else Address(address.host, "")
