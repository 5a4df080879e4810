"""Where an SVM pins its kernel objects."""

import hashlib
import subprocess
from contextlib import suppress
from pathlib import Path

from hyperward.steering.program import is_bpffs, mount_bpffs

_SYSTEM = Path("/sys/fs/bpf")


def pin_folder(run_dir: Path) -> Path:
    """Return the folder for pins, on the machine's BPF file system or else on one mounted in the run directory.

    The machine's own is preferred: a service manager may give the daemon mounts of its own, and pins on a file system
    that only the daemon sees would go with it.

    Raises:
        SystemFault: there is no BPF file system and none can be mounted.
    """
    if is_bpffs(_SYSTEM):
        folder = _SYSTEM / f"hyperward-{hashlib.sha256(str(run_dir).encode()).hexdigest()[:8]}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder
    folder = run_dir / "bpf"
    mount_bpffs(folder)
    return folder


def remove_pin_folder(folder: Path) -> None:
    """Remove the empty folder for pins, and the BPF file system if it was mounted for it alone.

    One that is still in use stays: it holds nothing, and the next daemon uses it again.
    """
    if is_bpffs(folder):
        subprocess.run(["umount", str(folder)], capture_output=True, check=False)
    with suppress(OSError):
        folder.rmdir()
