"""From the connections of a capture and a policy to the report. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final

from hyperward.events.model import Direction
from hyperward.ips.rules.classes import RuleClass
from hyperward.policy.actions import Action
from hyperward.policy.fields import Mode
from hyperward.response.blocking import NeverBlock, block_minutes
from hyperward.simulate.records import Alert, Flow
from hyperward.simulate.report import Connection, Detection, RowSummary, RuleSummary, SourceBlock, Verdict, plain
from hyperward.simulate.rows import Decide, Decision, RowAction, Traffic, no_rows
from hyperward.simulate.sides import Sides

MAX_DETECTIONS: Final = 10
"""Rules that are shown of one connection."""
NO_HANDSHAKE: Final = "no complete handshake: its data was not inspected"
"""Why a connection passes about which nothing is known; on the data path such a connection goes on as well."""
_ORDER: Final = {verdict: number for number, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulings:
    """What a policy says, as far as a simulation needs it.

    Args:
        mode: standard or monitoring.
        asked: the action by class of rule; a class that is missing is only reported.
        block_minutes: how long a source is blocked.
        never: sources that are never blocked.
        sides: finds the VM.
        decide: asks the exclusion rows.
    """

    mode: Mode
    asked: Mapping[RuleClass, Action]
    block_minutes: int
    sides: Sides
    never: NeverBlock = field(default_factory=NeverBlock)
    decide: Decide = no_rows


@dataclass(slots=True)
class Judged:
    """Connections with their verdicts, and sums over all of them."""

    mode: Mode
    connections: list[Connection] = field(default_factory=list)
    others: int = 0
    totals: Counter[Verdict] = field(default_factory=Counter)
    rules: dict[tuple[str, Action], RuleSummary] = field(default_factory=dict)
    rows: Counter[Decision] = field(default_factory=Counter)
    blocks: list[SourceBlock] = field(default_factory=list)

    def worst_first(self, limit: int) -> tuple[Connection, ...]:
        """Return so many connections, the worst first, then by time."""
        return tuple(sorted(self.connections, key=lambda c: (_ORDER[c.verdict], c.start))[:limit])

    def rules_by_effect(self) -> tuple[RuleSummary, ...]:
        """Return the rules that matched, those that block most first."""
        return tuple(sorted(self.rules.values(), key=lambda rule: (-rule.blocked, -rule.reported, rule.rule)))

    def rows_by_use(self) -> tuple[RowSummary, ...]:
        """Return the rows that decided, the most used first."""
        found = self.rows.most_common()
        return tuple(RowSummary(row=plain(d.row), action=d.action, connections=count) for d, count in found)


def judge(flows: Iterable[Flow], rulings: Rulings) -> Judged:
    """Return what would have become of connections.

    Args:
        flows: in the order of time.
        rulings: what the policy says.
    """
    judged = Judged(rulings.mode)
    seen = []
    for flow in flows:
        view = rulings.sides.view(flow.client, flow.server)
        if not view.concerns:
            judged.others += 1
            continue
        seen.append((flow, view.direction, _decision(flow, view.direction, rulings)))
    blocks = _Blocks(rulings)
    counted = _unblocked_alerts(seen, blocks)
    for flow, direction, decision in seen:
        connection = _connection((flow, direction, decision), counted.get(id(flow), []), blocks, rulings)
        judged.connections.append(connection)
        judged.totals[connection.verdict] += 1
        if decision.row:
            judged.rows[decision] += 1
        for found in connection.detections:
            _count(judged.rules, found)
    judged.blocks = blocks.told
    return judged


_Seen = tuple[Flow, Direction | None, Decision]


def _decision(flow: Flow, direction: Direction | None, rulings: Rulings) -> Decision:
    """Ask the rows. Without knowing which end is the VM there is no remote address to ask them about."""
    if direction is None:
        return Decision()
    outbound = direction is Direction.OUTBOUND
    return rulings.decide(
        Traffic(
            remote=flow.server if outbound else flow.client,
            vlan=flow.vlan[0] if flow.vlan else 0,
            direction=direction,
            protocol=flow.protocol,
            port=flow.server_port,
            remote_port=flow.server_port if outbound else flow.client_port,
            local_port=flow.client_port if outbound else flow.server_port,
        )
    )


class _Blocks:
    """Sources that would be blocked, by address and VLAN, with the times of their blocks."""

    def __init__(self, rulings: Rulings) -> None:
        self._rulings = rulings
        self._until: dict[tuple[str, int], list[tuple[datetime, datetime, str]]] = {}
        self.told: list[SourceBlock] = []

    def covers(self, flow: Flow, time: datetime) -> str:
        """Return the address of the connection that is blocked at that time; nothing when none is."""
        vlan = flow.vlan[0] if flow.vlan else 0
        for address in (flow.client, flow.server):
            if any(since < time < until for since, until, _ in self._until.get((address, vlan), ())):
                return address
        return ""

    def add(self, flow: Flow, alert: Alert) -> None:
        """Block the source of a dropped packet, if the policy asks for it and the source is proven."""
        asked = self._rulings.asked.get(alert.category, Action.IGNORE) if alert.category else Action.IGNORE
        if asked is not Action.TERMINATE_AND_BLOCK or flow.protocol != "TCP" or not flow.proven or not alert.to_server:
            return
        try:
            if self._rulings.never.reason(ip_address(alert.source)):
                return
        except ValueError:
            return
        vlan = flow.vlan[0] if flow.vlan else 0
        earlier = self._until.setdefault((alert.source, vlan), [])
        until = alert.time + timedelta(minutes=block_minutes(self._rulings.block_minutes, len(earlier)))
        earlier.append((alert.time, until, alert.rule))
        self.told.append(
            SourceBlock(
                address=alert.source,
                vlan=vlan,
                since=alert.time.isoformat(),
                until=until.isoformat(),
                rule=alert.rule,
            )
        )


def _unblocked_alerts(seen: Iterable[_Seen], blocks: _Blocks) -> dict[int, list[Alert]]:
    """Return the alerts by connection, without those of packets that a block would have kept away."""
    every = [
        (alert.time, number, flow, decision, alert)
        for number, (flow, _, decision) in enumerate(seen)
        for alert in flow.alerts
        if decision.action is not RowAction.DO_NOT_SCAN
    ]
    counted: dict[int, list[Alert]] = {}
    for time, _, flow, decision, alert in sorted(every, key=lambda entry: entry[:2]):
        if decision.action is RowAction.DEFAULT and blocks.covers(flow, time):
            continue
        counted.setdefault(id(flow), []).append(alert)
        if alert.dropped and decision.action is RowAction.DEFAULT:
            blocks.add(flow, alert)
    return counted


def _connection(seen: _Seen, alerts: list[Alert], blocks: _Blocks, rulings: Rulings) -> Connection:
    flow, direction, decision = seen
    acts = decision.action is RowAction.DEFAULT
    detections = _detections(alerts, rulings, acts=acts)
    verdict, reason = _verdict(flow, decision, detections, rulings)
    if acts and verdict is not Verdict.BLOCKED and (source := blocks.covers(flow, flow.start)):
        verdict, reason = Verdict.SOURCE_BLOCKED, f"{source} is blocked for an earlier attack"
    return Connection(
        start=flow.start.isoformat(),
        protocol=flow.protocol,
        application=flow.application,
        client=flow.client,
        client_port=flow.client_port,
        server=flow.server,
        server_port=flow.server_port,
        vlan=flow.vlan,
        direction=direction,
        packets=flow.packets,
        bytes=flow.bytes,
        verdict=verdict,
        reason=reason,
        row=plain(decision.row),
        detections=detections,
    )


def _verdict(
    flow: Flow, decision: Decision, detections: tuple[Detection, ...], rulings: Rulings
) -> tuple[Verdict, str]:
    if decision.action is RowAction.DO_NOT_SCAN:
        return Verdict.NOT_SCANNED, "an exclusion row says do_not_scan"
    if any(found.dropped for found in detections):
        return Verdict.BLOCKED, ""
    if not detections:
        return _without_detection(flow, decision)
    if all(found.asked is Action.IGNORE for found in detections):
        return Verdict.REPORTED, ""
    if decision.action is RowAction.DO_NOT_BLOCK:
        return Verdict.REPORTED, "an exclusion row says do_not_block"
    return Verdict.REPORTED, "monitoring mode" if rulings.mode is Mode.MONITORING else "the rule only reports"


def _without_detection(flow: Flow, decision: Decision) -> tuple[Verdict, str]:
    if flow.dropped and not flow.alerts and decision.action is RowAction.DEFAULT:
        return Verdict.BLOCKED, "the engine dropped a packet without a rule"
    return Verdict.PASSED, NO_HANDSHAKE if flow.protocol == "TCP" and flow.packets and not flow.proven else ""


def _detections(alerts: Iterable[Alert], rulings: Rulings, *, acts: bool) -> tuple[Detection, ...]:
    found: dict[str, tuple[Alert, int]] = {}
    for alert in alerts:
        first, count = found.get(alert.rule, (alert, 0))
        found[alert.rule] = (alert if alert.dropped and not first.dropped else first, count + 1)
    # Those that drop first: they must not be among the ones that are left out.
    ordered = sorted(found.values(), key=lambda entry: not entry[0].dropped)[:MAX_DETECTIONS]
    return tuple(
        Detection(
            rule=alert.rule,
            message=alert.message,
            category=alert.category or "",
            asked=rulings.asked.get(alert.category, Action.IGNORE) if alert.category else Action.IGNORE,
            dropped=alert.dropped and acts,
            count=count,
            request=alert.request,
        )
        for alert, count in ordered
    )


def _count(rules: dict[tuple[str, Action], RuleSummary], found: Detection) -> None:
    key = (found.rule, found.asked)
    before = rules.get(key)
    rules[key] = RuleSummary(
        rule=found.rule,
        message=found.message,
        category=found.category,
        asked=found.asked,
        blocked=(before.blocked if before else 0) + found.dropped,
        reported=(before.reported if before else 0) + (not found.dropped),
    )
