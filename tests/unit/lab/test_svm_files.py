from pathlib import Path

from hyperward.inventory.file import parse_inventory
from hyperward.lab.plan import plan_lab
from hyperward.lab.svm_files import SvmFiles, config_text, inventory_text, policy_text, write_files, write_policy
from hyperward.lab.web.sites import ENTRIES
from hyperward.policy.actions import Action
from hyperward.policy.fields import Mode
from hyperward.svm.config import LIMITS, SvmConfigFile
from hyperward.svm.policy_file import parse_policies
from hyperward.webscan.database.database import open_database
from hyperward.yamlfile import parse

PLAN = plan_lab(vms=2, qemu=True)


def test_the_configuration_is_one_that_the_daemon_takes(tmp_path: Path) -> None:
    file = parse(config_text(PLAN, [tmp_path / "a.rules"]), "svm.yaml", LIMITS).validate(SvmConfigFile)
    assert file.rules == (str(tmp_path / "a.rules"),)
    assert file.name == "svm-lab"
    files = SvmFiles(tmp_path)
    assert (files.home / file.run_dir, files.home / file.state_dir) == (files.run_dir, files.state_dir)
    assert [files.home / path for path in file.addresses] == [files.addresses]
    assert (files.home / file.policy_file, files.home / file.inventory_file) == (files.policy, files.inventory)


def test_the_inventory_has_every_vm_with_its_interface() -> None:
    inventory = parse_inventory(inventory_text(PLAN), "inventory.yaml")
    assert [(vm.name, vm.ports[0].interface) for vm in inventory.vms] == [(n, n) for n in ("vm1", "vm2", "vmq")]
    assert str(inventory.vms[2].addresses[1]) == PLAN.node("vmq").address(6)


def test_the_policy_terminates_and_never_blocks_the_one_outside_host() -> None:
    [policy] = parse_policies(policy_text(["vm1", "vmq"], Mode.MONITORING), "policy.yaml")
    assert policy.mode is Mode.MONITORING
    assert policy.assign.names == ("vm1", "vmq")
    ips = policy.intrusion_prevention
    assert ips.enabled
    assert policy.web_addresses.enabled
    assert (ips.network_attacks.action, ips.suspicious_activity.action) == (Action.TERMINATE, Action.TERMINATE)
    assert parse_policies(policy_text([], Mode.STANDARD), "policy.yaml") == ()


def test_files_are_written_and_the_policy_replaced(tmp_path: Path) -> None:
    files = SvmFiles(tmp_path)
    write_files(files, PLAN, protected=["vm1"])
    before = files.policy.stat().st_ino
    write_policy(files, ["vm1"], Mode.MONITORING)
    assert files.policy.stat().st_ino != before
    assert "monitoring" in files.policy.read_text()
    names = ["addresses.hwa", "inventory.yaml", "policy.yaml", "svm.yaml"]
    assert sorted(path.name for path in files.home.iterdir()) == names
    with open_database(files.addresses) as database:
        assert database.count == len(ENTRIES)
