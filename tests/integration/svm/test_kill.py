"""kill -9 of daemon and engine, and an engine that hangs: traffic goes on as the policy says; inspection returns."""

import signal
import time

import pytest

from hyperward.events.model import Event, Kind
from hyperward.lab.deadline import wait_until
from hyperward.lab.outcome import Result
from svm_fixtures import Svm, policy
from svm_traffic import attack, download, stream, until_cut

pytestmark = [pytest.mark.root, pytest.mark.engine]

DOWN_SECONDS = 1.0
"""The failure action holds within a second (invariant 3)."""
BACK_SECONDS = 3.0
"""Back under inspection after the engine's return."""
TERMINATE = {"enabled": True, "network_attacks": {"action": "terminate"}}


def protected(svm: Svm, *vms: str, **settings: object) -> None:
    svm.policies(policy("servers", *vms, **{"intrusion_prevention": TERMINATE, **settings}))


def failures(svm: Svm, word: str) -> list[Event]:
    return [event for event in svm.events(Kind.FAILURE_ACTION) if word in event.message]


def test_daemon_killed_under_load(svm: Svm) -> None:
    protected(svm, "vm1")
    svm.start()
    engine = svm.engine_pid()
    assert attack(svm.lab, "out", "vm1") is Result.RESET
    size = 200 << 20
    with (
        stream(svm.lab, "vm1", "out") as upwards,
        stream(svm.lab, "out", "vm1") as downwards,
        download(svm.lab, "vm1", size=size) as outcomes,
    ):
        assert wait_until(lambda: len(upwards.arrived) > 100, 5)
        svm.kill_daemon()
        # Nobody resets, so the client waits; but the engine drops.
        assert attack(svm.lab, "out", "vm1", timeout=1) is Result.TIMED_OUT
        assert attack(svm.lab, "vm1", "out", timeout=1) is Result.TIMED_OUT
        svm.start()
        assert svm.engine_pid() == engine
        assert attack(svm.lab, "out", "vm1") is Result.RESET
    assert (upwards.lost, upwards.doubled, downwards.lost, downwards.doubled) == ([], 0, [], 0)
    assert outcomes[0].completed, outcomes
    detections = svm.wait_for_events(Kind.DETECTION, 4)
    assert len({event.id for event in detections}) == len(detections)
    connections = [(event.source, event.source_port, event.rule) for event in detections]
    assert len(connections) == len(set(connections)) == 4
    assert len(svm.events(Kind.ENGINE_ADOPTED)) == 1
    assert failures(svm, "is down") == []


def test_engine_killed_under_load(svm: Svm) -> None:
    protected(svm, "vm1")
    svm.start()
    before = svm.engine_pid()
    with stream(svm.lab, "vm1", "out") as upwards, stream(svm.lab, "out", "vm1") as downwards:
        assert wait_until(lambda: len(upwards.arrived) > 100, 5)
        killed = time.monotonic()
        svm.signal_engine(signal.SIGKILL)
        cut_again = until_cut(svm.lab, "out", "vm1", seconds=20)
    started = svm.wait_for_events(Kind.ENGINE_STARTED, 2)[-1]
    back = cut_again - (time.monotonic() - (time.time() - started.time.timestamp()))
    assert upwards.silence(killed) < DOWN_SECONDS
    assert downwards.silence(killed) < DOWN_SECONDS
    assert back < BACK_SECONDS
    assert svm.engine_pid() != before
    assert len(svm.events(Kind.ENGINE_CRASHED)) == 1
    assert wait_until(lambda: bool(failures(svm, "no longer down")), 10)
    ended = failures(svm, "no longer down")[0]
    assert " 0 packets passed" not in ended.message
    assert ended.vm is not None
    assert ended.vm.name == "vm1"


def test_engine_killed_with_the_daemon_dead(svm: Svm) -> None:
    protected(svm, "vm1")
    svm.configure(heartbeat_ms=300)
    svm.start()
    with stream(svm.lab, "vm1", "out") as upwards, stream(svm.lab, "out", "vm1") as downwards:
        assert wait_until(lambda: len(upwards.arrived) > 100, 5)
        svm.kill_daemon()
        killed = time.monotonic()
        svm.signal_engine(signal.SIGKILL)
        assert wait_until(lambda: upwards.silence(killed) < 5 and downwards.silence(killed) < 5, 5)
        svm.start()
        until_cut(svm.lab, "out", "vm1", seconds=BACK_SECONDS)
    assert max(upwards.silence(killed), downwards.silence(killed)) < DOWN_SECONDS
    assert wait_until(lambda: bool(failures(svm, "no longer down")), 10)
    # Told once: what the daemon did not see while it was dead, and nothing again after another restart.
    svm.kill_daemon()
    svm.start()
    svm.stop_daemon()
    assert (len(failures(svm, "is down")), len(failures(svm, "no longer down"))) == (1, 1)


@pytest.mark.parametrize("daemon_alive", [True, False])
def test_a_closed_port_stops_while_the_engine_is_dead(svm: Svm, *, daemon_alive: bool) -> None:
    protected(svm, "vm1", failure={"down": "closed"})
    svm.configure(heartbeat_ms=300)
    svm.start()
    with stream(svm.lab, "vm1", "out") as upwards:
        assert wait_until(lambda: len(upwards.arrived) > 100, 5)
        if not daemon_alive:
            svm.kill_daemon()
        killed = time.monotonic()
        svm.signal_engine(signal.SIGKILL)
        if daemon_alive:
            svm.wait_for_events(Kind.ENGINE_STARTED, 2)
        else:
            time.sleep(DOWN_SECONDS + 0.5)
            assert upwards.silence(killed) == float("inf")
            svm.start()
        assert wait_until(lambda: upwards.silence(killed) < 60, BACK_SECONDS)
        assert attack(svm.lab, "out", "vm1") is Result.RESET
    assert wait_until(lambda: bool(failures(svm, "no longer down")), 10)
    message = failures(svm, "no longer down")[0].message
    assert " 0 packets passed" in message
    assert " 0 were dropped" not in message


def test_a_hung_engine_is_replaced(svm: Svm) -> None:
    protected(svm, "vm1")
    svm.configure(heartbeat_ms=300)
    svm.start()
    before = svm.engine_pid()
    with stream(svm.lab, "vm1", "out") as upwards, stream(svm.lab, "out", "vm1") as downwards:
        assert wait_until(lambda: len(upwards.arrived) > 100, 5)
        hung = time.monotonic()
        svm.signal_engine(signal.SIGSTOP)
        assert wait_until(lambda: upwards.silence(hung) < 5 and downwards.silence(hung) < 5, 5)
        assert attack(svm.lab, "out", "vm1") is Result.COMPLETED
        until_cut(svm.lab, "out", "vm1", seconds=30)
    assert max(upwards.silence(hung), downwards.silence(hung)) < DOWN_SECONDS
    assert svm.engine_pid() != before
    assert len(svm.events(Kind.ENGINE_CRASHED)) == 1
