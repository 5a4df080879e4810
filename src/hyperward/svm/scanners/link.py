"""Tells the scanners what to follow, and waits until they do.

Ports are switched to the scanners after these have confirmed, and switched off before the scanners forget them. A
scanner that does not run holds nobody up: for its part of the traffic the policy's failure action is in force, and it
reads the settings when it starts.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import structlog

from hyperward.errors import HyperwardError, SystemFault
from hyperward.files import write_atomically
from hyperward.fromjson import from_json
from hyperward.ips.engine.files import make_folder
from hyperward.steering.layout import MAX_SCANNERS
from hyperward.svm.scanners.paths import ScannerPaths
from hyperward.svm.scanners.report import read_report
from hyperward.svm.scanners.settings import ScannedPort, ports_of, scanner_settings
from hyperward.svm.scanners.supervisor import ScannerSupervisor
from hyperward.webscan.scanner.status import Identity, ScannerStatus, identity
from hyperward.webscan.settings import ScannerSettings

POLL: Final = 0.01
"""Seconds between two looks at the scanners' reports."""
CONFIRM: Final = 5.0
"""Seconds that the scanners may take to follow a change; beyond that they are taken for busy or hung."""

log = structlog.get_logger(__name__)


class Scanners(Protocol):
    """What the applier needs of the scanners. `ScannerLink` has it, `StubScanners` is its twin."""

    def told(self) -> dict[int, ScannedPort]:
        """Return the ports that the scanners know, by port id: also what an earlier daemon told them."""

    async def follow(self, ports: Mapping[int, ScannedPort]) -> str:
        """Let the scanners know these ports and no others, and return when all that run do.

        Returns:
            Why ports must not be switched to them; empty when nothing stands against it.

        Raises:
            SystemFault: the settings cannot be written; nothing was changed.
        """


@dataclass(frozen=True, slots=True)
class ScannerState:
    """Whether all scanners run, answer, follow what they were told last, and have an address database."""

    all_run: bool
    all_answer: bool
    all_follow: bool
    all_have_databases: bool


class ScannerLink:
    """The scanners of this SVM.

    Args:
        paths: of their files.
        svm: name of the node.
        databases: address database files, those of the operator's own lists first.
        supervisor: keeps them running.
        confirm_seconds: how long to wait for them.
    """

    def __init__(
        self,
        paths: ScannerPaths,
        svm: str,
        databases: Sequence[Path],
        supervisor: ScannerSupervisor,
        *,
        confirm_seconds: float = CONFIRM,
    ) -> None:
        self._paths = paths
        self._svm = svm
        self._databases = tuple(str(path) for path in databases)
        self._marks: tuple[Identity | None, ...] | None = None
        self._supervisor = supervisor
        self._confirm_seconds = confirm_seconds
        self._told = _read(paths.settings)

    @property
    def databases(self) -> tuple[Path, ...]:
        """The address databases that the scanners are told to use."""
        return tuple(Path(path) for path in self._databases)

    def use(self, databases: Sequence[Path]) -> None:
        """Tell these address databases from the next change on, those of the operator's own lists first."""
        self._databases = tuple(str(path) for path in databases)

    def told(self) -> dict[int, ScannedPort]:
        """Return the ports that the scanners know, by port id."""
        return {} if self._told is None else ports_of(self._told)

    async def follow(self, ports: Mapping[int, ScannedPort]) -> str:
        """Let the scanners know these ports and no others; they run as long as there are any."""
        self._write(ports)
        if not ports:
            await self._supervisor.stop()
            return ""
        await self._supervisor.start()
        return await self._confirmed()

    def reports(self) -> dict[int, ScannerStatus]:
        """Return what the running scanners say of themselves, by index."""
        found = {}
        for index in range(self._supervisor.count):
            process, report = self._supervisor.process(index), read_report(self._paths.report(index))
            if process is None or report is None:
                continue
            if (report.pid, report.started) == (process.info.pid, process.info.started):
                found[index] = report
        return found

    def state(self) -> ScannerState:
        """Return how the scanners are."""
        count, reports = self._supervisor.count, self.reports()
        version = self._told.version if self._told is not None else 0
        return ScannerState(
            all_run=all(self._supervisor.process(index) is not None for index in range(count)),
            all_answer=all(self._supervisor.answers(index) for index in range(count)),
            all_follow=all(index in reports and reports[index].settings_version >= version for index in range(count)),
            all_have_databases=all(index in reports and bool(reports[index].databases) for index in range(count)),
        )

    def status(self) -> dict[str, Any]:
        """Return how the scanners are, for people and programs."""
        reports = self.reports()
        processes = []
        for index in range(self._supervisor.count):
            process, report = self._supervisor.process(index), reports.get(index)
            processes.append(
                {
                    "index": index,
                    "pid": process.info.pid if process is not None else None,
                    "answers": process is not None and self._supervisor.answers(index),
                    "settings_version": report.settings_version if report is not None else 0,
                    "error": report.error if report is not None else "",
                }
            )
        return {
            "wanted": self._supervisor.started,
            "settings_version": self._told.version if self._told is not None else 0,
            "ports": len(self.told()),
            "databases": databases_of(reports.values()),
            "processes": processes,
        }

    def _write(self, ports: Mapping[int, ScannedPort]) -> None:
        marks = tuple(_mark(path) for path in self._databases)
        version = self._told.version if self._told is not None else 0
        same = scanner_settings(version, self._svm, self._databases, ports)
        # A database that was replaced under its name is another one: the scanners shall open it.
        if same == self._told and marks == self._marks:
            return
        settings = msgspec.structs.replace(same, version=max(version, self._highest()) + 1)
        try:
            make_folder(self._paths.settings.parent)
            write_atomically(self._paths.settings, msgspec.json.encode(settings))
        except OSError as error:
            raise SystemFault(f"cannot be written: {error.strerror}", where=str(self._paths.settings)) from None
        self._told, self._marks = settings, marks
        log.debug("scanners_told", version=settings.version, ports=len(ports), scans=len(settings.scans))

    def _highest(self) -> int:
        """Return the highest version that a scanner knows: it rises even when the settings file was lost."""
        reports = (read_report(self._paths.report(index)) for index in range(MAX_SCANNERS))
        return max((report.settings_version for report in reports if report is not None), default=0)

    async def _confirmed(self) -> str:
        version = self._told.version if self._told is not None else 0
        looked = _mark(str(self._paths.settings))
        deadline = time.monotonic() + self._confirm_seconds
        while True:
            reports = self.reports()
            running = [index for index in range(self._supervisor.count) if self._supervisor.process(index) is not None]
            current = {index: report for index, report in reports.items() if not self._supervisor.outdated(index)}
            refused = _refused(current, version, looked)
            if refused:
                return refused
            waiting = [
                index
                for index in running
                if index not in reports
                or reports[index].settings_version < version
                or not self._supervisor.answers(index)
            ]
            if not waiting:
                return ""
            if time.monotonic() > deadline:
                log.warning("scanners_did_not_confirm", scanners=waiting, version=version)
                return ""
            await asyncio.sleep(POLL)


def _refused(reports: Mapping[int, ScannerStatus], version: int, looked: Identity | None) -> str:
    """Return why a scanner does not follow the settings; empty when none says so of this very file."""
    for index, report in reports.items():
        if report.error and report.settings_version < version and report.looked == looked:
            return f"web scanner {index} refuses the settings: {report.error}"
    return ""


def _read(path: Path) -> ScannerSettings | None:
    try:
        return from_json(path.read_bytes(), ScannerSettings)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("scanner_settings_unreadable", path=str(path), reason=str(error))
        return None


def _mark(path: str) -> Identity | None:
    try:
        return identity(Path(path))
    except OSError:
        return None


class StubScanners:
    """Twin for tests: follows at once, or says why not. `on_follow` is called first."""

    def __init__(self) -> None:
        self.ports: dict[int, ScannedPort] = {}
        self.calls: list[dict[int, ScannedPort]] = []
        self.refuses = ""
        self.fails: HyperwardError | None = None
        self.on_follow: Callable[[], None] = lambda: None

    def told(self) -> dict[int, ScannedPort]:
        """Return the ports told last."""
        return dict(self.ports)

    async def follow(self, ports: Mapping[int, ScannedPort]) -> str:
        """Take the ports over, or say what the test says."""
        self.on_follow()
        if self.fails is not None:
            raise self.fails
        self.ports = dict(ports)
        self.calls.append(dict(ports))
        return self.refuses


def databases_of(settings: Iterable[ScannerStatus]) -> dict[str, str]:
    """Return the version of each database in use, by its path; scanners that differ show theirs side by side."""
    found: dict[str, set[str]] = {}
    for report in settings:
        for path, version in report.databases.items():
            found.setdefault(path, set()).add(version)
    return {path: ", ".join(sorted(versions)) for path, versions in sorted(found.items())}
