"""Keeping scanners running, with sleeping processes in their place."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from hyperward.build import build_id
from hyperward.errors import SystemFault
from hyperward.events.model import Kind, Severity
from hyperward.ips.engine.procfs import process_info
from hyperward.ips.engine.watched import WatchedProcess
from hyperward.svm.scanners import renewal
from hyperward.svm.scanners import supervisor as module
from hyperward.svm.scanners.notices import ScannerNotice, event_of_notice
from hyperward.svm.scanners.paths import ScannerPaths, default_count
from hyperward.svm.scanners.process import ScannerProcesses, last_words
from hyperward.svm.scanners.slots import StubSlots
from hyperward.svm.scanners.supervisor import ScannerSupervisor

SECONDS = 20.0


class Sleepers:
    """Starts processes that sleep; their heart beats as the test says."""

    def __init__(self) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self.spawned: list[int] = []
        self.left: list[list[WatchedProcess]] = []
        self.fails = 0
        self.finds = 0
        self.builds: dict[int, str | None] = {}
        self.build: str | None = build_id()

    def find(self) -> list[list[WatchedProcess]]:
        self.finds += 1
        found, self.left = self.left, []
        return found

    def spawn(self, index: int) -> WatchedProcess:
        if self.fails:
            self.fails -= 1
            raise SystemFault(f"scanner {index} does not start")
        self.spawned.append(index)
        return self.sleeper()

    def sleeper(self) -> WatchedProcess:
        child = subprocess.Popen(["sleep", "60"])
        self.children.append(child)
        info = process_info(child.pid)
        assert info is not None
        return WatchedProcess(info)

    def build_of(self, index: int, process: WatchedProcess) -> str | None:
        return self.builds.get(process.info.pid, self.build) if index >= 0 else None

    def last_words(self, index: int) -> str:
        return f"last words of {index}"


@pytest.fixture
def sleepers() -> Iterator[Sleepers]:
    made = Sleepers()
    yield made
    for child in made.children:
        child.kill()
        child.wait()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - processes send no event
            await asyncio.sleep(0.01)


def run(
    sleepers: Sleepers, body: Callable[[ScannerSupervisor, StubSlots], Awaitable[None]], count: int = 2
) -> list[str]:
    """Run a supervisor around `body`; return what it told."""
    told: list[ScannerNotice] = []

    async def main() -> None:
        slots = StubSlots()
        keeper = ScannerSupervisor(count, sleepers, slots, told.append)
        try:
            await body(keeper, slots)
        finally:
            await keeper.detach()

    asyncio.run(main())
    return [notice.kind.value for notice in told]


def test_scanners_are_started_once_and_stopped(sleepers: Sleepers) -> None:
    async def body(keeper: ScannerSupervisor, slots: StubSlots) -> None:
        await keeper.start()
        await keeper.start()
        assert sleepers.spawned == [0, 1]
        sleepers.left = [[process] for index in (0, 1) if (process := keeper.process(index)) is not None]
        slots.alive[0] = time.monotonic_ns()
        assert (keeper.answers(0), keeper.answers(1)) == (True, False)
        await keeper.stop()
        assert not keeper.started
        assert set(slots.died) == {0, 1}
        await keeper.stop()
        assert sleepers.finds == 2

    told = run(sleepers, body)
    assert told == ["scanner_started"] * 2 + ["scanner_stopped"] * 2
    assert all(child.wait(SECONDS) is not None for child in sleepers.children)


def test_a_dead_scanner_is_dead_to_the_kernel_at_once_and_started_again(sleepers: Sleepers) -> None:
    async def body(keeper: ScannerSupervisor, slots: StubSlots) -> None:
        await keeper.start()
        sleepers.children[1].kill()
        await until(lambda: sleepers.spawned == [0, 1, 1])
        assert slots.died == [1]
        assert keeper.process(0) is not None

    assert run(sleepers, body) == ["scanner_started"] * 2 + ["scanner_crashed", "scanner_started"]


def test_a_hung_scanner_is_ended_and_started_again(sleepers: Sleepers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HUNG", 0.1)
    monkeypatch.setattr(module, "CHECK", 0.02)

    async def body(keeper: ScannerSupervisor, slots: StubSlots) -> None:
        await keeper.start()
        slots.alive[0] = time.monotonic_ns()
        await until(lambda: sleepers.spawned == [0, 0])
        assert sleepers.children[0].poll() is not None

    assert "scanner_crashed" in run(sleepers, body, count=1)


def test_a_scanner_that_loads_for_long_is_left_alone(sleepers: Sleepers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HUNG", 0.05)
    monkeypatch.setattr(module, "CHECK", 0.01)

    async def body(keeper: ScannerSupervisor, _: StubSlots) -> None:
        await keeper.start()
        await asyncio.sleep(0.3)

    assert run(sleepers, body, count=1) == ["scanner_started"]


def test_running_scanners_are_adopted_and_those_too_many_ended(sleepers: Sleepers) -> None:
    async def body(keeper: ScannerSupervisor, _: StubSlots) -> None:
        sleepers.left = [[sleepers.sleeper(), sleepers.sleeper()], [], [sleepers.sleeper()]]
        await keeper.start()
        assert sleepers.spawned == [1]
        assert [child.poll() is None for child in sleepers.children[:3]] == [True, False, False]

    assert run(sleepers, body) == ["scanner_adopted", "scanner_started"]


def left_by_another_build(sleepers: Sleepers, count: int) -> None:
    sleepers.left = [[sleepers.sleeper()] for _ in range(count)]
    sleepers.builds = {child.pid: "another" for child in sleepers.children}


def test_scanners_of_another_build_are_replaced(sleepers: Sleepers) -> None:
    async def body(keeper: ScannerSupervisor, slots: StubSlots) -> None:
        left_by_another_build(sleepers, 2)
        await keeper.start()
        assert (keeper.outdated(0), keeper.outdated(1)) == (True, True)
        await until(lambda: not keeper.outdated(0) and not keeper.outdated(1))
        assert [child.poll() is None for child in sleepers.children] == [False, False, True, True]
        assert slots.died == []
        sleepers.children[2].kill()
        await until(lambda: len(sleepers.spawned) == 3)

    told = run(sleepers, body)
    assert told == ["scanner_adopted"] * 2 + ["scanner_started"] * 2 + ["scanner_crashed", "scanner_started"]


@pytest.mark.parametrize("how", ["is not started", "says nothing", "ends"])
def test_a_scanner_of_another_build_stays_when_its_successor_does_not_come_up(
    sleepers: Sleepers, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "READY", 0.2 if how == "says nothing" else SECONDS)

    async def body(keeper: ScannerSupervisor, _: StubSlots) -> None:
        left_by_another_build(sleepers, 1)
        sleepers.build = None
        sleepers.fails = how == "is not started"
        await keeper.start()
        if how == "ends":
            await until(lambda: len(sleepers.children) == 2)
            sleepers.children[1].kill()
        await until(lambda: not keeper.outdated(0))
        assert sleepers.children[0].poll() is None
        process = keeper.process(0)
        assert process is not None
        assert process.info.pid == sleepers.children[0].pid

    assert run(sleepers, body, count=1) == ["scanner_adopted", "scanner_start_failed"]
    assert [child.poll() is None for child in sleepers.children] == [True, False][: len(sleepers.children)]


def test_a_daemon_that_ends_meanwhile_leaves_the_old_one(sleepers: Sleepers) -> None:
    async def body(keeper: ScannerSupervisor, _: StubSlots) -> None:
        left_by_another_build(sleepers, 1)
        sleepers.build = None
        await keeper.start()
        await until(lambda: len(sleepers.children) == 2)

    assert run(sleepers, body, count=1) == ["scanner_adopted"]
    assert [child.poll() is None for child in sleepers.children] == [True, False]


def test_a_scanner_that_does_not_start_is_tried_again(sleepers: Sleepers) -> None:
    async def body(keeper: ScannerSupervisor, _: StubSlots) -> None:
        sleepers.fails = 2
        await keeper.start()
        await until(lambda: sleepers.spawned == [0])

    assert run(sleepers, body, count=1) == ["scanner_start_failed"] * 2 + ["scanner_started"]


def test_a_scanner_that_crashes_again_and_again_is_told(sleepers: Sleepers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperward.ips.engine.backoff.LONGEST", 0.01)

    async def body(keeper: ScannerSupervisor, _: StubSlots) -> None:
        await keeper.start()
        for number in range(5):
            sleepers.children[number].kill()
            await until(lambda seen=number + 2: len(sleepers.spawned) == seen)  # type: ignore[misc]

    assert "scanner_crash_loop" in run(sleepers, body, count=1)


def test_the_next_daemon_finds_them_running(sleepers: Sleepers) -> None:
    async def body(keeper: ScannerSupervisor, _: StubSlots) -> None:
        await keeper.start()

    run(sleepers, body)
    assert [child.poll() for child in sleepers.children] == [None, None]


def test_notices_are_events() -> None:
    from datetime import UTC, datetime

    now = datetime(2026, 6, 1, tzinfo=UTC)
    event = event_of_notice(ScannerNotice(Kind.SCANNER_CRASHED, "it ended"), time=now, svm="s")
    assert (event.severity, event.message, event.svm) == (Severity.FUNCTIONAL_FAILURE, "it ended", "s")
    loop = event_of_notice(ScannerNotice(Kind.SCANNER_CRASH_LOOP, "x"), time=now, svm="s")
    assert loop.severity is Severity.CRITICAL


def test_processes_are_known_again_by_their_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import time; print('first'); print('I am here', flush=True); time.sleep(60)"
    monkeypatch.setattr(ScannerPaths, "arguments", lambda _, index: (sys.executable, "-c", script, str(index)))
    processes = ScannerProcesses(ScannerPaths(tmp_path / "run", tmp_path / "state", tmp_path))

    async def main() -> None:
        started = processes.spawn(3)
        found: list[list[WatchedProcess]] = []
        try:
            await until(lambda: processes.last_words(3) == "I am here")
            found = processes.find()
            assert [len(of_index) for of_index in found] == [0, 0, 0, 1] + [0] * 12
            assert found[3][0].info == started.info
        finally:
            for process in (process for of_index in found for process in of_index):
                process.close()
            await started.kill()
            started.close()

    asyncio.run(main())


def test_last_words_of_nobody(tmp_path: Path) -> None:
    assert last_words(tmp_path / "missing") == "it said nothing"
    (tmp_path / "log").write_text("a\n\n  \n")
    assert last_words(tmp_path / "log") == "a"
    assert 1 <= default_count() <= 16
