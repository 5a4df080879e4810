"""The files of a repository folder."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

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
        snapshot: Metadata[Snapshot] = self._named("snapshot", timestamp.signed.snapshot_meta)
        targets: Metadata[Targets] = self._named("targets", snapshot.signed.meta["targets.json"])
        roots = self._judges(root)
        for role, metadata in (("timestamp", timestamp), ("snapshot", snapshot), ("targets", targets)):
            if not any(_holds(judge, role, metadata) for judge in roots):
                raise InputError(
                    f"{role} version {metadata.signed.version} is not signed by the keys of the root",
                    where=str(self.metadata),
                    hint="somebody changed the repository: restore it from a copy before anything is signed",
                )
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

    def _named(self, role: str, meta: MetaFile) -> Metadata[Any]:
        """Return metadata that other metadata names, refused when its bytes are others."""
        path = self.metadata / f"{meta.version}.{role}.json"
        metadata = read_metadata(path, role)
        try:
            meta.verify_length_and_hashes(path.read_bytes())
        except (OSError, LengthOrHashMismatchError) as error:
            raise InputError(
                f"the metadata is not what was signed ({error})", where=str(path), hint="restore it from a copy"
            ) from None
        return metadata

    def _judges(self, root: Metadata[Root]) -> list[Root]:
        """Return the roots under which what readers have may be signed.

        That is the last one; and the one before while a change of keys, whose old keys are lost, was cut off half way.
        """
        staged = self.staged("root")
        if staged and staged.signed.version == root.signed.version and root.signed.version > 1:
            before: Metadata[Root] = self.numbered("root", root.signed.version - 1)
            return [root.signed, before.signed]
        return [root.signed]

    def _read_root(self) -> Metadata[Root] | None:
        numbers = self.numbers("root") if self.metadata.is_dir() else []
        if not numbers:
            return None
        root: Metadata[Root] = self.numbered("root", numbers[-1])
        return root


def _holds(root: Root, role: str, metadata: Metadata[Any]) -> bool:
    return bool(root.get_verification_result(role, metadata.signed_bytes, metadata.signatures))


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
