"""What the machine is, and whose CPU time goes where while something is measured."""

import os
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_KERNEL_THREADS = 2
_PPID, _UTIME, _CSTIME = 1, 11, 14
_PREFERRED = "-15"


@dataclass(frozen=True, slots=True)
class Used:
    """CPU time of one process: its own, and its own with that of its children that ended; in seconds."""

    parent: int
    own: float
    total: float


@dataclass(frozen=True, slots=True)
class Moment:
    """The CPU time of all processes at one time."""

    at: float
    used: dict[int, Used]


def parse_used(text: str) -> Used:
    """Return what the text of /proc/PID/stat says (proc(5)); the name in it may hold anything."""
    fields = text.rpartition(")")[2].split()
    times = [int(number) / TICKS for number in fields[_UTIME : _CSTIME + 1]]
    return Used(int(fields[_PPID]), sum(times[:2]), sum(times))


def moment() -> Moment:
    """Return the CPU time of all processes, threads of the kernel left out."""
    used = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, IndexError, ValueError):
                used[int(entry.name)] = parse_used((entry / "stat").read_text(errors="replace"))
    kernel = {pid for pid, one in used.items() if _KERNEL_THREADS in {pid, one.parent}}
    return Moment(time.monotonic(), {pid: one for pid, one in used.items() if pid not in kernel})


def descendants(used: dict[int, Used], roots: Iterable[int]) -> set[int]:
    """Return the roots and everything below them."""
    found = set(roots)
    while more := {pid for pid, one in used.items() if one.parent in found and pid not in found}:
        found |= more
    return found


def foreign(before: Moment, after: Moment, ours: Iterable[int]) -> float:
    """Return how many cores' worth of CPU time went to processes that are neither `ours` nor below them.

    A process that ended counts with all its life, as its parent has it then: this is the most that it can be, but never
    more than what ours left of the CPUs.
    """
    mine = descendants(after.used, ours)
    theirs = ours_too = 0.0
    for pid, one in after.used.items():
        old = before.used.get(pid)
        more = max(0.0, one.total - old.total) if old else one.total
        if pid in mine:
            ours_too += more
        else:
            theirs += more
    seconds = max(after.at - before.at, 1e-9)
    return min(theirs / seconds, max(0.0, len(os.sched_getaffinity(0)) - ours_too / seconds))


def spent(before: Moment, after: Moment, pids: Iterable[int]) -> float:
    """Return the seconds of CPU that these processes took."""
    return sum(after.used[pid].own - before.used[pid].own for pid in pids if pid in after.used and pid in before.used)


@contextmanager
def preferred(pid: int) -> Iterator[None]:
    """Let the session of a process have more of the CPUs than others that work here meanwhile (sched(7), autogroups).

    It takes nothing of what servers, loads and scanners take from each other: all of them get the same.
    """
    path = Path(f"/proc/{pid}/autogroup")
    try:
        before = path.read_text().rpartition(" ")[2].strip() or "0"
        path.write_text(_PREFERRED)
    except OSError:  # not known to this kernel
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):  # the process may be gone
            path.write_text(before)


def machine() -> dict[str, str]:
    """Return what a reader has to know of the machine."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": f"{_model()}, {len(os.sched_getaffinity(0))} cores, which load generators and servers share",
        "kernel": platform.release(),
        "Python": platform.python_version(),
    }


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
