from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hyperward.inventory.models import Port, Vm
from hyperward.policy.fields import Mode
from hyperward.svm.conditions import (
    DatabaseFacts,
    EngineFacts,
    Fact,
    Facts,
    PortFacts,
    ScannerFacts,
    Status,
    protection,
    status,
)

SINCE = datetime(2026, 6, 1, tzinfo=UTC)
YES, NO = Fact(ok=True, since=SINCE), Fact(ok=False, since=SINCE)
VM = Vm("web", "web", "static", (), (Port("tap1"), Port("tap2")))
ENGINE = EngineFacts(YES, YES, YES)
GOOD = Facts(
    policy="Servers",
    covered=YES,
    mode=Mode.STANDARD,
    engine=ENGINE,
    ports=(PortFacts("tap1", YES, YES, YES), PortFacts("tap2", YES, YES, NO)),
)


SCANNED = ScannerFacts(YES, YES, YES, YES)


def status_of(facts: Facts, vm: Vm = VM) -> Status:
    return status(protection(vm, facts), facts.mode)


def failing(facts: Facts, vm: Vm = VM) -> dict[str, str]:
    return {item.name: item.what_to_do for item in protection(vm, facts) if not item.ok and item.needed}


def test_all_conditions_hold() -> None:
    conditions = protection(VM, GOOD)
    assert [condition.name for condition in conditions] == [
        "an active policy with a feature on covers it",
        "the interface tap1 is there",
        "steering is attached to tap1",
        "the interface tap2 is there",
        "steering is attached to tap2",
        "the engine runs",
        "the engine answers",
        "the rules of its policy are loaded",
        "traffic was seen at tap1",
        "traffic was seen at tap2",
    ]
    assert all(condition.since == SINCE for condition in conditions)
    assert all(not condition.what_to_do for condition in conditions if condition.ok)
    assert status_of(GOOD) is Status.PROTECTED


def test_only_what_the_policy_needs_is_asked_for() -> None:
    web = protection(VM, replace(GOOD, engine=None, scanners=SCANNED))
    assert [condition.name for condition in web if "scanner" in condition.name or "database" in condition.name] == [
        "the web scanners run",
        "the web scanners answer",
        "the web scanners follow its policy",
        "an address database is in use",
    ]
    assert not any("engine" in condition.name for condition in web)
    assert status(web, Mode.STANDARD) is Status.PROTECTED


def test_without_traffic_it_is_idle() -> None:
    idle = replace(GOOD, ports=tuple(replace(port, traffic=NO) for port in GOOD.ports))
    assert status_of(idle) is Status.IDLE
    assert str(status_of(idle)) == "attached, idle"
    assert failing(idle) == {}


def test_monitoring_is_never_called_protected() -> None:
    assert status_of(replace(GOOD, mode=Mode.MONITORING)) is Status.MONITORED
    assert status_of(replace(GOOD, mode=Mode.MONITORING, engine=EngineFacts(NO, YES, YES))) is Status.NOT_PROTECTED


@pytest.mark.parametrize(
    "facts",
    [
        replace(GOOD, covered=NO),
        *(replace(GOOD, engine=replace(ENGINE, **{name: NO})) for name in ("runs", "answers", "rules")),
        *(replace(GOOD, scanners=replace(SCANNED, **{n: NO})) for n in ("run", "answer", "follow", "databases")),
    ],
)
def test_each_condition_is_needed_and_says_what_to_do(facts: Facts) -> None:
    assert status_of(facts) is Status.NOT_PROTECTED
    (advice,) = failing(facts).values()
    assert advice


@pytest.mark.parametrize("fact", ["present", "attached"])
def test_every_port_is_needed(fact: str) -> None:
    facts = replace(GOOD, ports=(GOOD.ports[0], replace(GOOD.ports[1], **{fact: NO})))  # type: ignore[arg-type]
    assert status_of(facts) is Status.NOT_PROTECTED
    ((name, advice),) = failing(facts).items()
    assert "tap2" in name
    assert advice


def test_a_port_that_nothing_is_known_about_is_not_protected() -> None:
    facts = replace(GOOD, ports=GOOD.ports[:1])
    assert status_of(facts) is Status.NOT_PROTECTED
    assert list(failing(facts)) == ["the interface tap2 is there", "steering is attached to tap2"]


def test_a_vm_without_ports_is_not_protected() -> None:
    vm = Vm("web", "web", "static")
    assert status_of(GOOD, vm) is Status.NOT_PROTECTED
    assert failing(GOOD, vm) == {"the VM has a port": "list the ports of 'web' in the inventory"}


def test_without_a_policy() -> None:
    facts = replace(GOOD, policy=None, covered=NO, mode=None)
    assert status_of(facts) is Status.NOT_PROTECTED
    assert list(failing(facts).values()) == ["assign an active policy to 'web'"]
    off = replace(GOOD, covered=NO)
    assert list(failing(off).values()) == ["turn on intrusion_prevention or web_addresses in the policy 'Servers'"]
    assert status([], Mode.STANDARD) is Status.NOT_PROTECTED


def test_databases_that_are_too_old_are_a_condition() -> None:
    assert status_of(replace(GOOD, databases=DatabaseFacts(YES, "update"))) is Status.PROTECTED
    old = replace(GOOD, databases=DatabaseFacts(NO, "update"))
    assert status_of(old) is Status.NOT_PROTECTED
    assert failing(old) == {"databases are present and not too old": "update"}
