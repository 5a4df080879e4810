from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace as changed

from hyperward.events.model import Event, EventAction, Feature, Kind, RuleRef, Severity, VmRef
from hyperward.lab.evidence import Expectation, Tried, events_by_attack, judge
from hyperward.lab.outcome import Outcome, Result
from hyperward.lab.plan import plan_lab
from hyperward.lab.scenario import Attack, attacks

PLAN = plan_lab(vms=1)
BY_NAME = {attack.name: attack for attack in attacks(PLAN)}
IN = BY_NAME["log4shell-out-vm1-v4"]
OUT = BY_NAME["log4shell-vm1-out-v4"]
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def tried(attack: Attack = IN, *, after: float = 0, result: Result = Result.RESET, arrived: bool = False) -> Tried:
    address = PLAN.node(attack.client).address(attack.family)
    return Tried(attack, address, BEGAN + timedelta(seconds=after), Outcome(result), arrived)


def event(one: Tried, *, after: float = 0.1, answer: bool = False) -> Event:
    ends = [(one.client_address, 40000), (one.attack.server_address, one.attack.message.port)]
    source, destination = reversed(ends) if answer else ends
    return Event(
        id="1",
        time=one.began + timedelta(seconds=after),
        severity=Severity.CRITICAL,
        kind=Kind.DETECTION,
        feature=Feature.INTRUSION_PREVENTION,
        vm=VmRef(name=one.attack.vm),
        source=source[0],
        source_port=source[1],
        destination=destination[0],
        destination_port=destination[1],
        category=one.attack.kind.rule_class,
        rule=RuleRef(gid=1, sid=7, rev=2),
        asked=EventAction.TERMINATE,
        done=EventAction.TERMINATE,
        verdict="drop",
    )


def test_an_event_belongs_to_the_last_attack_on_its_connection_that_began_before_it() -> None:
    first, second, other_way = tried(), tried(after=5), tried(OUT)
    events = [event(first), event(first, after=4.9), event(second), event(other_way), event(first, after=-1)]
    assert events_by_attack([second, first, other_way], events) == [[events[2]], events[:2], [events[3]]]


def test_the_packet_that_matched_may_have_been_the_answer() -> None:
    assert events_by_attack([tried()], [event(tried(), answer=True)])[0] != []


def test_ipv6_addresses_are_compared_as_addresses() -> None:
    one = tried(BY_NAME["log4shell-out-vm1-v6"])
    written_out = changed(event(one), destination="fd77:0000:0000:0000:0000:0000:0000:0011")
    assert events_by_attack([one], [written_out]) == [[written_out]]
    assert events_by_attack([one], [changed(written_out, destination="fd77::12")]) == [[]]


def test_what_is_no_detection_or_has_no_ports_belongs_to_nothing() -> None:
    good = event(tried())
    others = [
        changed(good, kind=Kind.PACKET_DROPPED),
        changed(good, source_port=None),
        changed(good, source="10.9.9.9"),
    ]
    assert events_by_attack([tried()], others) == [[]]


def test_blocked_is_reset_not_arrived_and_an_event_that_says_so() -> None:
    row = judge(tried(), [event(tried())], Expectation.BLOCKED)
    assert row.ok
    assert row.event == "1"
    assert "event for vm1" in row.happened
    assert "[1:7:2], terminate" in row.happened


@pytest.mark.parametrize(
    "wrong",
    [
        {"vm": VmRef(name="vm2")},
        {"vm": None},
        {"category": "info"},
        {"rule": None},
        {"done": EventAction.IGNORE},
        {"asked": EventAction.IGNORE},
        {"verdict": "alert"},
    ],
    ids=str,
)
def test_an_event_that_says_something_else_is_no_proof(wrong: dict[str, object]) -> None:
    assert not judge(tried(), [changed(event(tried()), **wrong)], Expectation.BLOCKED).ok


def test_a_blocked_source_is_told_as_the_action_done() -> None:
    both = {"asked": EventAction.TERMINATE_AND_BLOCK, "done": EventAction.TERMINATE_AND_BLOCK}
    assert judge(tried(), [changed(event(tried()), **both)], Expectation.SOURCE_BLOCKED).ok
    refused = changed(event(tried()), asked=EventAction.TERMINATE_AND_BLOCK, reason="it never completed a handshake")
    assert not judge(tried(), [refused], Expectation.SOURCE_BLOCKED).ok
    assert not judge(tried(), [event(tried())], Expectation.SOURCE_BLOCKED).ok


@pytest.mark.parametrize("one", [tried(arrived=True), tried(result=Result.TIMED_OUT), tried(result=Result.COMPLETED)])
def test_an_attack_that_was_not_cut_is_not_blocked(one: Tried) -> None:
    assert not judge(one, [event(one)], Expectation.BLOCKED).ok


def test_reported_is_passed_with_an_event_that_gives_the_reason() -> None:
    one = tried(result=Result.COMPLETED, arrived=True)
    seen = changed(event(one), done=EventAction.IGNORE, verdict="alert", reason="monitoring mode")
    row = judge(one, [seen], Expectation.REPORTED)
    assert row.ok
    assert "ignore (terminate asked: monitoring mode)" in row.happened
    assert not judge(one, [changed(seen, reason="")], Expectation.REPORTED).ok
    assert not judge(tried(), [seen], Expectation.REPORTED).ok
    assert not judge(one, [], Expectation.REPORTED).ok


def test_untouched_is_passed_without_any_event() -> None:
    one = tried(result=Result.COMPLETED, arrived=True)
    assert judge(one, [], Expectation.UNTOUCHED).ok
    assert not judge(one, [event(one)], Expectation.UNTOUCHED).ok
    assert not judge(tried(), [], Expectation.UNTOUCHED).ok
