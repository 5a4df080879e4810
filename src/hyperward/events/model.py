"""An event: what was seen and what was done, for one VM. The fields are those of the product's feature contract."""

from datetime import datetime
from enum import StrEnum

import msgspec

from hyperward.policy.actions import Action, WebAction


class Severity(StrEnum):
    """How much an event matters."""

    CRITICAL = "critical"
    FUNCTIONAL_FAILURE = "functional_failure"
    WARNING = "warning"
    INFORMATIONAL = "informational"


class Feature(StrEnum):
    """Which part of the product an event is about."""

    INTRUSION_PREVENTION = "intrusion_prevention"
    WEB_ADDRESSES = "web_addresses"
    RESPONSE = "response"
    STEERING = "steering"
    POLICY = "policy"
    INVENTORY = "inventory"
    DATABASES = "databases"
    SVM = "svm"


class Kind(StrEnum):
    """What happened."""

    DETECTION = "detection"
    PACKET_DROPPED = "packet_dropped"
    """The engine dropped a packet for another reason than a rule that reports."""
    ENGINE_STARTED = "engine_started"
    ENGINE_ADOPTED = "engine_adopted"
    ENGINE_STOPPED = "engine_stopped"
    ENGINE_CRASHED = "engine_crashed"
    ENGINE_CRASH_LOOP = "engine_crash_loop"
    ENGINE_START_FAILED = "engine_start_failed"
    WEB_ADDRESS = "web_address"
    """A request for an address that a list holds, or that hides its name."""
    SCANNER_STARTED = "scanner_started"
    SCANNER_ADOPTED = "scanner_adopted"
    SCANNER_STOPPED = "scanner_stopped"
    SCANNER_CRASHED = "scanner_crashed"
    SCANNER_CRASH_LOOP = "scanner_crash_loop"
    SCANNER_START_FAILED = "scanner_start_failed"
    DATABASES_UPDATED = "databases_updated"
    DATABASES_REFUSED = "databases_refused"
    """An update or a change of databases was not carried out; what was in force still is."""
    DATABASES_ROLLED_BACK = "databases_rolled_back"
    DATABASES_OLD = "databases_old"
    """Databases were not confirmed as the latest for too long, or are again."""
    OWN_DATABASES = "own_databases"
    """What became of the operator's own lists and rules."""
    ADDRESSES_UNUSABLE = "addresses_unusable"
    """An address database is damaged or missing; what else the scanners follow is in force."""
    ADDRESSES_USABLE = "addresses_usable"
    RULES_IN_FORCE = "rules_in_force"
    RULES_REFUSED = "rules_refused"
    FAILURE_ACTION = "failure_action"
    """A component is down or busy and the failure action of the policy is in force, or no longer is."""
    REQUESTS_LIMITED = "requests_limited"
    """A VM begins more requests than its share while the web scanners are busy: what is beyond is dropped."""
    COPIES_LOST = "copies_lost"
    """Requests of a VM pass that are not judged: no web scanner could take their copies."""
    POLICY_APPLIED = "policy_applied"
    POLICY_REFUSED = "policy_refused"
    PORT_PROTECTED = "port_protected"
    PORT_RELEASED = "port_released"
    SOURCE_BLOCKED = "source_blocked"
    SOURCE_RELEASED = "source_released"
    EVENTS_LOST = "events_lost"
    """Part of an engine file or of the event store could not be read."""
    SVM_STARTED = "svm_started"
    SVM_STOPPED = "svm_stopped"


class Direction(StrEnum):
    """Seen from the VM."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class EventAction(StrEnum):
    """What a policy asks for and what is done: the actions of all features."""

    IGNORE = Action.IGNORE.value
    TERMINATE = Action.TERMINATE.value
    TERMINATE_AND_BLOCK = Action.TERMINATE_AND_BLOCK.value
    BLOCK = WebAction.BLOCK.value
    REPORT = WebAction.REPORT.value
    OFF = WebAction.OFF.value


class Party(StrEnum):
    """Who opened the connection."""

    VM = "vm"
    REMOTE = "remote"


class VmRef(msgspec.Struct, frozen=True, kw_only=True):
    """A VM as the inventory knows it.

    Args:
        name: as people call it.
        path: in the inventory tree.
        id: platform and instance, never an address.
    """

    name: str
    path: str = ""
    id: str = ""


class RuleRef(msgspec.Struct, frozen=True, kw_only=True):
    """The rule that matched.

    Args:
        gid: generator, 1 for rules.
        sid: number of the rule.
        rev: revision of the rule.
        message: its `msg`.
        classification: description of its classtype.
        version: of the rule set it is from.
    """

    gid: int
    sid: int
    rev: int
    message: str = ""
    classification: str = ""
    version: str = ""

    def __str__(self) -> str:
        """Return it as policies name it in `excluded_rules`."""
        return f"{self.gid}:{self.sid}:{self.rev}"


class EntryRef(msgspec.Struct, frozen=True, kw_only=True):
    """The entry of an address list that was met.

    Args:
        list: id of the list.
        entry: its text, as the list's canonical form has it.
        kind: how much of the web it stands for: `domain`, `host`, `prefix`, `exact`.
        id: its number or name in the list; empty where the list has none.
        version: of the address database that the list is in.
    """

    list: str
    entry: str
    kind: str = ""
    id: str = ""
    version: str = ""

    def __str__(self) -> str:
        """Return it for people."""
        number = f" #{self.id}" if self.id else ""
        return f"{self.list}{number}: {self.entry}"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event.

    Args:
        id: UUIDv7: sorts by time.
        time: when it happened, with a zone.
        severity: how much it matters.
        kind: what happened.
        feature: which part of the product saw it.
        message: one line for people.
        svm: name of the node.
        vm: the VM concerned.
        port: number of its NIC.
        vlan: the guest's own VLAN ids, outermost first; empty for untagged.
        direction: of the packet that matched; source and destination are that packet's.
        opened_by: who opened the connection.
        source: address.
        source_port: None where the protocol has none.
        destination: address.
        destination_port: None where the protocol has none.
        protocol: `TCP`, `UDP`, `ICMP`, `IPv6-ICMP` and so on, as the engine names it.
        application: protocol of the application as the engine recognised it.
        category: class of the rule or of the address.
        rule: that matched.
        entry: of an address list, that matched.
        asked: action the policy asks for.
        done: action carried out.
        reason: why `done` differs from `asked`.
        verdict: what became of the packet: `pass`, `drop`, `alert`.
        request: address or name asked for.
        packet: frame that matched, Base64.
        flow: number by which events of one connection are tied together; 0 for none.
        shadow: name of the shadow policy that asks for the action; empty where the active one does. Nothing is done.
    """

    id: str
    time: datetime
    severity: Severity
    kind: Kind
    feature: Feature
    message: str = ""
    svm: str = ""
    vm: VmRef | None = None
    port: int | None = None
    vlan: tuple[int, ...] = ()
    direction: Direction | None = None
    opened_by: Party | None = None
    source: str = ""
    source_port: int | None = None
    destination: str = ""
    destination_port: int | None = None
    protocol: str = ""
    application: str = ""
    category: str = ""
    rule: RuleRef | None = None
    entry: EntryRef | None = None
    asked: EventAction | None = None
    done: EventAction | None = None
    reason: str = ""
    verdict: str = ""
    request: str = ""
    packet: str = ""
    flow: int = 0
    shadow: str = ""
