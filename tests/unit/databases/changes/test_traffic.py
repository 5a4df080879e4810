from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hyperward.databases.changes.traffic import recent_detections, recent_requests, traffic_changes
from hyperward.events.model import Event, Feature, Kind, RuleRef, Severity, VmRef
from hyperward.policy.actions import WebAction
from hyperward.webscan.address.model import Address
from hyperward.webscan.database.model import Entry, EntryKind, Match

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ACTIONS = {"web": {"malicious": WebAction.BLOCK, "advertising": WebAction.REPORT}}


def event(request: str, *, vm: str = "web", minute: int = 0, kind: Kind = Kind.WEB_ADDRESS, sid: int = 0) -> Event:
    return Event(
        id="x",
        time=NOW + timedelta(minutes=minute),
        severity=Severity.WARNING,
        kind=kind,
        feature=Feature.WEB_ADDRESSES,
        vm=VmRef(name=vm),
        request=request,
        rule=RuleRef(gid=1, sid=sid, rev=1) if sid else None,
    )


def lookup(**categories: str) -> Callable[[Address], tuple[Match, ...]]:
    def look(address: Address) -> tuple[Match, ...]:
        category = categories.get(address.host.partition(".")[0])
        entry = Entry(EntryKind.HOST, address.host, category or "", "a")
        return (Match(entry, "1"),) if category else ()

    return look


def test_requests_are_counted_by_vm_and_address() -> None:
    found = recent_requests(
        [event("GET a.example/x"), event("GET a.example/x", minute=2), event("b.example"), event("GET /etc/passwd")]
    )
    assert [(one.vm, str(one.address), one.requests) for one in found] == [
        ("web", "a.example/x", 2),
        ("web", "b.example", 1),
    ]
    assert found[0].last - found[0].first == timedelta(minutes=2)


def test_what_would_be_blocked_and_what_would_pass() -> None:
    asked = recent_requests([event("added.example"), event("gone.example"), event("same.example"), event("ad.example")])
    before = lookup(gone="malicious", same="malicious", ad="advertising")
    after = lookup(added="malicious", same="malicious", ad="advertising")
    found = traffic_changes(asked, before, after, ACTIONS)
    assert [(one.address, one.before, one.after) for one in found.would_block] == [("added.example", "", "block")]
    assert [(one.address, one.before, one.after) for one in found.would_pass] == [("gone.example", "block", "")]
    assert (found.addresses, found.blocked, found.passed) == (4, 1, 1)
    assert "not recorded" in found.note


def test_a_vm_that_is_not_scanned_loses_nothing() -> None:
    asked = recent_requests([event("added.example", vm="other")])
    assert traffic_changes(asked, lookup(), lookup(added="malicious"), ACTIONS).would_block == ()


def test_an_address_that_becomes_worse_is_told() -> None:
    asked = recent_requests([event("x.example")])
    (change,) = traffic_changes(asked, lookup(x="advertising"), lookup(x="malicious"), ACTIONS).would_block
    assert (change.before, change.after, change.category) == ("report", "block", "malicious")


def test_no_requests() -> None:
    assert traffic_changes((), lookup(), lookup(), ACTIONS).since == ""


def test_detections_are_counted_by_rule() -> None:
    events = [event("", kind=Kind.DETECTION, sid=7), event("", kind=Kind.DETECTION, sid=7), event("x.example")]
    assert recent_detections(events) == {(1, 7): 2}
