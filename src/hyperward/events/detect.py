"""An engine's alert to an event of a VM. Pure: what it needs to know about ports comes through `PortLookup`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Final, Protocol

from msgspec.structs import replace

from hyperward.events.ids import derived_id
from hyperward.events.model import Direction, Event, EventAction, Feature, Kind, Party, RuleRef, Severity, VmRef
from hyperward.ips.engine.eve import EveRecord
from hyperward.ips.rules.classes import RuleClass
from hyperward.policy.actions import Action
from hyperward.steering.layout import TCI_COPY_TO_VM

CLASS_KEY: Final = "hyperward_class"
"""Metadata that the rule compiler adds to every rule."""
CONSEQUENCES: Final = frozenset({"rules", "flow drop"})
"""Reasons of drops that follow from a detection: the alert makes the event, the rest of its connection makes none."""
_CLASSES: Final = frozenset(RuleClass)
_ZONE: Final = re.compile(r"([+-]\d\d)(\d\d)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortView:
    """What an event has to say about the port behind a VLAN id.

    Args:
        port: its number.
        vm: whose NIC it is.
        mac: of the NIC, lower case with colons.
        enforce: whether this VLAN id is the one under which actions are carried out.
        observe_reason: why not, where it is not: monitoring mode, an exclusion.
        asked: the policy's action by class of rule; a class that is missing is only reported.
        rules_version: of the rule set in force.
        shadow: name of the policy, where only copies for a shadow policy travel under this VLAN id.
    """

    port: int
    vm: VmRef
    mac: str = ""
    enforce: bool = True
    observe_reason: str = "monitoring mode"
    asked: Mapping[RuleClass, Action] = field(default_factory=dict)
    rules_version: str = ""
    shadow: str = ""


class PortLookup(Protocol):
    """Finds the port that a VLAN id stands for."""

    def by_vid(self, vid: int) -> PortView | None:
        """Return the port; None for a VLAN id that belongs to none (any more)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record was read, and by whom.

    Args:
        svm: name of the node.
        source: which file, as `Batch.source` says.
        offset: where the line begins.
        line: its bytes.
        guest_interface: where the engine gets frames from guests.
        network_interface: where it gets frames for guests.
    """

    svm: str
    source: str
    offset: int
    line: bytes
    guest_interface: str = "hwg1"
    network_interface: str = "hwn1"


def event_of(record: EveRecord, ports: PortLookup, origin: Origin) -> Event | None:
    """Return the event that a record of the engine means; None for a kind of record that means none.

    A port that is not known any more still makes an event, without the VM: what was blocked is never silent.

    The action done is `terminate` where the policy asks for a block as well: that of the source is carried out later,
    by the response, which says so itself.

    Raises:
        ValueError: the record's time cannot be read.
    """
    if record.alert is None and (record.drop is None or record.drop.reason in CONSEQUENCES):
        return None
    time = parse_time(record.timestamp)
    view = ports.by_vid(record.vlan[0]) if record.vlan else None
    if record.alert is None and view is not None and view.shadow:
        # Of a copy: the packet itself went its way under the active policy, which reports for itself.
        return None
    direction = direction_of(record, view, origin)
    event = Event(
        id=derived_id(time, origin.source, origin.offset, origin.line),
        time=time,
        severity=Severity.INFORMATIONAL,
        kind=Kind.PACKET_DROPPED,
        feature=Feature.INTRUSION_PREVENTION,
        svm=origin.svm,
        vm=view.vm if view else None,
        port=view.port if view else None,
        vlan=record.vlan[1:],
        direction=direction,
        opened_by=_opener(record, direction),
        source=_address(record.src_ip),
        source_port=record.src_port,
        destination=_address(record.dest_ip),
        destination_port=record.dest_port,
        protocol=record.proto,
        application=record.app_proto if record.app_proto not in {"failed", "unknown"} else "",
        request=record.request(),
        packet=record.packet_base64(),
        flow=record.flow_id or 0,
        shadow=view.shadow if view else "",
    )
    return _detection(event, record, view) if record.alert is not None else _dropped(event, record)


def direction_of(record: EveRecord, view: PortView | None, origin: Origin) -> Direction | None:
    """Return the way of the packet, seen from the VM; None where nothing tells."""
    if record.in_iface == origin.guest_interface:
        return Direction.INBOUND if record.outer_tci() & TCI_COPY_TO_VM else Direction.OUTBOUND
    if record.in_iface == origin.network_interface:
        return Direction.INBOUND
    macs = record.macs()
    if view is not None and view.mac:
        if macs.src_mac.lower() == view.mac:
            return Direction.OUTBOUND
        if macs.dest_mac.lower() == view.mac:
            return Direction.INBOUND
    return None


def parse_time(text: str) -> datetime:
    """Return the time in an EVE timestamp, `2026-11-22T12:29:10.423124+0000`.

    Raises:
        ValueError: it has another form, or no zone.
    """
    # Python 3.11 reads both forms of the zone, but the colon makes the form certain.
    time = datetime.fromisoformat(_ZONE.sub(r"\1:\2", text))
    if time.tzinfo is None:
        raise ValueError(f"time without zone: {text!r}")
    return time


def _detection(event: Event, record: EveRecord, view: PortView | None) -> Event:
    alert = record.alert
    if alert is None:
        raise ValueError("record without alert")
    category = next((value for value in alert.metadata_values(CLASS_KEY) if value in _CLASSES), "")
    asked = EventAction(view.asked.get(RuleClass(category), Action.IGNORE) if view and category else Action.IGNORE)
    verdict = record.verdict.action if record.verdict else ("drop" if alert.action == "blocked" else "alert")
    dropped = verdict in {"drop", "reject"} and not event.shadow
    done = EventAction.TERMINATE if dropped else EventAction.IGNORE
    return replace(
        event,
        kind=Kind.DETECTION,
        severity=_severity(category),
        message=alert.signature,
        category=category,
        rule=RuleRef(
            gid=alert.gid,
            sid=alert.signature_id,
            rev=alert.rev,
            message=alert.signature,
            classification=alert.category,
            version=view.rules_version if view else "",
        ),
        asked=asked,
        done=done,
        reason=_why(asked, view, dropped=dropped),
        verdict=verdict,
    )


def _dropped(event: Event, record: EveRecord) -> Event:
    reason = record.drop.reason if record.drop else ""
    return replace(
        event,
        severity=Severity.WARNING,
        message=f"the engine dropped a packet: {reason or 'no reason given'}",
        done=EventAction.TERMINATE,
        reason=reason,
        verdict="drop",
    )


def _why(asked: EventAction, view: PortView | None, *, dropped: bool) -> str:
    """Return why what was done is not what was asked; empty where it is."""
    if view is None:
        return "the port is not known any more"
    if asked is EventAction.IGNORE:
        return "another rule dropped the packet" if dropped else ""
    if dropped:
        return "" if view.enforce else "another rule dropped the packet"
    return view.observe_reason if not view.enforce else "the rule only reports"


def _address(text: str) -> str:
    """Return an address as people write it (RFC 5952); the engine spells every zero out. Anything else stays."""
    try:
        return str(ip_address(text))
    except ValueError:
        return text


def _severity(category: str) -> Severity:
    if category in {RuleClass.NETWORK_ATTACK, RuleClass.MALWARE}:
        return Severity.CRITICAL
    return Severity.INFORMATIONAL if category == RuleClass.INFO else Severity.WARNING


def _opener(record: EveRecord, direction: Direction | None) -> Party | None:
    if direction is None or record.direction not in {"to_server", "to_client"}:
        return None
    from_vm = direction is Direction.OUTBOUND
    return Party.VM if from_vm == (record.direction == "to_server") else Party.REMOTE
