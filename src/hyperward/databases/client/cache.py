"""Verified content on its way in: plain texts by their hash, and unfinished transfers.

Nothing in here is trusted for being here: whatever is taken up again is hashed again, so a power cut needs no repair.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from hyperward.databases.disk import TEMPORARY, Disk
from hyperward.databases.errors import disk_faults
from hyperward.databases.held import same
from hyperward.databases.manifest import Manifest, parse_manifest
from hyperward.errors import InputError


class Cache:
    """The cache folder.

    Args:
        folder: made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.packed = folder / "packed"
        self.scratch = folder / "metadata"
        self._manifest = folder / "manifest.json"
        self._disk = Disk()

    def make(self) -> None:
        """Make the folder, which must be there before it can be locked.

        Raises:
            SystemFault: that fails.
        """
        with disk_faults(self.folder):
            self._disk.folder(self.folder, mode=0o700)

    def prepare(self) -> None:
        """Make what is in it, and sweep away what a power cut left.

        Raises:
            SystemFault: that fails.
        """
        with disk_faults(self.folder):
            for path in (self.files, self.packed):
                self._disk.folder(path, mode=0o700)
                self._disk.sweep(path)

    def has(self, sha256: str, size: int) -> bool:
        """Return whether a content is here and whole."""
        return same(self.files / sha256, sha256, size)

    def path(self, sha256: str) -> Path:
        """Return where a content is, or would be."""
        return self.files / sha256

    def put(self, sha256: str, fill: Callable[[BinaryIO], None]) -> None:
        """Take in a content that `fill` writes and vouches for; nothing is taken in when it raises."""
        temporary = self.files / f"{TEMPORARY}{sha256}"
        try:
            with disk_faults(self.files):
                with temporary.open("wb") as sink:
                    fill(sink)
                temporary.replace(self.files / sha256)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def put_bytes(self, sha256: str, content: bytes) -> None:
        """Take in a verified content that is in memory."""

        def fill(sink: BinaryIO) -> None:
            sink.write(content)

        self.put(sha256, fill)

    def last(self) -> Manifest | None:
        """Return the version that was fetched last, None when that is not known."""
        try:
            return parse_manifest(self._manifest.read_bytes(), where=str(self._manifest))
        except (OSError, InputError):
            return None

    def complete(self, manifest: Manifest, raw: bytes) -> None:
        """Remember the version that is complete, and forget everything else."""
        with disk_faults(self.folder):
            self._disk.write(self._manifest, (raw,))
            wanted = {file.sha256 for file in manifest.files()}
            for path in (*self.files.iterdir(), *self.packed.iterdir()):
                if path.name not in wanted:
                    self._disk.remove(path)
