"""One process at a time in a folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperward.databases.errors import BusyFault, disk_faults


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel frees it when the process ends, however it ends.

    Raises:
        BusyFault: another process holds it.
        SystemFault: the folder cannot be written.
    """
    with disk_faults(folder):
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyFault(
                "another process works on this folder", where=str(folder), hint="wait until it is done, and try again"
            ) from None
        yield
    finally:
        os.close(descriptor)
