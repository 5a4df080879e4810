"""Processes by identity: a pid may have been given to another process since, a pid with its start time may not."""

import os
import select
import signal
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from hyperward.lab.deadline import Deadline

_STATE = 2
_STARTTIME = 21  # proc(5): field 22 of /proc/PID/stat, counted from 1


@dataclass(frozen=True, slots=True, order=True)
class ProcessRef:
    """One process: its pid and when it started, in clock ticks since the machine's start."""

    pid: int
    started: int


def parse_stat(text: str) -> tuple[str, int]:
    """Return state letter and start time from the text of /proc/PID/stat; the name in it may hold anything."""
    before, _, after = text.rpartition(")")
    fields = [before, ")", *after.split()]
    return fields[_STATE], int(fields[_STARTTIME])


def process_ref(pid: int) -> ProcessRef | None:
    """Return the reference of a running process, None when there is no such process or it is a zombie."""
    try:
        state, started = parse_stat(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace"))
    except (OSError, IndexError, ValueError):
        return None
    return None if state in "ZX" else ProcessRef(pid, started)


def alive(ref: ProcessRef) -> bool:
    """Return whether exactly this process still runs."""
    return process_ref(ref.pid) == ref


def stop_processes(refs: Iterable[ProcessRef], *, grace: float = 2.0) -> None:
    """Ask the processes to end, and kill those that still run after `grace` seconds. Gone ones are skipped."""
    with ExitStack() as stack:
        handles: list[int] = []
        for ref in refs:
            try:
                handle = os.pidfd_open(ref.pid)
            except OSError:
                continue
            stack.callback(os.close, handle)
            # Checked after the handle was opened: from here on it cannot become another process.
            if alive(ref):
                handles.append(handle)
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            for handle in handles:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, number)
            handles = _still_running(handles, seconds)


def _still_running(handles: Sequence[int], seconds: float) -> list[int]:
    """Wait until the processes ended; return the handles of those that did not."""
    left = set(handles)
    poller = select.poll()
    for handle in left:
        poller.register(handle, select.POLLIN)
    deadline = Deadline.after(seconds)
    while left and not deadline.passed():
        for handle, _ in poller.poll(deadline.left() * 1000):
            poller.unregister(handle)
            left.discard(handle)
    return sorted(left)


def processes_in(namespaces: set[tuple[int, int]]) -> list[ProcessRef]:
    """Return the processes whose network namespace is one of those, given as (device, inode); never this process."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            status = (entry / "ns/net").stat()
            ref = process_ref(int(entry.name))
            if ref is not None and (status.st_dev, status.st_ino) in namespaces:
                found.append(ref)
    return sorted(found)
