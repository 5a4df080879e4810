"""The conditions for protection of a VM: each with its state, since when, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from hyperward.inventory.models import Vm
from hyperward.policy.fields import Mode


class Status(StrEnum):
    """What a VM's owner wants to know first."""

    PROTECTED = "protected"
    IDLE = "attached, idle"
    """Everything is in place, but no traffic was seen yet."""
    MONITORED = "monitored"
    """Looked at, never acted upon: the policy's mode is monitoring."""
    NOT_PROTECTED = "not protected"


class Fact(NamedTuple):
    """Something that holds or not, since a point in time; None when nobody knows since when."""

    ok: bool
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class PortFacts:
    """What is known about one port.

    Args:
        interface: its name.
        present: the interface exists on this machine.
        attached: the steering program is attached to it.
        traffic: a packet was seen.
    """

    interface: str
    present: Fact
    attached: Fact
    traffic: Fact


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What is known about the engine of Intrusion Prevention.

    Args:
        runs: its process runs.
        answers: it answers in time.
        rules: the rule set of the VM is loaded.
    """

    runs: Fact
    answers: Fact
    rules: Fact


@dataclass(frozen=True, slots=True)
class ScannerFacts:
    """What is known about the web scanners; each of them sees a part of the VM's connections.

    Args:
        run: the processes of all of them run.
        answer: all of them answer in time.
        follow: all of them follow the policy of the VM.
        databases: all of them have an address database.
    """

    run: Fact
    answer: Fact
    follow: Fact
    databases: Fact


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What is known about the application databases.

    Args:
        fresh: they are there and not too old.
        what_to_do: if they are not.
    """

    fresh: Fact
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the daemon knows about one VM and the components that serve it.

    Args:
        policy: the name of the active policy that covers the VM, None without one.
        covered: such a policy exists and has a feature on.
        mode: the policy's mode; None without a policy.
        engine: what is known about the engine; None when the policy does not need it.
        scanners: the same of the web scanners.
        ports: the VM's ports, in the inventory's order.
        databases: what is known about the databases; None when nobody asked for updates.
    """

    policy: str | None
    covered: Fact
    mode: Mode | None
    engine: EngineFacts | None
    ports: tuple[PortFacts, ...]
    scanners: ScannerFacts | None = None
    databases: DatabaseFacts | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition.

    Args:
        name: what has to hold, as a statement for people.
        ok: whether it does.
        since: since when it does or does not; None when nobody knows.
        what_to_do: how to make it hold; empty when it does.
        needed: False for the condition that traffic was seen, whose absence is no fault.
    """

    name: str
    ok: bool
    since: datetime | None
    what_to_do: str = ""
    needed: bool = True


def protection(vm: Vm, facts: Facts) -> list[Condition]:
    """Return the conditions of a VM, in the order in which they are to be mended."""
    conditions = [_covered(vm, facts)]
    if not vm.ports:
        conditions.append(
            Condition(
                "the VM has a port", ok=False, since=None, what_to_do=f"list the ports of '{vm.name}' in the inventory"
            )
        )
    known = {port.interface: port for port in facts.ports}
    for port in vm.ports:
        conditions += _port(port.interface, known.get(port.interface))
    return [
        *conditions,
        *(_engine(facts.engine) if facts.engine is not None else ()),
        *(_scanners(facts.scanners) if facts.scanners is not None else ()),
        *(_databases(facts.databases) if facts.databases is not None else ()),
        *(_traffic(known[port.interface]) for port in vm.ports if port.interface in known),
    ]


def status(conditions: Sequence[Condition], mode: Mode | None) -> Status:
    """Return what the conditions amount to.

    Args:
        conditions: of one VM, from `protection`.
        mode: the mode of the policy that covers it; None without one.
    """
    if mode is None or not conditions or any(condition.needed and not condition.ok for condition in conditions):
        return Status.NOT_PROTECTED
    if mode is Mode.MONITORING:
        return Status.MONITORED
    seen = [condition.ok for condition in conditions if not condition.needed]
    # One busy port proves the path; a second NIC may be silent for days.
    return Status.PROTECTED if any(seen) else Status.IDLE


def _covered(vm: Vm, facts: Facts) -> Condition:
    name = "an active policy with a feature on covers it"
    if facts.policy is None:
        return _condition(name, facts.covered, f"assign an active policy to '{vm.name}'")
    return _condition(
        name, facts.covered, f"turn on intrusion_prevention or web_addresses in the policy '{facts.policy}'"
    )


def _port(interface: str, facts: PortFacts | None) -> list[Condition]:
    present, attached = (facts.present, facts.attached) if facts else (Fact(ok=False), Fact(ok=False))
    return [
        _condition(
            f"the interface {interface} is there", present, "start the VM, or correct the interface in the inventory"
        ),
        _condition(
            f"steering is attached to {interface}", attached, "wait for the daemon, or look for the reason in its log"
        ),
    ]


def _engine(facts: EngineFacts) -> list[Condition]:
    return [
        _condition(
            "the engine runs", facts.runs, "look for the reason in the daemon's log; it starts the engine again"
        ),
        _condition("the engine answers", facts.answers, "wait a second; if it stays, look into the engine's log"),
        _condition("the rules of its policy are loaded", facts.rules, "look for refused rules in the daemon's log"),
    ]


def _scanners(facts: ScannerFacts) -> list[Condition]:
    return [
        _condition("the web scanners run", facts.run, "look for the reason in the daemon's log; it starts them again"),
        _condition("the web scanners answer", facts.answer, "wait a second; if it stays, look into their logs"),
        _condition("the web scanners follow its policy", facts.follow, "see hyperward status for what they refuse"),
        _condition(
            "an address database is in use",
            facts.databases,
            "name one under addresses in the SVM's configuration; see hyperward status for what is wrong with it",
        ),
    ]


def _databases(facts: DatabaseFacts) -> list[Condition]:
    return [_condition("databases are present and not too old", facts.fresh, facts.what_to_do)]


def _traffic(facts: PortFacts) -> Condition:
    ok, since = facts.traffic
    advice = "" if ok else "nothing, if the VM is silent; else check that the interface is the VM's"
    return Condition(f"traffic was seen at {facts.interface}", ok, since, advice, needed=False)


def _condition(name: str, fact: Fact, what_to_do: str) -> Condition:
    return Condition(name, fact.ok, fact.since, "" if fact.ok else what_to_do)
