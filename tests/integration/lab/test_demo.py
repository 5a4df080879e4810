"""`hyperward lab demo` as a process: its exit code, and that nothing stays whichever way it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperward.lab import commands
from hyperward.lab.cleanup import destroy_lab
from hyperward.lab.deadline import wait_until
from hyperward.lab.netns import namespaces_of
from hyperward.lab.procs import processes_in
from hyperward.lab.state import base_folder
from hyperward.lab.topology import package_environment
from lab_fixtures import lab_name

pytestmark = [pytest.mark.root, pytest.mark.engine]


@pytest.fixture
def name() -> Iterator[str]:
    name = lab_name()
    yield name
    destroy_lab(name)


def _demo(name: str, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "hyperward", "lab", "demo", "--name", name, "--no-qemu", "--download", "16"]
    return subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **package_environment()},
    )


def _inside(name: str) -> set[tuple[int, int]]:
    return {namespace.identity() for namespace in namespaces_of(f"hw-{name}-")}


def _wait_for_engine(name: str) -> set[tuple[int, int]]:
    """Wait until an engine runs in the lab; return its namespaces."""

    def runs() -> bool:
        found = [Path(f"/proc/{ref.pid}/comm") for ref in processes_in(_inside(name))]
        return any("uricata" in path.read_text() for path in found if path.exists())

    assert wait_until(runs, 60)
    return _inside(name)


def _assert_nothing_left(name: str, namespaces: set[tuple[int, int]]) -> None:
    assert namespaces_of(f"hw-{name}-") == []
    assert processes_in(namespaces) == []
    assert not (base_folder() / name).exists()
    assert f"/{name}/" not in Path("/proc/mounts").read_text()


def test_once_ends_with_success_and_leaves_nothing(name: str) -> None:
    with _demo(name, "--once") as demo:
        said, _ = demo.communicate(timeout=110)
    assert demo.returncode == 0, said
    assert "everything went as expected" in said
    _assert_nothing_left(name, set())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing(name: str, number: signal.Signals) -> None:
    with _demo(name) as demo:
        namespaces = _wait_for_engine(name)
        demo.send_signal(number)
        said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, said
    assert "everything is taken away" in said
    assert "Traceback" not in said
    _assert_nothing_left(name, namespaces)


def test_what_a_killed_demo_left_goes_with_lab_down(name: str) -> None:
    with _demo(name) as demo:
        namespaces = _wait_for_engine(name)
        demo.kill()
        demo.communicate(timeout=10)
    assert processes_in(namespaces) != []
    commands.down(name)
    _assert_nothing_left(name, namespaces)
