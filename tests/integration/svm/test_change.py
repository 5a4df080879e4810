"""A policy changes on live VMs: it reaches its traffic in under a second, and no other packet notices."""

import time

import pytest

from hyperward.events.model import Kind
from hyperward.lab.deadline import wait_until
from hyperward.lab.outcome import Result
from svm_fixtures import Svm, elapsed, policy
from svm_traffic import attack, download, stream

pytestmark = [pytest.mark.root, pytest.mark.engine]

CHANGE_SECONDS = 1.0
TERMINATE = {"enabled": True, "network_attacks": {"action": "terminate"}}
REPORT = {"enabled": True, "network_attacks": {"action": "ignore"}}


def test_a_change_of_one_vm_disturbs_no_other(svm: Svm) -> None:
    other = policy("other", "vm2", intrusion_prevention=TERMINATE)
    svm.policies(policy("one", "vm1", intrusion_prevention=REPORT), other)
    svm.start()
    assert attack(svm.lab, "out", "vm1") is Result.COMPLETED
    took = []
    with (
        stream(svm.lab, "vm2", "out") as upwards,
        stream(svm.lab, "out", "vm2") as downwards,
        download(svm.lab, "vm2", size=300 << 20) as outcomes,
    ):
        for settings, result in ((TERMINATE, Result.RESET), (REPORT, Result.COMPLETED)) * 2:
            changed = time.monotonic()
            svm.policies(policy("one", "vm1", intrusion_prevention=settings), other)
            elapsed(lambda result=result: attack(svm.lab, "out", "vm1") is result, 10)  # type: ignore[misc]
            took.append(time.monotonic() - changed)
    assert (upwards.lost, downwards.lost, outcomes[0].completed) == ([], [], True)
    # The first two have their rules compiled and loaded, the others only loaded.
    assert min(took) < CHANGE_SECONDS, took
    assert sorted(took)[len(took) // 2 - 1] < CHANGE_SECONDS, took


def test_mode_is_changed_on_a_live_vm(svm: Svm) -> None:
    standard = policy("one", "vm1", intrusion_prevention=TERMINATE)
    svm.policies(standard)
    svm.start()
    with (
        stream(svm.lab, "vm1", "out") as upwards,
        stream(svm.lab, "out", "vm1") as downwards,
        download(svm.lab, "vm1", size=300 << 20) as outcomes,
    ):
        assert attack(svm.lab, "out", "vm1") is Result.RESET
        svm.policies({**standard, "mode": "monitoring"})
        assert wait_until(lambda: attack(svm.lab, "out", "vm1") is Result.COMPLETED, 10)
        svm.policies(standard)
        assert wait_until(lambda: attack(svm.lab, "out", "vm1") is Result.RESET, 10)
    assert (upwards.lost, upwards.doubled, downwards.lost, downwards.doubled) == ([], 0, [], 0)
    assert outcomes[0].completed, outcomes
    reasons = {event.reason for event in svm.wait_for_events(Kind.DETECTION, 3) if event.verdict != "drop"}
    assert "monitoring mode" in reasons


def test_protection_is_taken_off_and_put_on_again(svm: Svm) -> None:
    """With the last VM of a rule set its rules leave the engine, and come back when they are wanted again."""
    svm.policies(policy("one", "vm1", intrusion_prevention=TERMINATE))
    svm.start()
    engine = svm.engine_pid()
    for number in (1, 2):
        assert attack(svm.lab, "out", "vm1") is Result.RESET
        svm.policies()
        svm.wait_for_events(Kind.POLICY_APPLIED, 2 * number)
        assert svm.ask("status")["engine"]["tenants"] == 0
        assert attack(svm.lab, "out", "vm1") is Result.COMPLETED
        svm.policies(policy("one", "vm1", intrusion_prevention=TERMINATE))
        svm.wait_for_events(Kind.POLICY_APPLIED, 2 * number + 1)
    assert attack(svm.lab, "out", "vm1") is Result.RESET
    assert svm.engine_pid() == engine
