"""One clear line out of what the engine logs and prints."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from hyperward.fromjson import from_json

TAIL: Final = 256 * 1024
"""Bytes read from the end of a log."""
STARTED: Final = "Engine started"


_LOADED: Final = re.compile(r"(\d{1,9}) rules successfully loaded, (\d{1,9}) rules failed")


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What came of loading a tenant's rules.

    Args:
        loaded: number of rules in force.
        failed: number of rules the engine refused.
        errors: its last complaints, oldest first.
    """

    loaded: int
    failed: int
    errors: tuple[str, ...] = ()


class _Inner(msgspec.Struct):
    message: str = ""
    module: str = ""


class _Line(msgspec.Struct):
    log_level: str = ""
    engine: _Inner = msgspec.field(default_factory=_Inner)


def has_started(text: str) -> bool:
    """Tell whether the engine says that its packet threads run."""
    return any(line.engine.module == "threads" and STARTED in line.engine.message for line in _lines(text.splitlines()))


def complaints(text: str, *, limit: int = 5) -> list[str]:
    """Return the last errors, oldest first, each as one line; none is empty and none is repeated."""
    found = [
        " ".join(line.engine.message.split())[:500]
        for line in _lines(text.splitlines())
        if line.log_level in {"Error", "Critical", "Alert", "Emergency"} and line.engine.message.strip()
    ]
    return list(dict.fromkeys(found))[-limit:]


def load_report(text: str) -> LoadReport | None:
    """Return what the engine says about the rules it loaded last; None where it says nothing."""
    for line in reversed(list(_lines(text.splitlines()))):
        found = _LOADED.search(line.engine.message)
        if found:
            return LoadReport(int(found[1]), int(found[2]), tuple(complaints(text)))
    return None


def read_from(path: Path, offset: int) -> str:
    """Return a text file from an offset on, at most its last TAIL bytes; empty where there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(offset, size - TAIL))
            return file.read(TAIL).decode(errors="replace")
    except OSError:
        return ""


def reason(log: Path, output: Path) -> str:
    """Return why the engine ended, as far as its log and its output say; never empty."""
    errors = complaints(read_tail(log), limit=2)
    if errors:
        return "; ".join(errors)
    printed = [" ".join(line.split()) for line in read_tail(output).splitlines() if line.strip()]
    return printed[-1][:500] if printed else "it said nothing"


def read_tail(path: Path) -> str:
    """Return the end of a text file; empty where there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            return file.read(TAIL).decode(errors="replace")
    except OSError:
        return ""


def _lines(lines: Iterable[str]) -> Iterable[_Line]:
    for line in lines:
        try:
            yield from_json(line, _Line)
        except ValueError:
            continue
