"""What a lab has put on this machine, on disk before it is done, so that another process can take all of it away.

A lab is a folder `BASE/NAME` with `state.json` and whatever the lab's processes write. BASE is /run/hyperward/lab or
$HYPERWARD_LAB_RUN.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hyperward.errors import InputError, SystemFault
from hyperward.lab.cache import locked
from hyperward.lab.plan import LabPlan, check_lab_name, plan_lab
from hyperward.lab.procs import ProcessRef

DEFAULT_BASE = Path("/run/hyperward/lab")
STATE_FILE = "state.json"


@dataclass(frozen=True, slots=True)
class LabProcess:
    """A process of the lab and what it is: `qemu`, `services-NODE`, or a name that the caller gave."""

    name: str
    ref: ProcessRef


@dataclass(frozen=True, slots=True)
class LabState:
    """The content of `state.json`."""

    name: str
    vms: int
    qemu: bool
    owner: ProcessRef | None
    """The process that made the lab and will end it; None when the lab was left running on purpose."""
    ready: bool = False
    processes: tuple[LabProcess, ...] = field(default=())

    def plan(self) -> LabPlan:
        """Return the plan from which the lab was made."""
        return plan_lab(self.name, vms=self.vms, qemu=self.qemu)

    def with_process(self, process: LabProcess) -> "LabState":
        """Return the state with one more process."""
        return replace(self, processes=(*self.processes, process))


def base_folder() -> Path:
    """Return the folder of all labs."""
    own = os.environ.get("HYPERWARD_LAB_RUN")
    return Path(own) if own else DEFAULT_BASE


def lab_folder(name: str, base: Path | None = None) -> Path:
    """Return the folder of a lab.

    Raises:
        InputError: that cannot be a lab's name.
    """
    return (base or base_folder()) / check_lab_name(name)


def encode_state(state: LabState) -> str:
    """Return the state as JSON."""
    values: dict[str, Any] = {
        "name": state.name,
        "vms": state.vms,
        "qemu": state.qemu,
        "owner": _encode_ref(state.owner),
        "ready": state.ready,
        "processes": [{"name": process.name, **(_encode_ref(process.ref) or {})} for process in state.processes],
    }
    return json.dumps(values, indent=1) + "\n"


def decode_state(text: str) -> LabState:
    """Return the state from its JSON.

    Raises:
        InputError: it is damaged.
    """
    try:
        values = json.loads(text)
        owner = values["owner"]
        return LabState(
            name=check_lab_name(str(values["name"])),
            vms=int(values["vms"]),
            qemu=bool(values["qemu"]),
            owner=None if owner is None else ProcessRef(int(owner["pid"]), int(owner["started"])),
            ready=bool(values["ready"]),
            processes=tuple(
                LabProcess(str(entry["name"]), ProcessRef(int(entry["pid"]), int(entry["started"])))
                for entry in values["processes"]
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"the lab's state is damaged ({error!r})", hint="hyperward lab down takes it away") from error


def read_state(folder: Path) -> LabState:
    """Return the state of the lab in a folder.

    Raises:
        InputError: there is no lab, or its state is damaged.
    """
    try:
        text = (folder / STATE_FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"there is no lab '{folder.name}'", where=str(folder), hint="hyperward lab up") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the lab's state cannot be read: {error}", where=str(folder)) from error
    return decode_state(text)


def write_state(folder: Path, state: LabState) -> None:
    """Replace the state in one step."""
    temporary = folder / f"{STATE_FILE}.part"
    temporary.write_text(encode_state(state), encoding="utf-8")
    temporary.rename(folder / STATE_FILE)


def claim_folder(folder: Path, state: LabState) -> bool:
    """Make a lab's folder with its first state in one step; return False when there is one already.

    In one step, because a folder without a state is taken for the rest of a lab whose creator was killed.

    Raises:
        SystemFault: the folder cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="."))
        write_state(temporary, state)
        try:
            temporary.rename(folder)  # replaces nothing but an empty folder
        except OSError as error:
            shutil.rmtree(temporary)
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                raise
            return False
    except OSError as error:
        raise SystemFault(f"the lab's folder cannot be made: {error}", where=str(folder)) from error
    return True


def update_state(folder: Path, change: Callable[[LabState], LabState]) -> LabState:
    """Change the state while no other process does.

    Raises:
        InputError: there is no lab.
        SystemFault: the folder went away in between.
    """
    try:
        with locked(folder):
            state = change(read_state(folder))
            write_state(folder, state)
    except OSError as error:
        raise SystemFault(f"the lab's state cannot be written: {error}", where=str(folder)) from error
    return state


def _encode_ref(ref: ProcessRef | None) -> dict[str, int] | None:
    return None if ref is None else {"pid": ref.pid, "started": ref.started}
