"""What /proc says about a process: enough to know one again and to refuse a stranger with the same pid."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_START_FIELD: Final = 22
"""`starttime` of proc_pid_stat(5), counted from 1."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A process. `started` is in clock ticks since boot; pid and started together are unique.

    The arguments take no part in comparisons: for a moment within exec(2) they are empty.
    """

    pid: int
    started: int
    arguments: tuple[str, ...] = field(compare=False)


def process_info(pid: int) -> ProcessInfo | None:
    """Return the living process with that pid; None where there is none or it is a zombie."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
        cmdline = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    # The second field, the name, may hold blanks and brackets.
    fields = stat[stat.rfind(")") + 1 :].split()
    if len(fields) < _START_FIELD - 2 or fields[0] in {"Z", "X"}:
        return None
    arguments = tuple(part.decode(errors="replace") for part in cmdline.rstrip(b"\0").split(b"\0"))
    return ProcessInfo(pid, int(fields[_START_FIELD - 3]), arguments)


def read_pid(path: Path) -> int | None:
    """Return the pid in a pid file; None where there is no file or no sane number."""
    try:
        with path.open("rb") as file:
            text = file.read(32).strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and 1 < int(text) < 1 << 31 else None
