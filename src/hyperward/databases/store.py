"""The versions on an SVM's disk, and which of them is active.

    versions/N/manifest.json and its files      complete, verified, never changed
    ledger.json                                 active, previous, the change under way
    history.jsonl                               one line for every change that ended

A change is begin, test, activating, commit. Until `commit`, the version that was active before is the active one: after
a crash at any point `open_store` says so, and says what was under way, so that the caller brings the machine back.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog

from hyperward.databases import ledger as book
from hyperward.databases.disk import TEMPORARY, Disk
from hyperward.databases.errors import DamagedError, disk_faults
from hyperward.databases.held import same
from hyperward.databases.history import append_record, read_history
from hyperward.databases.ledger import Attempt, Ledger, Record, Stage
from hyperward.databases.manifest import Manifest, print_manifest
from hyperward.databases.pack import chunks_of
from hyperward.databases.stored import StoredVersion, manifest_in, read_version, whole_version
from hyperward.errors import InputError

KEEP: Final = 4
"""Versions that `prune` leaves, active and previous among them."""
_log = structlog.get_logger(__name__)


class VersionStore:
    """The store; made by `open_store`. One process uses it.

    Args:
        folder: `<state_dir>/databases`.
        ledger: what it remembers.
        disk: how it is written.
        clock: the time, UTC.
    """

    def __init__(self, folder: Path, ledger: Ledger, disk: Disk, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._versions = folder / "versions"
        self._ledger = ledger
        self._disk = disk
        self._clock = clock

    @property
    def ledger(self) -> Ledger:
        """What it remembers now."""
        return self._ledger

    def active(self) -> StoredVersion | None:
        """Return the active version, None before the first one.

        Raises:
            DamagedError: it is not what was written.
        """
        return self.version(self._ledger.active) if self._ledger.active else None

    def numbers(self) -> list[int]:
        """Return the versions that are on disk, rising."""
        return sorted(int(path.name) for path in self._versions.iterdir() if path.name.isdecimal())

    def version(self, number: int, *, verify: bool = False) -> StoredVersion:
        """Return a version.

        Args:
            number: which one.
            verify: read every file and compare it with its hash; else only their sizes.

        Raises:
            InputError: no such version.
            DamagedError: it is not what was written.
        """
        return read_version(self._versions / str(number), number, verify=verify)

    def add(self, manifest: Manifest, files: Mapping[str, Path]) -> StoredVersion:
        """Take in a version: complete on disk when this returns, or not there at all.

        Args:
            manifest: what it contains.
            files: where each of its files is, by path; they are copied and compared with their hashes.

        Raises:
            InputError: a file is missing or not the one of the manifest, or other content has this number and is used.
            SpaceFault, SystemFault: the disk is full or broken; nothing is left behind.
        """
        folder = self._versions / str(manifest.version)
        known = manifest_in(folder)
        if known == manifest and (found := whole_version(folder, manifest.version)):
            return found
        if known not in {None, manifest} and manifest.version in self._in_use():
            raise InputError(
                f"version {manifest.version} is here with other content and in use",
                where=str(folder),
                hint="have the content published under a higher number",
            )
        building = self._versions / f"{TEMPORARY}{manifest.version}"
        with disk_faults(building):
            try:
                self._disk.remove(building)
                self._copy(manifest, files, building)
                self._disk.remove(folder)
                self._disk.rename(building, folder)
            except Exception:
                self._disk.remove(building)
                raise
        return self.version(manifest.version)

    def begin(self, number: int, *, who: str, action: str) -> StoredVersion:
        """Begin a change to a version that is on disk; return it, verified, for testing.

        Raises:
            InputError: no such version, or another change is under way.
            DamagedError: it is not what was written.
        """
        self._free()
        found = self.version(number, verify=True)
        self._begin(number, who, action)
        return found

    def begin_none(self, *, who: str, action: str) -> None:
        """Begin a change to no version at all: what comes with the package.

        Raises:
            InputError: another change is under way.
        """
        self._begin(0, who, action)

    def activating(self) -> None:
        """Note that the machine begins to use the version under test."""
        attempt = self._attempt()
        self._save(
            msgspec.structs.replace(self._ledger, attempt=msgspec.structs.replace(attempt, stage=Stage.ACTIVATING))
        )

    def commit(self) -> Record:
        """Make the version the active one, for good, and what was active the previous one."""
        self._attempt()
        return self._end("done")

    def refuse(self, reason: str) -> Record:
        """End the change; what was active stays active."""
        self._attempt()
        return self._end("refused", reason)

    def history(self, limit: int = 100) -> list[Record]:
        """Return the last records, the latest first."""
        return read_history(self._folder / "history.jsonl", limit)

    def prune(self, keep: int = KEEP) -> list[int]:
        """Remove the oldest versions that are not in use; return their numbers.

        Raises:
            SystemFault: the disk refuses.
        """
        numbers = self.numbers()
        spare = [number for number in numbers if number not in self._in_use()]
        doomed = spare[: max(0, len(numbers) - keep)]
        with disk_faults(self._versions):
            for number in doomed:
                self._disk.remove(self._versions / str(number))
        return doomed

    def _copy(self, manifest: Manifest, files: Mapping[str, Path], building: Path) -> None:
        for file in manifest.files():
            source, target = files.get(file.path), building / file.path
            if source is None:
                raise InputError(f"the file {file.path} of version {manifest.version} is missing")
            self._disk.folder(target.parent, mode=0o755)
            self._disk.write(target, chunks_of(source), mode=0o444)
            if not same(target, file.sha256, file.size):
                raise InputError(f"{file.path} is not the file of version {manifest.version}", where=str(source))
        self._disk.folder(building)
        self._disk.write(building / "manifest.json", (print_manifest(manifest),), mode=0o444)

    def _in_use(self) -> set[int]:
        attempt = {self._ledger.attempt.to} if self._ledger.attempt else set()
        return {self._ledger.active, self._ledger.previous} | attempt

    def _free(self) -> None:
        if self._ledger.attempt:
            raise InputError(
                f"a change to version {self._ledger.attempt.to} is under way since {self._ledger.attempt.since}",
                hint="wait until it has ended",
            )

    def _begin(self, number: int, who: str, action: str) -> None:
        self._free()
        attempt = Attempt(number, who[:200], action[:40], self._now())
        self._save(msgspec.structs.replace(self._ledger, attempt=attempt))

    def _attempt(self) -> Attempt:
        if self._ledger.attempt is None:
            raise InputError("no change is under way", hint="begin one first")
        return self._ledger.attempt

    def _end(self, result: str, reason: str = "") -> Record:
        after = book.ended(self._ledger, time=self._now(), result=result, reason=" ".join(reason.split()))
        self._save(after)
        record = after.last
        if record is None:  # pragma: no cover - an ended change has a record
            raise AssertionError
        self._note(record)
        return record

    def _note(self, record: Record) -> None:
        with disk_faults(self._folder):
            append_record(self._folder / "history.jsonl", record, self._disk)

    def _save(self, ledger: Ledger) -> None:
        with disk_faults(self._folder):
            self._disk.write(self._folder / "ledger.json", (book.dump(ledger),), mode=0o600)
        self._ledger = ledger

    def _now(self) -> str:
        return self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _recover(self) -> Attempt | None:
        with disk_faults(self._folder):
            self._disk.folder(self._versions)
            self._disk.sweep(self._folder)
            self._disk.sweep(self._versions)
        interrupted = self._ledger.attempt
        last = self._ledger.last
        if last and not any(record.number == last.number for record in self.history(1)):
            self._note(last)
        if interrupted:
            self._end("interrupted", f"this process or machine went down while {interrupted.stage.value}")
            _log.warning("database_change_interrupted", to=interrupted.to, stage=interrupted.stage.value)
        return interrupted


def open_store(
    folder: Path, *, disk: Disk | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> tuple[VersionStore, Attempt | None]:
    """Return the store, consistent whatever happened before, and the change that was interrupted.

    After a change interrupted in the stage `activating`, part of the machine may use its version: bring it back.

    Args:
        folder: `<state_dir>/databases`; made where it is missing.
        disk: how it is written.
        clock: the time, UTC.

    Raises:
        DamagedError: the ledger is not what was written.
        SystemFault: the disk refuses.
    """
    path = folder / "ledger.json"
    try:
        ledger = book.load(path.read_bytes()) if path.exists() else Ledger()
    except (ValueError, OSError) as error:
        raise DamagedError(
            f"the ledger of versions cannot be read ({error})",
            where=str(path),
            hint="restore it, or remove it and update again: without it no version counts as active",
        ) from None
    store = VersionStore(folder, ledger, disk or Disk(), clock)
    return store, store._recover()  # noqa: SLF001 - the two make one constructor
