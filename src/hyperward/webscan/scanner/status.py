"""What a scanner says of itself, in a file of its own: which process it is and what it follows."""

from pathlib import Path

import msgspec

Identity = tuple[int, int, int, int]


class ScannerStatus(msgspec.Struct, frozen=True):
    """The status of a scanner, written after every look at changed settings.

    Args:
        pid: of its process.
        started: when that began, in clock ticks since boot, as /proc/PID/stat has it.
        build: of the package that it runs, as `hyperward.build` has it; empty where it is from before there was one.
        settings_version: of the settings in force; 0 before the first.
        databases: version by path of the address databases in use.
        error: what of the settings was not taken over; empty when nothing. Together with the version of those
            settings: they are in force but for `unusable` databases.
        unusable: why an address database cannot be used, by its path. One that was open before is still used.
        looked: what the settings file was when it was looked at last: `error` is about that one.
        counters: what happened so far.
    """

    pid: int
    started: int
    settings_version: int = 0
    databases: dict[str, str] = {}
    error: str = ""
    unusable: dict[str, str] = {}
    looked: Identity = (0, 0, 0, 0)
    counters: dict[str, int] = {}
    build: str = ""


def identity(path: Path) -> Identity:
    """Return what tells a file from one that was put in its place, or from itself before it was overwritten.

    Raises:
        OSError: it is not there.
    """
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
