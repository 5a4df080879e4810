"""Take a lab away by name, whatever state it is in and whoever made it: processes, namespaces, pins, files."""

import shutil
from pathlib import Path

import structlog

from hyperward.errors import InputError
from hyperward.lab.netns import namespaces_of
from hyperward.lab.procs import ProcessRef, alive, processes_in, stop_processes
from hyperward.lab.state import base_folder, lab_folder, read_state
from hyperward.lab.svm_files import SvmFiles
from hyperward.svm.pins import remove_pins

_log = structlog.get_logger(__name__)


def destroy_lab(name: str, base: Path | None = None) -> bool:
    """Take away all that belongs to a lab; return whether there was anything.

    Processes are those that the lab recorded, and those that run in its namespaces: nothing gets in there by accident,
    and a process started just before its creator was killed is not recorded yet.

    Raises:
        InputError: that cannot be a lab's name.
        SystemFault: a namespace cannot be deleted, or a file system of the SVM's not unmounted.
    """
    folder = lab_folder(name, base)
    namespaces = namespaces_of(f"hw-{name}-")
    found = folder.exists() or bool(namespaces)
    stop_processes(_recorded(folder))
    inside = {namespace.identity() for namespace in namespaces}
    if inside:
        stop_processes(processes_in(inside))
    for namespace in namespaces:
        namespace.delete()
    # An SVM in the lab leaves its pins on purpose, so that a next one could adopt them.
    remove_pins(SvmFiles(folder).run_dir)
    shutil.rmtree(folder, ignore_errors=True)
    if found:
        _log.info("lab_down", lab=name, namespaces=len(namespaces))
    return found


def known_labs(base: Path | None = None) -> list[str]:
    """Return the names of all labs that have a folder."""
    folder = base or base_folder()
    return (
        sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        if folder.is_dir()
        else []
    )


def is_orphan(name: str, base: Path | None = None) -> bool:
    """Return whether a lab's creator is gone without having ended it; a lab left running on purpose is none."""
    try:
        state = read_state(lab_folder(name, base))
    except InputError:
        return True
    return state.owner is not None and not alive(state.owner)


def destroy_orphans(base: Path | None = None) -> list[str]:
    """Take away every lab whose creator was killed; return their names."""
    gone = [name for name in known_labs(base) if is_orphan(name, base)]
    for name in gone:
        destroy_lab(name, base)
    return gone


def _recorded(folder: Path) -> list[ProcessRef]:
    try:
        return [process.ref for process in read_state(folder).processes]
    except InputError:
        return []
