"""`up`, `attack` and `down` from processes of their own, and what stays when the creator is killed: nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hyperward
from hyperward.errors import InputError
from hyperward.lab import commands
from hyperward.lab.cleanup import destroy_lab, destroy_orphans, is_orphan
from hyperward.lab.netns import namespaces_of
from hyperward.lab.outcome import Result
from hyperward.lab.procs import alive
from hyperward.lab.state import base_folder, read_state
from hyperward.lab.topology import Lab
from lab_fixtures import lab_name

pytestmark = pytest.mark.root

UP = (
    "import sys; from hyperward.lab.commands import up; up(sys.argv[1], vms=1, qemu=sys.argv[2] == '1', progress=print)"
)
HOLD = """
import sys
from hyperward.lab.plan import plan_lab
from hyperward.lab.topology import Lab
with Lab(plan_lab(sys.argv[1], vms=1, qemu=sys.argv[2] == "1")):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def name() -> Iterator[str]:
    name = lab_name()
    yield name
    destroy_lab(name)


def _python(code: str, name: str, *, qemu: bool = False) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(Path(hyperward.__file__).parents[1])}
    command = [sys.executable, "-c", code, name, "1" if qemu else "0"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def _wait_up(creator: "subprocess.Popen[str]") -> None:
    assert creator.stdout is not None
    assert "up\n" in iter(creator.stdout.readline, "")


def _assert_nothing_left(name: str) -> None:
    assert namespaces_of(f"hw-{name}-") == []
    assert not (base_folder() / name).exists()


def test_up_attack_down_from_different_processes(name: str) -> None:
    with _python(UP, name) as creator:
        said, _ = creator.communicate(timeout=60)
    assert creator.returncode == 0
    assert "starting servers" in said
    results = list(commands.attack(name, kinds=["log4shell", "ssh-scanner"], families=[6]))
    assert [result.outcome.result for result in results] == [Result.COMPLETED] * 4
    refs = [process.ref for process in read_state(base_folder() / name).processes]
    assert refs
    assert not is_orphan(name)
    commands.down(name)
    _assert_nothing_left(name)
    assert not any(alive(ref) for ref in refs)
    with pytest.raises(InputError, match="there is no lab"):
        commands.down(name)
    with pytest.raises(InputError, match="there is no lab"):
        commands.attack(name)


@pytest.mark.vm
def test_nothing_stays_of_a_lab_whose_creator_was_killed(name: str) -> None:
    with _python(HOLD, name, qemu=True) as creator:
        _wait_up(creator)
        creator.send_signal(signal.SIGKILL)
        creator.wait(timeout=10)
    refs = [process.ref for process in read_state(base_folder() / name).processes]
    assert len(refs) == 3
    assert all(alive(ref) for ref in refs)
    commands.down(name)
    _assert_nothing_left(name)
    assert not any(alive(ref) for ref in refs)


def test_a_lab_whose_creator_was_killed_is_an_orphan(name: str) -> None:
    with _python(HOLD, name) as creator:
        _wait_up(creator)
        assert not is_orphan(name)
        creator.kill()
        creator.wait(timeout=10)
    assert is_orphan(name)
    assert name in destroy_orphans()
    _assert_nothing_left(name)


def test_an_unrecorded_process_in_a_namespace_goes_too(name: str) -> None:
    lab = commands.up(name, qemu=False, progress=lambda _: None)
    try:
        stray = subprocess.Popen(lab.host.command(["sleep", "1000"]))
        assert lab.host.run(["true"]).returncode == 0
    finally:
        lab.down()
    assert stray.wait(timeout=10) != 0
    _assert_nothing_left(name)


def test_a_start_that_fails_leaves_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Lab) -> None:
        raise OSError("no")

    monkeypatch.setattr(Lab, "_start_services", fail)
    with pytest.raises(OSError, match="no"):
        commands.up(name, qemu=False, progress=lambda _: None)
    _assert_nothing_left(name)
