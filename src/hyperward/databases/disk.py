"""Steps on a disk, each of which is either done for good when it returns, or not done.

Whoever builds on these steps gets by with an order of steps: a power cut leaves a prefix of them. The primitives are
methods of their own so that a test can cut the power at each.
"""

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

TEMPORARY = ".partial."
"""How the names of files and folders begin that a power cut may leave behind."""


class Disk:
    """The real disk."""

    def write(self, path: Path, chunks: Iterable[bytes], *, mode: int = 0o644) -> None:
        """Replace the file at `path`.

        Raises:
            OSError: the old file stays.
        """
        temporary = path.parent / f"{TEMPORARY}{path.name}"
        try:
            temporary.unlink(missing_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    self.put(descriptor, chunk)
                os.fchmod(descriptor, mode)
                self.sync(file.fileno())
            self.move(temporary, path)
        except Exception:
            temporary.unlink(missing_ok=True)
            raise
        self.sync_folder(path.parent)

    def append(self, path: Path, line: bytes) -> None:
        """Add a line to a file; after a power cut its last line may be torn.

        Raises:
            OSError: no room; part of the line may be there.
        """
        fresh = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self.put(descriptor, line)
            self.sync(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            self.sync_folder(path.parent)

    def folder(self, path: Path, *, mode: int = 0o755) -> None:
        """Make a folder and those above it, where they are missing."""
        for missing in reversed([path, *path.parents]):
            if not missing.is_dir():
                self.make_folder(missing, mode)
                self.sync_folder(missing.parent)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or folder its other name in the same folder, over an existing file."""
        self.move(source, target)
        self.sync_folder(target.parent)

    def remove(self, path: Path) -> None:
        """Remove a file or a folder with all that is in it; nothing happens where there is none.

        A folder is set aside under a temporary name first, so that nobody meets it half empty.
        """
        try:
            status = path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(status.st_mode):
            self.unlink(path)
        elif path.name.startswith(TEMPORARY):
            self.clear(path)
        else:
            aside = path.parent / f"{TEMPORARY}gone.{path.name}"
            if aside.exists():
                self.clear(aside)
            self.rename(path, aside)
            self.clear(aside)
        self.sync_folder(path.parent)

    def sweep(self, folder: Path) -> None:
        """Remove what a power cut left behind in a folder."""
        for path in sorted(folder.glob(f"{TEMPORARY}*")):
            self.remove(path)

    # The primitives.

    def put(self, descriptor: int, content: bytes) -> None:
        """Write all of it."""
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        """Bring a file's content to the disk."""
        os.fsync(descriptor)

    def sync_folder(self, path: Path) -> None:
        """Bring a folder's names to the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def move(self, source: Path, target: Path) -> None:
        """Rename."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def make_folder(self, path: Path, mode: int) -> None:
        """Make one folder."""
        path.mkdir(mode=mode, exist_ok=True)

    def clear(self, path: Path) -> None:
        """Remove a folder with all that is in it."""
        shutil.rmtree(path)
