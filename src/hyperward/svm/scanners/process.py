"""A scanner as a process: start, know it again. It lives in a session of its own and outlives the daemon."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from hyperward.errors import SystemFault
from hyperward.ips.engine.files import make_folder
from hyperward.ips.engine.procfs import PROC, process_info
from hyperward.ips.engine.watched import WatchedProcess
from hyperward.steering.layout import MAX_SCANNERS
from hyperward.svm.scanners.paths import ScannerPaths
from hyperward.svm.scanners.report import read_report

_TAIL: Final = 4096
"""Bytes at the end of a scanner's output in which its last words are looked for."""


class ScannerProcesses:
    """Starts and finds the scanners of one SVM.

    Args:
        paths: of their files; their command lines.
    """

    def __init__(self, paths: ScannerPaths) -> None:
        self._paths = paths

    def find(self) -> list[list[WatchedProcess]]:
        """Return the running processes of every possible index, known again by user and command line."""
        indexes = {self._paths.arguments(index): index for index in range(MAX_SCANNERS)}
        found: list[list[WatchedProcess]] = [[] for _ in indexes]
        for entry in PROC.iterdir():
            if not entry.name.isdigit():
                continue
            with suppress(FileNotFoundError, ProcessLookupError):
                info = process_info(int(entry.name)) if entry.stat().st_uid == os.geteuid() else None
                if info is not None and info.arguments in indexes:
                    found[indexes[info.arguments]].append(WatchedProcess(info))
        return found

    def spawn(self, index: int) -> WatchedProcess:
        """Start a scanner; does not wait until it is ready.

        Raises:
            SystemFault: it cannot be started, or ended at once.
        """
        paths, output = self._paths, self._paths.output(index)
        try:
            for folder in (paths.settings.parent, paths.records_dir):
                make_folder(folder)
            paths.report(index).unlink(missing_ok=True)
            if output.exists():
                output.replace(output.with_name(f"{output.name}.1"))
            pid = _spawn(paths.arguments(index), str(output))
        except OSError as error:
            what = f"web scanner {index} cannot be started: {error.strerror or error}"
            raise SystemFault(what, where=str(error.filename or "")) from None
        info = process_info(pid)
        with suppress(ProcessLookupError):
            if info is not None:
                return WatchedProcess(info)
        os.waitpid(pid, 0)
        raise SystemFault(f"web scanner {index} ended at once: {last_words(output)}", where=str(output))

    def build_of(self, index: int, process: WatchedProcess) -> str | None:
        """Return which build of the package a scanner runs; None where it has not said a word yet."""
        report, info = read_report(self._paths.report(index)), process.info
        if report is None or (report.pid, report.started) != (info.pid, info.started):
            return None
        return report.build

    def last_words(self, index: int) -> str:
        """Return the last line that a scanner printed."""
        return last_words(self._paths.output(index))


def last_words(output: Path) -> str:
    """Return the last line that a scanner printed."""
    try:
        with output.open("rb") as file:
            file.seek(max(0, output.stat().st_size - _TAIL))
            lines = file.read(_TAIL).decode(errors="replace").split("\n")
    except OSError:
        return "it said nothing"
    return next((" ".join(line.split())[:500] for line in reversed(lines) if line.strip()), "it said nothing")


def _spawn(argv: Sequence[str], output: str) -> int:
    # The path of the package's own modules is kept; nothing else of the environment is the scanner's business.
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "VIRTUAL_ENV") if name in os.environ}
    return os.posix_spawn(
        argv[0],
        list(argv),
        {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **kept},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        # A mask or handler of ours must not be the scanner's.
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR2),
    )
