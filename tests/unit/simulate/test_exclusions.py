from datetime import UTC, datetime

import msgspec

from hyperward.events.model import Direction
from hyperward.exclusions.rows import ExclusionRow
from hyperward.policy.models import Policy
from hyperward.policy.resolve import settings_of
from hyperward.simulate.exclusions import decider
from hyperward.simulate.rows import RowAction, Traffic, no_rows

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def policy(*texts: dict[str, object]) -> Policy:
    made = (msgspec.json.encode({"reason": "why"} | text) for text in texts)
    return Policy(name="p", exclusions=tuple(ExclusionRow.model_validate_json(text) for text in made))


def traffic(remote: str = "10.0.0.9", port: int = 443, vlan: int = 0) -> Traffic:
    return Traffic(remote, vlan, Direction.OUTBOUND, "TCP", port, port, 40000)


def test_first_row_that_holds_decides_by_everything_a_capture_shows() -> None:
    rows = policy(
        {"address": "10.0.0.9", "protocol": "tcp", "remote_port": "443", "vlan": "none", "action": "do_not_scan"},
        {"address": "10.0.0.0/8", "direction": "outbound", "action": "do_not_block"},
    )
    decide = decider(settings_of(rows), now=NOW)
    assert decide(traffic()).action is RowAction.DO_NOT_SCAN
    assert decide(traffic()).row == "row 1 (10.0.0.9): why"
    assert decide(traffic(port=80)).action is RowAction.DO_NOT_BLOCK
    assert decide(traffic(vlan=5)).action is RowAction.DO_NOT_BLOCK
    assert decide(traffic("fd77::1")).action is RowAction.DEFAULT


def test_rows_of_named_vms_do_not_count() -> None:
    rows = policy({"address": "10.0.0.9", "vms": ["web*"], "action": "do_not_scan"})
    assert decider(settings_of(rows), now=NOW) is no_rows
