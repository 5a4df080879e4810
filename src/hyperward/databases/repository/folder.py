"""The files of a repository folder."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from hyperward.databases.disk import Disk
from hyperward.databases.errors import disk_faults
from hyperward.databases.lock import locked
from hyperward.errors import InputError

MANIFEST: Final = "manifest.json"
"""Name of the target that says what the current version contains."""
_NUMBERED: Final = re.compile(r"(\d{1,16})\.(root|targets|snapshot)\.json")


def content_target(plain_sha256: str) -> str:
    """Return the target name of a content file."""
    return f"content/{plain_sha256}.gz"


def to_bytes(metadata: Metadata[Any]) -> bytes:
    """Return the bytes of metadata; the order in which keys signed leaves no trace."""
    metadata.signatures = dict(sorted(metadata.signatures.items()))
    return metadata.to_bytes()


@dataclass(frozen=True, slots=True)
class Current:
    """What readers get now. Before the first version only some are there."""

    root: Metadata[Root] | None
    targets: Metadata[Targets] | None
    snapshot: Metadata[Snapshot] | None
    timestamp: Metadata[Timestamp] | None

    def of(self, role: str) -> Metadata[Any] | None:
        """Return the metadata of a role."""
        found: Metadata[Any] | None = getattr(self, role)
        return found


class Repository:
    """A repository folder.

    Args:
        folder: where it is.
        disk: how it is written.
    """

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self.folder = folder
        self.disk = disk or Disk()
        self.metadata = folder / "metadata"
        self.targets = folder / "targets"
        self.staging = folder / "staged"

    @contextmanager
    def working(self) -> Iterator[None]:
        """Hold the repository alone, with its folders made and what a power cut left swept away.

        Raises:
            BusyFault: somebody else works on it.
            SpaceFault, SystemFault: the disk is full or broken, in here or in the caller's block.
        """
        with disk_faults(self.folder):
            self.disk.folder(self.folder)
        with locked(self.folder), disk_faults(self.folder):
            for path in (self.metadata, self.targets / "content", self.staging):
                self.disk.folder(path)
            for path in (self.metadata, self.targets / "content", self.targets, self.staging):
                self.disk.sweep(path)
            yield

    def current(self) -> Current:
        """Return what readers get now.

        Raises:
            InputError: it is damaged, or signed by others than its root says.
        """
        root = self._read_root()
        path = self.metadata / "timestamp.json"
        if root is None or not path.exists():
            return Current(root, None, None, None)
        timestamp: Metadata[Timestamp] = read_metadata(path, "timestamp")
        snapshot: Metadata[Snapshot] = self.numbered("snapshot", timestamp.signed.snapshot_meta.version)
        targets: Metadata[Targets] = self.numbered("targets", snapshot.signed.meta["targets.json"].version)
        return Current(root, targets, snapshot, timestamp)

    def numbered(self, role: str, version: int) -> Metadata[Any]:
        """Return metadata that carries its version in its name.

        Raises:
            InputError: it is missing or damaged.
        """
        return read_metadata(self.metadata / f"{version}.{role}.json", role)

    def numbers(self, role: str) -> list[int]:
        """Return the versions of a role that are there, rising."""
        found = (_NUMBERED.fullmatch(path.name) for path in self.metadata.iterdir())
        return sorted(int(match[1]) for match in found if match and match[2] == role)

    def staged(self, role: str) -> Metadata[Any] | None:
        """Return the metadata of a role that waits for signatures.

        Raises:
            InputError: it is damaged.
        """
        path = self.staging / f"{role}.json"
        return read_metadata(path, role) if path.exists() else None

    def stage(self, role: str, metadata: Metadata[Any]) -> None:
        """Keep metadata until it is signed by enough keys."""
        self.disk.write(self.staging / f"{role}.json", (to_bytes(metadata),))

    def _read_root(self) -> Metadata[Root] | None:
        numbers = self.numbers("root") if self.metadata.is_dir() else []
        if not numbers:
            return None
        root: Metadata[Root] = self.numbered("root", numbers[-1])
        return root


def read_metadata(path: Path, role: str) -> Metadata[Any]:
    """Return the metadata of a role from a file of the repository.

    Raises:
        InputError: it is missing, damaged or of another role.
    """
    hint = "restore the repository from a copy"
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(path.read_bytes())
    except (OSError, RepositoryError) as error:
        raise InputError(f"the metadata cannot be read ({error})", where=str(path), hint=hint) from None
    if metadata.signed.type != role:
        raise InputError(f"the metadata is not that of {role}", where=str(path), hint=hint)
    return metadata
