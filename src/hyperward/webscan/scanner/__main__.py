"""`python -m hyperward.webscan.scanner`: one scanner process, started by the SVM daemon."""

import argparse
import sys
from pathlib import Path

import structlog

from hyperward.errors import HyperwardError
from hyperward.webscan.scanner.process import Options, run


def main() -> int:
    """Run a scanner; return its exit code."""
    parser = argparse.ArgumentParser(prog="hyperward-scanner", description="One web scanner process.")
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--pins", type=Path, required=True)
    given = parser.parse_args()
    log = structlog.get_logger("hyperward.webscan.scanner")
    try:
        run(Options(given.index, given.run_dir, given.state_dir, given.pins))
    except HyperwardError as error:
        log.error("scanner_ended", reason=error.line())
        return error.exit_code
    except OSError as error:
        log.error("scanner_ended", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
