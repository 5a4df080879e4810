"""One file that is written again and again, in memory where there is such a place: for readers that take a path."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


class ScratchFile:
    """A file in a folder of its own, which is gone when the process ends.

    Args:
        name: of the file, for readers that look at endings.
    """

    def __init__(self, name: str) -> None:
        folder = tempfile.mkdtemp(prefix="hw-scratch-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.path = Path(folder, name)

    def write(self, data: bytes) -> Path:
        """Make it hold these bytes and return its path."""
        self.path.write_bytes(data)
        return self.path
