"""Follows the daemon's settings file: reads it when it changed, opens the databases it names, says what is in force.

Settings that cannot be used change nothing but what the status file says. A database that cannot be used holds up none
of the rest: settings and other databases are in force without it, or with the file that was open before.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import structlog

from hyperward.build import build_id
from hyperward.errors import HyperwardError, InputError
from hyperward.files import write_atomically
from hyperward.fromjson import from_json
from hyperward.webscan.address.model import Address
from hyperward.webscan.database import DatabaseError, Layers
from hyperward.webscan.scanner.databases import NOTHING_OPEN, reopened
from hyperward.webscan.scanner.judge import Masks
from hyperward.webscan.scanner.rules import Rules, make_rules
from hyperward.webscan.scanner.status import Identity, ScannerStatus, identity
from hyperward.webscan.settings import ScannerSettings

MAX_SETTINGS = 64 << 20

log = structlog.get_logger(__name__)


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
        self._open = NOTHING_OPEN
        self._version = 0
        self._refused = ""
        self._unsaid = False
        self._started = start_time(os.getpid())

    def look(self) -> None:
        """Read the settings if they changed; never raises for what they hold."""
        try:
            seen = identity(self._settings)
        except OSError:
            return  # not written yet, or gone with the daemon: what is in force stays
        if seen == self._seen:
            if self._unsaid:
                self.say()
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
        self._refused = error
        self.say()

    def say(self) -> None:
        """Write the status file."""
        self._unsaid = False
        status = ScannerStatus(
            pid=os.getpid(),
            started=self._started,
            settings_version=self._version,
            databases=self._open.versions(),
            error=self._refused or "; ".join(self._open.unusable.values()),
            unusable=self._open.unusable,
            build=build_id(),
            looked=self._seen or (0, 0, 0, 0),
            counters=self._counters(),
        )
        try:
            write_atomically(self._status, msgspec.json.encode(status))
        except OSError as fault:
            log.error("status_not_written", reason=str(fault))

    def close(self) -> None:
        """Close the databases."""
        self._open.close_all_but(NOTHING_OPEN)
        self._open = NOTHING_OPEN

    def _damaged(self, error: DatabaseError) -> None:
        """Take note of a file that was changed while it was open; the others are asked."""
        if error.where in self._open.unusable:
            return
        self._open.unusable[error.where] = error.line()
        self._unsaid = True
        log.error("database_unusable", reason=error.line())

    def _read(self) -> None:
        settings = read_settings(self._settings)
        before, opened = self._open, reopened(settings.databases, self._open)
        try:
            layers = Layers((database for _, database in opened.held.values()), self._damaged)
            rules = make_rules(settings, layers, self._canonical, self._masks)
        except BaseException:
            opened.close_all_but(before)
            raise
        self._take(rules)
        self._open, self._version = opened, settings.version
        before.close_all_but(opened)
        for reason in opened.unusable.values():
            log.error("database_unusable", reason=reason)


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
