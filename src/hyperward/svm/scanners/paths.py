"""Where the scanners' files are, and how many scanners there can be."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hyperward.steering.layout import MAX_SCANNERS

MODULE: Final = "hyperward.webscan.scanner"


@dataclass(frozen=True, slots=True)
class ScannerPaths:
    """The files of the scanners of one SVM.

    Args:
        run_dir: of the SVM.
        state_dir: of the SVM.
        pins: folder on the BPF file system.
    """

    run_dir: Path
    state_dir: Path
    pins: Path

    @property
    def settings(self) -> Path:
        """What all scanners follow."""
        return self.run_dir / "web" / "settings.json"

    @property
    def records_dir(self) -> Path:
        """The folder of the records."""
        return self.state_dir / "web"

    def report(self, index: int) -> Path:
        """Return what a scanner says of itself."""
        return self.run_dir / "web" / f"scanner-{index}.json"

    def output(self, index: int) -> Path:
        """Return what a scanner prints: its log."""
        return self.records_dir / f"scanner-{index}.log"

    def records(self, index: int) -> Path:
        """Return the requests that a scanner found."""
        return self.records_dir / f"records-{index}.json"

    def arguments(self, index: int) -> tuple[str, ...]:
        """Return the command line of a scanner; it is also how a running one is recognised."""
        # -P: what lies in the folder in which the daemon was started is no module of ours.
        head = (sys.executable, "-P", "-m", MODULE, "--index", str(index))
        folders = (("--run-dir", self.run_dir), ("--state-dir", self.state_dir), ("--pins", self.pins))
        return (*head, *(text for name, path in folders for text in (name, str(path))))


def default_count() -> int:
    """Return how many scanners there are unless the configuration says so: one for each CPU that may be used."""
    return max(1, min(MAX_SCANNERS, len(os.sched_getaffinity(0))))
