from datetime import UTC, datetime
from ipaddress import ip_address

import msgspec

from hyperward.exclusions.rows import ExclusionRow
from hyperward.inventory.models import Vm
from hyperward.policy.models import Policy
from hyperward.svm.remote_rows import row_decision

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VM = Vm(name="web", id="web", platform="static", groups=("front",))


def rows(*texts: dict[str, object]) -> Policy:
    # as a policy file gives them: strict models take enumerations and tuples from JSON text only
    made = (msgspec.json.encode({"reason": "why"} | text) for text in texts)
    return Policy(name="p", exclusions=tuple(ExclusionRow.model_validate_json(text) for text in made))


def test_first_row_that_holds_decides_and_is_named() -> None:
    policy = rows(
        {"address": "10.0.0.9", "action": "default", "reason": "carved out"},
        {"address": "10.0.0.0/8", "action": "do_not_scan", "reason": "backup"},
    )
    carved = row_decision(policy, VM, ip_address("10.0.0.9"), now=NOW)
    assert (carved.action, carved.row, carved.reason) == ("default", "row 1 (10.0.0.9)", "carved out")
    wide = row_decision(policy, VM, ip_address("10.1.2.3"), now=NOW)
    assert (wide.action, wide.row, wide.reason) == ("do_not_scan", "row 2 (10.0.0.0/8)", "backup")
    other = row_decision(policy, VM, ip_address("fd77::1"), now=NOW)
    assert (other.action, other.row, other.reason) == ("default", "", "no row holds for it")


def test_row_with_a_port_is_named_as_possible() -> None:
    policy = rows({"address": "10.0.0.9", "protocol": "tcp", "remote_port": "443", "action": "do_not_scan"})
    found = row_decision(policy, VM, ip_address("10.0.0.9"), now=NOW)
    assert (found.action, found.row) == ("default", "")
    assert "rows 1 may decide" in found.reason


def test_rows_of_other_vms_and_groups_do_not_count() -> None:
    policy = rows(
        {"address": "10.0.0.9", "vms": ["db-*"], "action": "do_not_scan"},
        {"address": "10.0.0.9", "groups": ["front"], "action": "do_not_block"},
    )
    assert row_decision(policy, VM, ip_address("10.0.0.9"), now=NOW).action == "do_not_block"
