"""Where an SVM pins its kernel objects."""

import hashlib
from pathlib import Path

from hyperward.steering.program import is_bpffs, mount_bpffs, unmount_bpffs, unpin

_SYSTEM = Path("/sys/fs/bpf")


def pin_folder(run_dir: Path) -> Path:
    """Return the folder for pins, on the machine's BPF file system or else on one mounted in the run directory.

    The machine's own is preferred: a service manager may give the daemon mounts of its own, and pins on a file system
    that only the daemon sees would go with it.

    Raises:
        SystemFault: there is no BPF file system and none can be mounted.
    """
    if is_bpffs(_SYSTEM):
        folder = _shared_folder(run_dir)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder
    folder = run_dir / "bpf"
    mount_bpffs(folder)
    return folder


def remove_pins(run_dir: Path) -> None:
    """Remove all pins of the SVM with that run directory, and the folder or the mount made for them; none are fine.

    Raises:
        SystemFault: the file system is in use and cannot be unmounted.
    """
    shared, own = _shared_folder(run_dir), run_dir / "bpf"
    if is_bpffs(_SYSTEM) and shared.is_dir():
        unpin(shared)
        shared.rmdir()
    if is_bpffs(own):
        unpin(own)
        unmount_bpffs(own)
    if own.is_dir():
        own.rmdir()


def _shared_folder(run_dir: Path) -> Path:
    return _SYSTEM / f"hyperward-{hashlib.sha256(str(run_dir).encode()).hexdigest()[:8]}"
