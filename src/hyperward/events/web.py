"""A scanner's record to an event of a VM. Pure: what it needs to know about ports comes through `WebPortLookup`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

from hyperward.events.model import Direction, EntryRef, Event, EventAction, Feature, Kind, Party, Severity, VmRef
from hyperward.fromjson import from_json
from hyperward.policy.actions import WebAction
from hyperward.webscan.scanner.records import WebRecord

MAX_RECORD: Final = 64 * 1024
"""Bytes of a record. An address has at most 8 KiB or so, the packet 1,600 bytes before Base64."""
MAX_ADDRESS: Final = 8 * 1024
"""Characters of an address in an event."""
_MESSAGE: Final = 200
"""Characters of an address in the line for people; the whole one is in `request`."""
_DONE: Final[Mapping[str, EventAction]] = {"blocked": EventAction.BLOCK, "reported": EventAction.REPORT}
_DANGEROUS: Final = frozenset({"malicious", "phishing"})


@dataclass(frozen=True, slots=True)
class WebPort:
    """What an event has to say about the port behind a port id.

    Args:
        vm: whose NIC it is.
        copy_reason: why only copies of its packets are looked at: monitoring mode, an exclusion.
    """

    vm: VmRef
    copy_reason: str = "monitoring mode"


class WebPortLookup(Protocol):
    """Finds the port that a port id stands for."""

    def by_port(self, port_id: int) -> WebPort | None:
        """Return the port; None for an id that was never given away."""


def decode_record(line: bytes) -> WebRecord:
    """Return the record in a line.

    Raises:
        ValueError: it is not a record, or its id is not a UUID.
    """
    record = from_json(line, WebRecord)
    UUID(record.event)
    return record


def event_of_record(record: WebRecord, ports: WebPortLookup, *, svm: str) -> Event:
    """Return the event that a record means.

    A port that is not known any more still makes an event, without the VM: what was blocked is never silent.

    Raises:
        ValueError: the record's time or what was done cannot be understood.
    """
    port = ports.by_port(record.port)
    if record.done not in _DONE:
        raise ValueError(f"nobody knows what was done: '{record.done[:40]}'")
    done = _DONE[record.done]
    address = record.address[:MAX_ADDRESS]
    return Event(
        id=record.event,
        time=_time(record.time),
        severity=_severity(record),
        kind=Kind.WEB_ADDRESS,
        feature=Feature.WEB_ADDRESSES,
        message=_message(record),
        svm=svm,
        vm=port.vm if port else None,
        port=record.port,
        vlan=record.vlan,
        direction=Direction.OUTBOUND,
        opened_by=Party.VM,
        source=record.source,
        source_port=record.source_port,
        destination=record.destination,
        destination_port=record.destination_port,
        protocol=record.transport,
        application=record.protocol.value,
        category=record.category,
        entry=_entry(record),
        asked=EventAction(record.asked.value),
        done=done,
        reason=_reason(record, port),
        verdict="drop" if done is EventAction.BLOCK else "pass",
        request=f"{record.method} {address}" if record.method else address,
        packet=record.packet,
    )


def _time(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"no such time: {seconds}") from error


def _entry(record: WebRecord) -> EntryRef | None:
    if not record.entry:
        return None
    return EntryRef(
        list=record.list_id,
        entry=record.entry,
        kind=record.entry_kind,
        id=record.entry_id,
        version=record.database,
    )


def _message(record: WebRecord) -> str:
    address = record.address if len(record.address) <= _MESSAGE else f"{record.address[:_MESSAGE]}..."
    text = f"{record.category} address" if record.category else "hidden name"
    also = ", and the name that is meant is hidden" if record.category and record.hidden_name else ""
    return " ".join(f"{text}: {address}{also}".split())


def _reason(record: WebRecord, port: WebPort | None) -> str:
    if record.exempt:
        return f"never_block: {record.exempt}"
    # Only the daemon can tell why a packet came as a copy.
    if record.copy and record.asked is WebAction.BLOCK and port is not None:
        return port.copy_reason
    return record.reason


def _severity(record: WebRecord) -> Severity:
    if record.exempt or not record.category:
        return Severity.INFORMATIONAL
    if record.category in _DANGEROUS:
        return Severity.CRITICAL
    return Severity.WARNING if record.asked is WebAction.BLOCK else Severity.INFORMATIONAL
