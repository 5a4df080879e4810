from pathlib import Path

import pytest

from hyperward.svm.check import check_files, check_paths
from hyperward.yamlfile import FileErrors

INVENTORY = "vms:\n- {name: web-1}\n- {name: web-web}\n"


def test_good_files() -> None:
    result = check_files("policies: [{name: p, assign: {names: ['web-*']}}]", INVENTORY)
    assert result.ok
    assert result.require() is result
    assert [policy.name for policy in result.policies] == ["p"]
    assert [vm.name for vm in result.inventory.vms] == ["web-1", "web-web"]
    assert result.errors == result.warnings == ()


def test_a_tie_is_an_error_at_the_vm() -> None:
    policies = "policies:\n- {name: a, assign: {names: ['web-*']}}\n- {name: b, assign: {names: ['*-web']}}\n"
    result = check_files(policies, INVENTORY)
    assert [str(error) for error in result.errors] == [
        (
            "inventory.yaml:3:3: vms[1]: VM 'web-web' is covered equally by the policies 'a' (mask 'web-*') and "
            "'b' (mask '*-web'); make one more specific: an id beats a name, then tag, group, mask, network, path; "
            "a longer mask, a smaller network, a deeper path beats the other"
        )
    ]
    assert result.policies == ()
    assert result.inventory.vms == ()
    with pytest.raises(FileErrors, match="VM 'web-web' is covered equally"):
        result.require()


def test_odd_but_usable() -> None:
    policies = """
policies:
- {name: unused, assign: {names: ["db-*"]}}
- {name: unassigned}
- {name: resting, state: inactive, assign: {names: ["db-*"]}}
- name: nothing on
  assign: {names: ["web-*"]}
  intrusion_prevention:
    enabled: true
    network_attacks: {enabled: false}
    suspicious_activity: {enabled: false}
"""
    result = check_files(policies, INVENTORY)
    assert result.ok
    assert [str(warning) for warning in result.warnings] == [
        (
            "policy.yaml:4:3: policies[1].assign: the policy 'unassigned' is assigned to no VM; "
            "add one of assign.names, assign.ids, assign.tags, assign.groups, assign.networks, assign.paths"
        ),
        (
            "policy.yaml:9:5: policies[3].intrusion_prevention: Intrusion Prevention is on but both of its "
            "features are off, so nothing is inspected; enable network_attacks or suspicious_activity"
        ),
        (
            "policy.yaml:3:26: policies[0].assign: the active policy 'unused' covers no VM of the inventory; "
            "check the names, or more specific policies"
        ),
    ]


def test_errors_of_both_files_are_collected() -> None:
    result = check_files("policies: [{nme: p}]", "vms: [{name: a}, {name: a}]", policy_name="p", inventory_name="i")
    assert [str(error).split(":")[0] for error in result.errors] == ["p", "p", "i", "i"]
    assert not result.ok
    assert (result.policies, result.inventory.vms) == ((), ())


def test_paths(tmp_path: Path) -> None:
    policy, inventory = tmp_path / "p.yaml", tmp_path / "i.yaml"
    policy.write_text("policies: []")
    result = check_paths(policy, inventory)
    assert [str(error) for error in result.errors] == [f"{inventory}: no such file; create it or correct the path"]
    inventory.write_text(INVENTORY)
    assert check_paths(policy, inventory).ok
    policy.write_text("polices: []")
    assert [error.file for error in check_paths(policy, inventory).errors] == [str(policy)] * 2
    policy.unlink()
    inventory.write_text("vms: 1")
    assert len(check_paths(policy, inventory).errors) == 2
