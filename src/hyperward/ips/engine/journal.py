"""What was registered in the running engine, on disk, so that a daemon that adopts the engine knows it.

A line before a command and a line after it: a daemon killed in between leaves a command whose outcome nobody knows, and
the one that adopts the engine makes it certain (`Journal.doubtful`). Written without fsync: the engine does not survive
a power cut either.
"""

from pathlib import Path
from typing import Final

import msgspec

from hyperward.fromjson import from_json
from hyperward.ips.engine.plan import Operation, Registered, Step

MAX_BYTES: Final = 64 << 20


class _Head(msgspec.Struct, frozen=True):
    pid: int
    started: int
    config: str
    tenants: dict[int, str]
    mappings: dict[int, int]


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    operation: Operation
    tenant: int
    vid: int = 0
    version: str = ""
    state: str = ""


class Journal:
    """The journal of one engine process.

    Args:
        path: of the file.
        pid: of the engine.
        started: its start time in clock ticks since boot, which makes the pid unique.
        config: digest of the configuration it was started with.
    """

    def __init__(self, path: Path, *, pid: int, started: int, config: str) -> None:
        self.registered = Registered()
        self.doubtful: list[Step] = []
        self.config = config
        self._path = path
        self._pid = pid
        self._started = started

    def reset(self, registered: Registered) -> None:
        """Begin the file anew with what is known to be registered."""
        self.registered, self.doubtful = registered, []
        head = _Head(self._pid, self._started, self.config, registered.tenants, registered.mappings)
        fresh = self._path.with_name(f"{self._path.name}.part")
        fresh.write_bytes(msgspec.json.encode(head) + b"\n")
        fresh.replace(self._path)

    def begin(self, step: Step) -> None:
        """Note that a command is about to be sent."""
        self._append(step, "begin")

    def done(self, step: Step) -> None:
        """Note that the engine carried it out."""
        self._append(step, "done")
        self.registered.record(step)

    def refused(self, step: Step) -> None:
        """Note that the engine refused it."""
        self._append(step, "refused")

    def _append(self, step: Step, state: str) -> None:
        line = _Line(step.operation, step.tenant, step.vid, step.version, state)
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")


def load(path: Path, *, pid: int, started: int) -> Journal | None:
    """Return the journal of that very process; None where there is none or it cannot be trusted."""
    try:
        with path.open("rb") as file:
            lines = file.read(MAX_BYTES + 1).splitlines(keepends=True)
        head = from_json(lines[0], _Head)
        if (head.pid, head.started) != (pid, started) or sum(map(len, lines)) > MAX_BYTES:
            return None
        journal = Journal(path, pid=pid, started=started, config=head.config)
        journal.registered = Registered(dict(head.tenants), dict(head.mappings))
        open_step: Step | None = None
        for raw in lines[1:]:
            if not raw.endswith(b"\n"):
                break  # the daemon was killed while it wrote; the command was not sent yet or is doubtful anyway
            line = from_json(raw, _Line)
            step = Step(line.operation, line.tenant, line.vid, line.version)
            open_step = step if line.state == "begin" else None
            if line.state == "done":
                journal.registered.record(step)
    except (OSError, IndexError, ValueError):
        return None
    if open_step is not None:
        journal.doubtful.append(open_step)
    return journal
