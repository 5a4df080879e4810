"""Exclusions as a part of policies: read, checked, resolved for the VMs."""

from datetime import UTC, datetime

import pytest

from hyperward.exclusions.rows import Direction, ExclusionAction
from hyperward.inventory.models import Inventory, Port, Vm
from hyperward.policy.findings import policy_warnings
from hyperward.policy.models import PolicyFile
from hyperward.policy.resolve import next_expiry
from hyperward.svm.desired import desired_ports
from hyperward.svm.policy_file import parse_policies
from hyperward.yamlfile import FileErrors

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEAD = "policies:\n- name: p\n  assign: {names: ['*']}\n  exclusions:\n"


def test_rows_reach_the_ports_of_the_vms_that_they_are_for() -> None:
    text = (
        HEAD
        + "  - {address: 10.0.0.1, action: do_not_scan, reason: r, vms: [a]}\n"
        + "  - {address: 10.0.0.2, vlan: 7, action: do_not_block, reason: r, expires: 2026-06-03}\n"
        + "  - {address: 10.0.0.3, action: default, reason: r, expires: 2026-05-03}\n"
        + "  excluded_directions: [outbound]\n"
    )
    policies = parse_policies(text, "p.yaml")
    vms = tuple(Vm(name, name, "static", (), (Port(f"tap-{name}"),)) for name in ("a", "b"))
    first, second = desired_ports(policies, Inventory(vms), now=NOW)
    assert [row.address for row in first.exclusions] == ["10.0.0.1", "10.0.0.2", "any"]
    assert second.exclusions == first.exclusions[1:]
    assert second.exclusions[0].vlan == "7"
    assert (second.exclusions[-1].direction, second.exclusions[-1].action) == (
        Direction.OUTBOUND,
        ExclusionAction.DO_NOT_SCAN,
    )
    assert next_expiry(policies, now=NOW) == datetime(2026, 6, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (
            "{address: 10.0.0.1/8, action: default, reason: r}",
            "p.yaml:5:15: policies[0].exclusions[0].address: 10.0.0.1/8",
        ),
        ("{address: any, action: allow, reason: r}", "policies[0].exclusions[0].action: expected default"),
        ("{adress: any, action: default, reason: r}", "did you mean 'address'?"),
        ("{address: any, action: default}", "exclusions[0].reason: this key is required"),
        ("{vlan: 0, action: default, reason: r}", "no VLAN has the id 0"),
        ("{protocol: icmp, local_port: 1, action: default, reason: r}", "icmp has no ports"),
    ],
)
def test_mistakes_have_their_place(row: str, wanted: str) -> None:
    with pytest.raises(FileErrors) as refused:
        parse_policies(f"{HEAD}  - {row}\n", "p.yaml")
    assert wanted in refused.value.line()


def test_rows_that_the_kernel_cannot_hold_are_refused_with_the_row() -> None:
    rows = "".join(f"  - {{remote_port: {n}, action: default, reason: r}}\n" for n in range(65))
    with pytest.raises(
        FileErrors, match=r"p.yaml:5:3: policies\[0\].exclusions: exclusion row 65: .* may meet 65 rows"
    ):
        parse_policies(HEAD + rows, "p.yaml")


def test_hidden_rows_are_warned_about_with_both_places() -> None:
    rows = "  - {action: default, reason: r}\n  - {address: 10.0.0.1, action: default, reason: r}\n"
    file = PolicyFile(policies=parse_policies(HEAD + rows, "p.yaml"))
    [found] = [finding for finding in policy_warnings(file) if "exclusions" in finding.path]
    assert found.path == ("policies", 0, "exclusions", 1)
    assert found.see == ("policies", 0, "exclusions", 0)
