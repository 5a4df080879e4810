"""Findings to records: what is written, and what is a repetition of the same. Pure."""

import base64
from collections.abc import Hashable
from ipaddress import ip_address
from typing import Final

from hyperward.webscan.protocols.model import WebProtocol
from hyperward.webscan.scanner.commands import Found
from hyperward.webscan.scanner.frames import TAG_END, TCP
from hyperward.webscan.scanner.records import WebRecord
from hyperward.webscan.settings import WebAction

MAX_PACKET: Final = 1_600
LONGEST_ADDRESS: Final = 8_192
_DNS_SECONDS: Final = 5.0
_QUIC_SECONDS: Final = 30.0
_HIDDEN_SECONDS: Final = 3_600.0


def repeated_as(found: Found) -> tuple[Hashable, float] | None:
    """Return what tells a finding from another one, and for how many seconds it counts as the same; None for never.

    Every request over TCP is one of its own. A resolver repeats a query, a client its Initials; and a connection that
    hides its name is worth one event for each outer name, not one for each of hundreds of connections.
    """
    packet, verdict = found.packet, found.verdict
    if verdict.hidden_name and verdict.match is None and not verdict.block:
        return (packet.port, "hidden", str(verdict.address)), _HIDDEN_SECONDS
    if found.request.protocol is WebProtocol.DNS and packet.protocol != TCP:
        return (packet.key, found.request.query_id, str(verdict.address)), _DNS_SECONDS
    if found.request.protocol is WebProtocol.QUIC:
        return (packet.key, str(verdict.address)), _QUIC_SECONDS
    return None


def record_of(found: Found, time: float) -> WebRecord:
    """Return the record of a finding.

    Args:
        found: what was found and done.
        time: seconds since the epoch.
    """
    packet, verdict, request = found.packet, found.verdict, found.request
    match = verdict.match
    entry = match.entry if match else None
    asked = verdict.asked if verdict.asked is not WebAction.OFF else WebAction.REPORT
    plain = packet.frame[:12] + packet.frame[TAG_END : TAG_END + MAX_PACKET - 12]
    return WebRecord(
        time=time,
        event=found.event,
        port=packet.port,
        copy=packet.copy,
        source=str(ip_address(packet.source)),
        source_port=packet.source_port,
        destination=str(ip_address(packet.destination)),
        destination_port=packet.destination_port,
        transport="TCP" if packet.protocol == TCP else "UDP",
        vlan=packet.vlan,
        protocol=request.protocol,
        address=str(verdict.address or "")[:LONGEST_ADDRESS],
        method=request.method.decode("ascii", "replace")[:32],
        category=entry.category if entry else "",
        list_id=entry.list_id if entry else "",
        entry=entry.text if entry else "",
        entry_kind=entry.kind.name.lower() if entry else "",
        entry_id=entry.entry_id if entry else "",
        database=match.version if match else "",
        asked=asked,
        done=found.done,
        reason=found.reason,
        exempt=verdict.exempt,
        hidden_name=verdict.hidden_name,
        packet=base64.b64encode(plain).decode("ascii"),
    )
