"""The lab's cache folder, kept from one start to the next."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperward.errors import SystemFault

SYSTEM_CACHE = Path("/var/cache/hyperward/lab")


def cache_folder() -> Path:
    """Return the cache folder, made if need be: $HYPERWARD_CACHE, else the system's, else the user's own.

    Raises:
        SystemFault: none of them can be written.
    """
    own = os.environ.get("HYPERWARD_CACHE")
    candidates = [Path(own)] if own else [SYSTEM_CACHE, Path.home() / ".cache/hyperward/lab"]
    for folder in candidates:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    tried = ", ".join(str(folder) for folder in candidates)
    raise SystemFault("no cache folder can be written", where=tried, hint="set HYPERWARD_CACHE to one that can")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, so that two labs starting at once do not fetch the same thing twice."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
