"""Start the servers of a lab's machines as child processes and wait until they listen."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hyperward.errors import SystemFault
from hyperward.lab.deadline import Deadline

Spawn = Callable[[Sequence[str], Sequence[int]], subprocess.Popen[bytes]]
"""Starts a process in the machine's namespace with those file descriptors open, and records it."""

START_SECONDS = 30.0


def service_command(
    records: Path, ready: int, names: Mapping[str, tuple[str, str]], certificate: Path | None = None
) -> list[str]:
    """Return the command that serves HTTP (80), SSH (22) and DNS (53), IPv4 and IPv6.

    With the folder of a certificate, also HTTP (8080), HTTP over TLS (443) and HTTP/3 (UDP 443).
    """
    command = [sys.executable, "-m", "hyperward.lab.serve", str(records), str(ready), json.dumps(names)]
    return [*command, "" if certificate is None else str(certificate)]


def start_services(
    starts: Mapping[str, tuple[Path, Spawn]],
    names: Mapping[str, tuple[str, str]],
    certificates: Mapping[str, Path],
) -> None:
    """Start the servers of several machines at once, by machine name: records file and how to spawn there.

    `certificates` has the folder of a certificate for each machine that serves TLS too.

    Raises:
        SystemFault: one of them did not listen within 30 s.
    """
    waiting: dict[int, str] = {}
    try:
        for node, (records, spawn) in starts.items():
            read_end, write_end = os.pipe()
            waiting[read_end] = node
            try:
                spawn(service_command(records, write_end, names, certificates.get(node)), [write_end])
            finally:
                os.close(write_end)
        deadline = Deadline.after(START_SECONDS)
        for read_end, node in waiting.items():
            _wait_ready(read_end, node, deadline)
    finally:
        for read_end in waiting:
            os.close(read_end)


def _wait_ready(read_end: int, node: str, deadline: Deadline) -> None:
    poller = select.poll()
    poller.register(read_end, select.POLLIN)
    if not poller.poll(deadline.left() * 1000):
        raise SystemFault(f"the servers did not listen within {START_SECONDS:.0f} s", where=node)
    if os.read(read_end, 16) != b"ready":
        raise SystemFault("the servers ended at their start", where=node, hint="see the log file in the lab's folder")
