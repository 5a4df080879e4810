"""The engine's records of a capture as they are used here, and their sorting by connection. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Final

import msgspec

from hyperward.errors import InputError
from hyperward.events.detect import CLASS_KEY, parse_time
from hyperward.ips.engine.eve import MAX_LINE, EveRecord
from hyperward.ips.rules.classes import RuleClass
from hyperward.simulate.report import plain

MAX_CONNECTIONS: Final = 500_000
MAX_ALERTS: Final = 500_000
_CLASSES: Final = frozenset(RuleClass)
_SYN_ACK: Final = 0x12


class FlowPart(msgspec.Struct, frozen=True):
    """The `flow` object."""

    pkts_toserver: int = 0
    pkts_toclient: int = 0
    bytes_toserver: int = 0
    bytes_toclient: int = 0
    start: str = ""


class TcpPart(msgspec.Struct, frozen=True):
    """The `tcp` object of a `flow` record: flags seen of each side, in hexadecimal."""

    tcp_flags_ts: str = "0"
    tcp_flags_tc: str = "0"


class Record(EveRecord, frozen=True):
    """An `alert`, `drop` or `flow` record."""

    flow: FlowPart | None = None
    tcp: TcpPart | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule's match, and what became of the packet."""

    time: datetime
    source: str
    to_server: bool
    rule: str
    message: str
    category: RuleClass | None
    dropped: bool
    request: str


@dataclass(slots=True)
class Flow:
    """A connection of the capture. Ends and counts are None and 0 where the engine tells only of alerts."""

    start: datetime
    protocol: str
    client: str
    client_port: int | None
    server: str
    server_port: int | None
    vlan: tuple[int, ...]
    application: str = ""
    packets: int = 0
    bytes: int = 0
    proven: bool = False
    """Whether both ends have proven their addresses by a handshake."""
    dropped: bool = False
    """Whether the engine dropped a packet of it."""
    alerts: list[Alert] = field(default_factory=list)


_decoder = msgspec.json.Decoder(Record)


def flows_of(lines: Iterable[bytes]) -> tuple[list[Flow], int]:
    """Return the connections in an EVE file by time, and the number of lines that could not be read.

    Raises:
        InputError: there are more than are kept in memory.
    """
    flows: dict[object, Flow] = {}
    unreadable = alerts = 0
    for line in lines:
        try:
            if len(line) > MAX_LINE:
                unreadable += 1
                continue
            record = _decoder.decode(line.decode(errors="replace"))
            flow = _add(flows, record)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            unreadable += 1
            continue
        if record.alert is not None:
            alerts += 1
        if len(flows) > MAX_CONNECTIONS or alerts > MAX_ALERTS:
            raise InputError(
                f"the capture has more than {MAX_CONNECTIONS} connections or {MAX_ALERTS} alerts", hint="split it"
            )
        del flow
    return sorted(flows.values(), key=lambda flow: flow.start), unreadable


def _add(flows: dict[object, Flow], record: Record) -> Flow:
    ends = (record.src_ip, record.src_port, record.dest_ip, record.dest_port)
    to_server = record.direction != "to_client"
    client, server = (ends[:2], ends[2:]) if to_server else (ends[2:], ends[:2])
    key = record.flow_id or (record.proto, frozenset((client, server)), record.vlan)
    start = parse_time(record.flow.start if record.flow and record.flow.start else record.timestamp)
    flow = flows.get(key)
    if flow is None:
        flow = flows[key] = Flow(
            start, plain(record.proto, 40), _address(client[0]), client[1], _address(server[0]), server[1], record.vlan
        )
    if record.app_proto not in {"", "failed", "unknown"}:
        flow.application = plain(record.app_proto, 40)
    if record.alert is not None:
        flow.alerts.append(_alert(record, to_server=to_server))
    elif record.drop is not None:
        flow.dropped = True
    elif record.flow is not None:
        flow.packets = record.flow.pkts_toserver + record.flow.pkts_toclient
        flow.bytes = record.flow.bytes_toserver + record.flow.bytes_toclient
        flow.proven = record.tcp is not None and _proven(record.tcp)
    return flow


def _alert(record: Record, *, to_server: bool) -> Alert:
    alert = record.alert
    if alert is None:
        raise ValueError("record without alert")
    verdict = record.verdict.action if record.verdict else ("drop" if alert.action == "blocked" else "alert")
    category = next((value for value in alert.metadata_values(CLASS_KEY) if value in _CLASSES), None)
    return Alert(
        time=parse_time(record.timestamp),
        source=_address(record.src_ip),
        to_server=to_server,
        rule=f"{alert.gid}:{alert.signature_id}:{alert.rev}",
        message=plain(alert.signature),
        category=RuleClass(category) if category else None,
        dropped=verdict in {"drop", "reject"},
        request=plain(record.request()),
    )


def _proven(tcp: TcpPart) -> bool:
    """Tell whether each side has sent SYN and ACK, as `response.blocking.completed` does."""
    return int(tcp.tcp_flags_ts, 16) & int(tcp.tcp_flags_tc, 16) & _SYN_ACK == _SYN_ACK


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return plain(text, 64)
