"""What a scanner says of itself, in a file of its own: which process it is and what it follows."""

from pathlib import Path
from typing import Final

import msgspec
import structlog

from hyperward.fromjson import from_json

MAX_REPORT: Final = 256 * 1024
"""Bytes. Sixteen or so databases with their paths and versions are a few KiB."""

log = structlog.get_logger(__name__)


class ScannerReport(msgspec.Struct, frozen=True):
    """The report of a scanner.

    Args:
        pid: of its process.
        started: when that began, in clock ticks since boot.
        settings_version: of the settings that it follows; 0 for none.
        databases: version of each address database in use, by its path.
        error: what of the settings it could not take over; empty when nothing.
    """

    pid: int
    started: int
    settings_version: int = 0
    databases: dict[str, str] = {}
    error: str = ""


def read_report(path: Path) -> ScannerReport | None:
    """Return the report in a file; None where there is none, or it cannot be understood."""
    try:
        with path.open("rb") as file:
            return from_json(file.read(MAX_REPORT), ScannerReport)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("scanner_report_unreadable", path=str(path), reason=str(error))
        return None
