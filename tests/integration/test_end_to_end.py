"""The demo's scenario with a real SVM, engine and virtual machine: with the starter rules and with Emerging Threats."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hyperward.lab.demo import UNPROTECTED_VM, Scenario, protected_vms
from hyperward.lab.evidence import Row
from hyperward.lab.plan import HOST
from hyperward.lab.procs import processes_in
from hyperward.lab.scene import play
from hyperward.lab.step import Step
from hyperward.lab.svm_process import LabSvm
from hyperward.lab.topology import Lab
from hyperward.lab.web.scenario import WebScenario
from hyperward.policy.fields import Mode
from lab_fixtures import MakeLab
from shared_data import shared_data

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.vm, pytest.mark.timeout(420)]

EMERGING_THREATS = "rules/et-open-2025-07-28.tar.xz"
LOAD_SECONDS = 240.0
MIB = 1024 * 1024


class Stage(NamedTuple):
    lab: Lab
    svm: LabSvm
    scenario: Scenario
    web: WebScenario
    rules: tuple[Path, ...]


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Lab:
    return make_lab(vms=2, qemu=True)


@pytest.fixture(scope="module", params=["starter", pytest.param("emerging-threats", marks=pytest.mark.shared)])
def stage(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Stage]:
    starter = request.param == "starter"
    rules = () if starter else (shared_data(EMERGING_THREATS),)
    download, qemu_download = (500 * MIB, 64 * MIB) if starter else (64 * MIB, 16 * MIB)
    with LabSvm(lab, protected=protected_vms(lab.plan), rules=rules, seconds=LOAD_SECONDS) as svm:
        scenario = Scenario(lab, svm, progress=lambda _: None, download=download, qemu_download=qemu_download)
        vms = protected_vms(lab.plan)
        web = WebScenario(lab, svm, progress=lambda _: None, protected=vms, unprotected=UNPROTECTED_VM)
        yield Stage(lab, svm, scenario, web, rules)


def _filtered_ports(lab: Lab) -> list[str]:
    """Return the VMs' interfaces that carry a clsact, the place of our programs."""
    ports = [node.port for node in lab.plan.nodes]
    return [port for port in ports if "clsact" in lab.host.run(["tc", "qdisc", "show", "dev", port]).stdout]


def _wrong(step: Step) -> list[Row]:
    return [row for row in step.rows if not row.ok]


def test_standard_mode_cuts_every_attack_and_disturbs_nothing_else(stage: Stage) -> None:
    step = stage.scenario.standard()
    assert len(step.rows) == 36 + 20 + 2 + 2  # attacks, small checks, downloads, and that they were attacked meanwhile
    assert _wrong(step) == []
    assert len({row.event for row in step.rows if row.event}) == 36


def test_monitoring_mode_reports_every_attack_and_touches_nothing(stage: Stage) -> None:
    assert _wrong(stage.scenario.monitoring()) == []
    assert {vm["mode"] for vm in stage.svm.vms().values()} == {"monitoring", None}


def test_listed_addresses_are_blocked_and_others_are_not(stage: Stage) -> None:
    step = stage.web.standard()
    assert len(step.rows) == 20 + 16 + 3  # of the namespace VM, of the QEMU VM, transfers meanwhile
    assert _wrong(step) == []
    assert len({row.event for row in step.rows if row.event}) == 12 + 10


def test_listed_addresses_load_in_monitoring_mode_and_are_reported(stage: Stage) -> None:
    assert _wrong(stage.web.monitoring()) == []


def test_listed_addresses_load_without_a_policy(stage: Stage) -> None:
    assert _wrong(stage.web.without_policy()) == []


def test_a_vm_without_policy_is_not_touched_and_the_way_back_to_standard_mode_blocks(stage: Stage) -> None:
    assert _wrong(stage.scenario.without_policy()) == []


def test_the_source_of_an_attack_is_blocked_and_let_go(stage: Stage) -> None:
    if stage.rules:
        pytest.skip("does not depend on the rules; loading the large set once more takes half a minute")
    assert _wrong(stage.scenario.blocking()) == []


def test_a_policy_taken_away_sets_the_vm_free_and_one_put_back_protects_it(stage: Stage) -> None:
    if stage.rules:
        pytest.skip("does not depend on the rules; loading the large set once more takes half a minute")
    assert _filtered_ports(stage.lab) == ["vm1", "vmq"]
    stage.svm.set_policy([], Mode.STANDARD)
    assert _filtered_ports(stage.lab) == []
    attack = next(one for one in stage.scenario.attacks if one.name == "log4shell-out-vm1-v6")
    with stage.svm.events() as reader:
        before = reader.last()
        [tried], _ = play(stage.lab, [attack], [], lambda _: None)
        assert tried.outcome.completed
        assert tried.arrived
        stage.svm.set_policy(["vm1"], Mode.STANDARD)
        [tried], _ = play(stage.lab, [attack], [], lambda _: None)
        assert not tried.arrived
        detections = [stored.event for stored in reader.newer(before) if stored.event.rule]
    assert all(event.time >= tried.began for event in detections)


def test_detach_leaves_neither_filters_nor_pairs_nor_pins_nor_the_engine(stage: Stage) -> None:
    stage.svm.stop()
    host = stage.lab.netns(HOST)
    assert "clsact" not in host.run(["tc", "qdisc"]).stdout
    assert "hwg0" not in host.run(["ip", "link"]).stdout
    assert not (stage.svm.files.run_dir / "bpf").exists()
    inside = processes_in({host.identity()})
    assert [ref for ref in inside if "suricata" in Path(f"/proc/{ref.pid}/cmdline").read_text()] == []
