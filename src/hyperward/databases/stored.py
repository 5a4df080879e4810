"""A version in its folder: read and compared with its manifest."""

from dataclasses import dataclass
from pathlib import Path

from hyperward.databases.errors import DamagedError
from hyperward.databases.held import Held, same
from hyperward.databases.manifest import Manifest, parse_manifest
from hyperward.errors import InputError


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version on disk: its manifest, and the folder with its files under their paths."""

    manifest: Manifest
    folder: Path

    def path(self, name: str) -> Path:
        """Return where a file of the manifest is."""
        return self.folder / name

    def held(self) -> Held:
        """Return it as what a fetch can start from."""
        return Held(self.manifest.version, {file.sha256: self.folder / file.path for file in self.manifest.files()})


def read_version(folder: Path, number: int, *, verify: bool) -> StoredVersion:
    """Return the version in a folder.

    Args:
        folder: of the version.
        number: that it must have.
        verify: read every file and compare it with its hash; else only their sizes.

    Raises:
        InputError: no such version.
        DamagedError: it is not what was written.
    """
    place = folder / "manifest.json"
    try:
        manifest = parse_manifest(place.read_bytes(), where=str(place))
    except OSError:
        raise InputError(f"version {number} is not on this machine", hint="choose one of those that are") from None
    except InputError as error:
        raise _damaged(error.what, folder) from None
    for file in manifest.files():
        path = folder / file.path
        if not (same(path, file.sha256, file.size) if verify else _has_size(path, file.size)):
            raise _damaged(f"{file.path} is not what was written", folder)
    if manifest.version != number:
        raise _damaged(f"it is version {manifest.version}", folder)
    return StoredVersion(manifest, folder)


def whole_version(folder: Path, number: int) -> StoredVersion | None:
    """Return the version in a folder, None when it is not whole."""
    try:
        return read_version(folder, number, verify=True)
    except InputError:
        return None


def manifest_in(folder: Path) -> Manifest | None:
    """Return the manifest in a folder, None when there is none that can be read."""
    try:
        return parse_manifest((folder / "manifest.json").read_bytes(), where=str(folder))
    except (OSError, InputError):
        return None


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _damaged(what: str, folder: Path) -> DamagedError:
    return DamagedError(what, where=str(folder), hint="fetch the version again, or roll back to another one")
