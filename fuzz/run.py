"""Fuzz one target: `python fuzz/run.py NAME [--inputs 1000000] [--seed 1]`. Exit code 1 with the input that goes wrong.

NAME is a module of this folder, such as `http1`. The same seed makes the same inputs.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "src"), str(ROOT / "tests")]

from driver import Found, run  # noqa: E402 - beside this file

NOT_TARGETS = {"driver", "run"}


def main() -> int:
    """Run the target that the command line names."""
    names = sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - NOT_TARGETS)
    parser = argparse.ArgumentParser(description="Throw damaged inputs at a parser.")
    parser.add_argument("name", choices=names)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begin = time.monotonic()

    def told(number: int) -> None:
        if sys.stderr.isatty() and number % 1000 == 0:
            print(f"\r{options.name}: {number:,} of {options.inputs:,}", end="", file=sys.stderr)

    try:
        module = importlib.import_module(options.name)
        tokens = getattr(module, "TOKENS", ())
        report = run(module.target, module.SEEDS, options.inputs, tokens=tokens, seed=options.seed, told=told)
    except Found as found:
        print(found, file=sys.stderr)
        return 1
    print(
        f"{options.name}: {report.inputs:,} inputs in {time.monotonic() - begin:.0f} s, "
        f"slowest {report.slowest * 1000:.1f} ms, grown by {report.grown >> 20} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
