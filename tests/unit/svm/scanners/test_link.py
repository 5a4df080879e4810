"""Telling scanners what to follow, with processes that do nothing and reports that the test writes."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hyperward.errors import SystemFault
from hyperward.ips.engine.procfs import process_info
from hyperward.ips.engine.watched import WatchedProcess
from hyperward.policy.actions import WebAction
from hyperward.svm.scanners.link import ScannerLink
from hyperward.svm.scanners.notices import ScannerNotice
from hyperward.svm.scanners.paths import ScannerPaths
from hyperward.svm.scanners.report import read_report
from hyperward.svm.scanners.settings import ScannedPort
from hyperward.svm.scanners.slots import StubSlots
from hyperward.svm.scanners.supervisor import ScannerSupervisor
from hyperward.webscan.scanner.status import ScannerStatus, identity
from hyperward.webscan.settings import ScannerSettings, WebScan

PORTS = {5: ScannedPort("vm", "p", WebScan({"malicious": WebAction.BLOCK}))}


class Ourselves(ScannerSupervisor):
    """Takes the test's own process for every scanner that runs."""

    def __init__(self, count: int) -> None:
        super().__init__(count, Nothing(), StubSlots(), self.ignore)
        self.runs = [True] * count
        self.old: set[int] = set()
        self.calls: list[str] = []
        self.started_hook: Callable[[], None] = lambda: None
        info = process_info(os.getpid())
        assert info is not None
        self.ours = WatchedProcess(info)

    def ignore(self, notice: ScannerNotice) -> None:
        raise AssertionError(notice)

    def process(self, index: int) -> WatchedProcess | None:
        return self.ours if self.runs[index] else None

    def answers(self, index: int) -> bool:
        return self.runs[index]

    def outdated(self, index: int) -> bool:
        return index in self.old

    async def start(self) -> None:
        self.calls.append("start")
        self.started_hook()

    async def stop(self) -> None:
        self.calls.append("stop")


class Nothing:
    def find(self) -> list[list[WatchedProcess]]:
        return []

    def spawn(self, index: int) -> WatchedProcess:
        raise SystemFault(f"{index}")

    def build_of(self, index: int, process: WatchedProcess) -> str | None:
        raise SystemFault(f"{index}, {process.info.pid}")

    def last_words(self, index: int) -> str:
        return str(index)


class Node:
    def __init__(self, folder: Path) -> None:
        self.paths = ScannerPaths(folder / "run", folder / "state", folder / "pins")
        self.database = folder / "a.hwa"
        self.database.write_bytes(b"1")
        self.supervisor = Ourselves(2)
        self.begin()

    def begin(self) -> None:
        self.link = ScannerLink(self.paths, "svm", [self.database], self.supervisor, confirm_seconds=0.05)

    def settings(self) -> ScannerSettings:
        return msgspec.json.decode(self.paths.settings.read_bytes(), type=ScannerSettings)

    def report(self, index: int, version: int, *, error: str = "", pid: int | None = None) -> None:
        info, settings = self.supervisor.ours.info, self.paths.settings
        report = ScannerStatus(
            info.pid if pid is None else pid,
            info.started,
            version,
            {str(self.database): "v1"} if version else {},
            error,
            looked=identity(settings) if settings.exists() else (0, 0, 0, 0),
        )
        self.paths.settings.parent.mkdir(parents=True, exist_ok=True)
        self.paths.report(index).write_bytes(msgspec.json.encode(report))

    def follow(self, ports: dict[int, ScannedPort]) -> str:
        return asyncio.run(self.link.follow(ports))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.supervisor.ours.close()


def test_settings_are_written_before_scanners_start_and_their_version_rises(node: Node) -> None:
    assert node.follow(PORTS) == ""
    assert node.settings() == ScannerSettings(1, "svm", (str(node.database),), (PORTS[5].web,), node.settings().ports)
    assert node.supervisor.calls == ["start"]
    node.follow({})
    assert (node.settings().version, node.settings().ports, node.supervisor.calls[-1]) == (2, {}, "stop")


def test_nothing_is_written_when_nothing_changed(node: Node) -> None:
    node.follow(PORTS)
    before = node.paths.settings.stat().st_mtime_ns
    node.follow(PORTS)
    assert (node.settings().version, node.paths.settings.stat().st_mtime_ns) == (1, before)


def test_a_replaced_database_is_opened_again(node: Node) -> None:
    node.follow(PORTS)
    node.database.write_bytes(b"22")
    node.follow(PORTS)
    assert node.settings().version == 2


def test_the_next_daemon_knows_what_was_told_and_goes_on_from_there(node: Node) -> None:
    node.follow(PORTS)
    node.begin()
    assert node.link.told() == PORTS
    node.follow({})
    assert node.settings().version == 2


def test_a_version_is_never_used_twice_even_when_the_file_was_lost(node: Node) -> None:
    node.report(1, 41)
    node.paths.settings.write_bytes(b"{")
    node.begin()
    assert node.link.told() == {}
    node.follow(PORTS)
    assert node.settings().version == 42


def test_a_refusal_keeps_ports_from_being_switched(node: Node) -> None:
    def report() -> None:
        node.report(0, 1)
        node.report(1, 0, error="a.hwa: damaged")

    node.supervisor.started_hook = report
    assert node.follow(PORTS) == "web scanner 1 refuses the settings: a.hwa: damaged"
    assert [one["error"] for one in node.link.status()["processes"]] == ["", "a.hwa: damaged"]
    assert not node.link.state().all_follow


def test_what_a_scanner_of_another_build_refuses_is_no_refusal(node: Node) -> None:
    def report() -> None:
        node.report(0, 1)
        node.report(1, 0, error="unknown field")

    node.supervisor.started_hook = report
    node.supervisor.old = {1}
    assert node.follow(PORTS) == ""


def test_an_error_of_settings_before_is_no_refusal_of_these(node: Node) -> None:
    node.report(0, 0, error="it was damaged")
    node.report(1, 0, error="it was damaged")
    assert node.follow(PORTS) == ""


def test_settings_in_force_without_one_database_are_no_refusal(node: Node) -> None:
    def report() -> None:
        for index in (0, 1):
            node.report(index, 1, error="b.hwa: damaged")

    node.supervisor.started_hook = report
    assert node.follow(PORTS) == ""
    assert node.link.state().all_follow
    assert [one["error"] for one in node.link.status()["processes"]] == ["b.hwa: damaged"] * 2


@pytest.mark.parametrize("how", ["silent", "of another process", "unreadable"])
def test_a_scanner_that_says_nothing_holds_nobody_up_for_long(node: Node, how: str) -> None:
    node.report(0, 1)
    if how == "of another process":
        node.report(1, 7, pid=1, error="old")
    elif how == "unreadable":
        node.paths.report(1).write_bytes(b"\xff")
    assert node.follow(PORTS) == ""
    assert list(node.link.reports()) == [0]


def test_a_scanner_that_does_not_run_is_not_waited_for(node: Node) -> None:
    node.supervisor.started_hook = lambda: node.report(0, 1)
    node.supervisor.runs[1] = False
    node.link = ScannerLink(node.paths, "svm", (), node.supervisor, confirm_seconds=60)
    assert node.follow(PORTS) == ""
    assert not node.link.state().all_run


def test_state_and_status(node: Node) -> None:
    node.follow(PORTS)
    for index in (0, 1):
        node.report(index, 1)
    state = node.link.state()
    assert (state.all_run, state.all_follow, state.all_have_databases, state.all_answer) == (True, True, True, True)
    status = node.link.status()
    assert (status["ports"], status["databases"]) == (1, {str(node.database): "v1"})


def test_folder_that_cannot_be_written_is_told(node: Node) -> None:
    node.paths.settings.parent.parent.mkdir(parents=True)
    node.paths.settings.parent.write_text("a file")
    with pytest.raises(SystemFault):
        node.follow(PORTS)


def test_endless_report_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(b'{"pid":1,"started":2,"error":"' + b"x" * 1_000_000 + b'"}')
    assert read_report(path) is None
    assert read_report(tmp_path / "missing") is None
