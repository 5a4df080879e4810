"""Reads what a scanner says of itself."""

from pathlib import Path
from typing import Final

import structlog

from hyperward.fromjson import from_json
from hyperward.webscan.scanner.status import ScannerStatus

MAX_REPORT: Final = 256 * 1024
"""Bytes. Sixteen or so databases with their paths and versions are a few KiB."""

log = structlog.get_logger(__name__)


def read_report(path: Path) -> ScannerStatus | None:
    """Return the report in a file; None where there is none, or it cannot be understood."""
    try:
        with path.open("rb") as file:
            return from_json(file.read(MAX_REPORT), ScannerStatus)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("scanner_report_unreadable", path=str(path), reason=str(error))
        return None
