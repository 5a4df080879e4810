"""The exclusion rows of a policy, asked connection by connection."""

from datetime import datetime
from ipaddress import ip_address
from typing import Final

from hyperward.events.model import Direction as Way
from hyperward.exclusions.match import Traffic as RowTraffic
from hyperward.exclusions.match import first_match
from hyperward.exclusions.rows import Direction
from hyperward.exclusions.scope import ScopedRows
from hyperward.policy.resolve import EffectiveSettings
from hyperward.simulate.rows import Decide, Decision, RowAction, Traffic, no_rows

_PROTOCOLS: Final = {"TCP": 6, "UDP": 17, "ICMP": 1, "IPv6-ICMP": 58, "SCTP": 132}


def decider(settings: EffectiveSettings, *, now: datetime) -> Decide:
    """Return what asks the rows of a policy; rows for named VMs or groups do not count, since a capture names none.

    Args:
        settings: of the policy.
        now: rows that expired by then do not count; with a time zone.
    """
    rows = ScopedRows(settings.exclusions, settings.excluded_directions, now=now).of("", ())
    if not rows:
        return no_rows

    def decide(traffic: Traffic) -> Decision:
        remote = ip_address(traffic.remote)
        seen = RowTraffic(
            version=remote.version,
            remote=int(remote),
            vlan=traffic.vlan,
            opened=Direction.INBOUND if traffic.direction is Way.INBOUND else Direction.OUTBOUND,
            protocol=_PROTOCOLS.get(traffic.protocol),
            remote_port=traffic.remote_port,
            local_port=traffic.local_port,
        )
        action, row = first_match(rows, seen)
        name = f"row {rows.index(row) + 1} ({row.address}): {row.reason}" if row else ""
        return Decision(RowAction(action.value), name)

    return decide
