"""Follows the daemon's settings file: reads it when it changed, opens the databases it names, says what is in force.

A file that cannot be used changes nothing but what the status file says.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import structlog

from hyperward.errors import HyperwardError, InputError
from hyperward.files import write_atomically
from hyperward.fromjson import from_json
from hyperward.webscan.address.model import Address
from hyperward.webscan.database import Database, Layers, open_database
from hyperward.webscan.scanner.judge import Masks
from hyperward.webscan.scanner.rules import Rules, make_rules
from hyperward.webscan.settings import ScannerSettings

MAX_SETTINGS = 64 << 20

log = structlog.get_logger(__name__)

Identity = tuple[int, int, int, int]


class ScannerStatus(msgspec.Struct, frozen=True):
    """What a scanner says about itself, written after every look at changed settings.

    Args:
        pid: of the process.
        started: start time of the process as /proc/PID/stat has it.
        settings_version: of the settings in force; 0 before the first.
        databases: version by path of those in force.
        error: why the last file was refused; empty where it is in force.
        counters: what happened so far.
    """

    pid: int
    started: int
    settings_version: int = 0
    databases: dict[str, str] = {}
    error: str = ""
    counters: dict[str, int] = {}


class Follower:
    """Keeps rules that stand for the settings file.

    Args:
        settings: path of the settings file.
        status: path of the status file.
        take: is given other rules.
        canonical: host and target as written to an address.
        masks: texts of masks to a set.
        counters: what to say of them in the status file.
    """

    def __init__(
        self,
        settings: Path,
        status: Path,
        take: Callable[[Rules], None],
        *,
        canonical: Callable[[bytes, bytes | None], Address],
        masks: Callable[[Iterable[str]], Masks],
        counters: Callable[[], dict[str, int]] = dict,
    ) -> None:
        self._settings = settings
        self._status = status
        self._take = take
        self._canonical = canonical
        self._masks = masks
        self._counters = counters
        self._seen: Identity | None = None
        self._open: dict[str, tuple[Identity, Database]] = {}
        self._version = 0
        self._started = start_time(os.getpid())

    def look(self) -> None:
        """Read the settings if they changed; never raises for what they hold."""
        try:
            seen = _identity(self._settings)
        except OSError:
            return  # not written yet, or gone with the daemon: what is in force stays
        if seen == self._seen:
            return
        self._seen = seen
        error = ""
        try:
            self._read()
        except HyperwardError as refused:
            error = refused.line()
        except Exception as fault:  # noqa: BLE001 - settings must not end the scan under those in force
            error = f"{type(fault).__name__}: {fault}"
        if error:
            log.error("settings_refused", reason=error)
        self.say(error)

    def say(self, error: str = "") -> None:
        """Write the status file."""
        status = ScannerStatus(
            pid=os.getpid(),
            started=self._started,
            settings_version=self._version,
            databases={path: database.version for path, (_, database) in self._open.items()},
            error=error,
            counters=self._counters(),
        )
        try:
            write_atomically(self._status, msgspec.json.encode(status))
        except OSError as fault:
            log.error("status_not_written", reason=str(fault))

    def close(self) -> None:
        """Close the databases."""
        for _, database in self._open.values():
            database.close()
        self._open = {}

    def _read(self) -> None:
        settings = read_settings(self._settings)
        opened = dict[str, tuple[Identity, Database]]()
        fresh: list[Database] = []
        try:
            for path in settings.databases:
                identity = _database_identity(path)
                held = self._open.get(path)
                if held is None or held[0] != identity:
                    held = identity, open_database(Path(path))
                    fresh.append(held[1])
                opened[path] = held
            layers = Layers(tuple(database for _, database in opened.values()))
            rules = make_rules(settings, layers, self._canonical, self._masks)
        except BaseException:
            for database in fresh:
                database.close()
            raise
        self._take(rules)
        kept = {id(database) for _, database in opened.values()}
        stale = [database for _, database in self._open.values() if id(database) not in kept]
        self._open, self._version = opened, settings.version
        for database in stale:
            database.close()


def read_settings(path: Path) -> ScannerSettings:
    """Read a settings file.

    Raises:
        InputError: it cannot be read, or is not what it should be.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SETTINGS + 1)
        if len(raw) > MAX_SETTINGS:
            raise InputError("too large", where=str(path))
        return from_json(raw, ScannerSettings)
    except (OSError, ValueError) as error:
        raise InputError(str(error), where=str(path)) from None


def start_time(pid: int) -> int:
    """Return when a process started, in clock ticks since boot (proc(5), field 22 of stat)."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[19])


def _identity(path: Path) -> Identity:
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _database_identity(path: str) -> Identity:
    try:
        return _identity(Path(path))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=path) from None
