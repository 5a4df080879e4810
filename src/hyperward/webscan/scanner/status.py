"""What a scanner says of itself, in a file of its own: which process it is and what it follows."""

import msgspec


class ScannerStatus(msgspec.Struct, frozen=True):
    """The status of a scanner, written after every look at changed settings.

    Args:
        pid: of its process.
        started: when that began, in clock ticks since boot, as /proc/PID/stat has it.
        settings_version: of the settings in force; 0 before the first.
        databases: version by path of the address databases in use.
        error: what of the settings was not taken over; empty when nothing. Together with the version of those
            settings: they are in force but for `unusable` databases.
        unusable: why an address database cannot be used, by its path. One that was open before is still used.
        counters: what happened so far.
    """

    pid: int
    started: int
    settings_version: int = 0
    databases: dict[str, str] = {}
    error: str = ""
    unusable: dict[str, str] = {}
    counters: dict[str, int] = {}
