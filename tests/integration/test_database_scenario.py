"""The database part of the demo, in a lab without the QEMU VM: update, block more, refuse tampering, roll back."""

import secrets

import pytest

from hyperward.lab.databases.publisher import LabPublisher
from hyperward.lab.databases.scenario import DatabaseScenario
from hyperward.lab.plan import plan_lab
from hyperward.lab.svm_process import LabSvm
from hyperward.lab.topology import Lab

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(300)]


def test_a_signed_update_blocks_more_and_a_rollback_takes_it_back() -> None:
    said: list[str] = []
    with Lab(plan_lab(f"t{secrets.token_hex(5)}", vms=1)) as lab:
        publisher = LabPublisher(lab.folder / "publisher")
        publisher.begin()
        with LabSvm(lab, protected=["vm1"], publisher=publisher) as svm:
            step = DatabaseScenario(lab, svm, publisher, progress=said.append, vm="vm1").update_and_roll_back()
    assert step.ok, [row for row in step.rows if not row.ok]
    assert len(step.rows) > 10
