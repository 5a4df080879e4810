"""A real scanner process in a `web_lab`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from hyperward.files import write_atomically
from hyperward.lab.deadline import wait_until
from hyperward.webscan.database import build
from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.scanner.records import WebRecord
from hyperward.webscan.scanner.status import ScannerStatus
from hyperward.webscan.settings import PortScan, ScannerSettings, WebAction, WebScan
from web_lab import FIRST_PORT_ID, WebLab

SOURCE = Path(__file__).parents[1] / "src"
SCAN = WebScan({"malicious": WebAction.BLOCK, "advertising": WebAction.REPORT}, dns=True, contact="call 123")
ENTRIES = (
    Entry(EntryKind.DOMAIN, "evil.test", "malicious", "list", "1"),
    Entry(EntryKind.PREFIX, "popular.test/bad/", "malicious", "list", "2"),
    Entry(EntryKind.HOST, "ads.test", "advertising", "list", "3"),
)


@dataclass
class ScannerProcess:
    """A running scanner, its settings and what it wrote down."""

    folder: Path
    pins: Path
    index: int = 0
    settings: ScannerSettings = field(default_factory=lambda: ScannerSettings(0, "svm-1"))
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "hyperward.webscan.scanner", "--index", str(self.index)]
        command += ["--run-dir", str(self.folder), "--state-dir", str(self.folder), "--pins", str(self.pins)]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        with (self.folder / "scanner.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, start_new_session=True, stdout=log, stderr=subprocess.STDOUT
            )
        pid = self.process.pid

        def follows() -> bool:
            status = self.status()
            # Its first word comes before it has its device.
            return status is not None and status.pid == pid and any(status.looked)

        assert wait_until(follows, 20), self.log()

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.process = None
        return code

    def follow(self, settings: ScannerSettings) -> None:
        """Write settings, and wait until they are in force."""
        self.settings = replace_version(settings, self.settings.version + 1)
        path = self.folder / "web" / "settings.json"
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, msgspec.json.encode(self.settings))
        if self.process is not None:
            version = self.settings.version
            assert wait_until(lambda: (self.status() or ScannerStatus(0, 0)).settings_version == version, 10), (
                self.log()
            )

    def log(self) -> str:
        return (self.folder / "scanner.log").read_text()

    def status(self) -> ScannerStatus | None:
        try:
            raw = (self.folder / "web" / f"scanner-{self.index}.json").read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(raw, type=ScannerStatus)

    def records(self) -> list[WebRecord]:
        raw = (self.folder / "web" / f"records-{self.index}.json").read_bytes()
        return [msgspec.json.decode(line, type=WebRecord) for line in raw.splitlines()]

    def database(self, version: str, entries: Sequence[Entry] = ENTRIES) -> str:
        path = self.folder / f"{version}.db"
        build(entries, path, version=version)
        return str(path)


def replace_version(settings: ScannerSettings, version: int) -> ScannerSettings:
    return msgspec.structs.replace(settings, version=version)


@contextmanager
def scanner_process(lab: WebLab, folder: Path, scan: WebScan = SCAN, *, index: int = 0) -> Iterator[ScannerProcess]:
    """Run a scanner that follows `scan` on the ports of all VMs."""
    made = ScannerProcess(folder, lab._pins, index)
    ports = {FIRST_PORT_ID + n: PortScan(f"vm{n}", "office", 0) for n in range(len(lab.interfaces))}
    made.follow(ScannerSettings(0, "svm-1", (made.database("v1"),), (scan,), ports))
    made.start()
    try:
        yield made
    finally:
        if made.process is not None:
            made.stop()
