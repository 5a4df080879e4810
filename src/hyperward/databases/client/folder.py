"""A folder as source: a repository on this machine, a mounted share, a USB stick."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from hyperward.databases.client.transport import NotThereFault, Piece
from hyperward.databases.errors import SourceFault

_CHUNK: Final = 1 << 18


class FolderTransport:
    """A folder.

    Args:
        folder: that contains `metadata` and `targets`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[Piece]:
        """Open a file of the repository; only regular files inside the folder, so a hostile medium cannot lead away."""
        hint = "check that the medium is there and complete"
        try:
            base = self._folder.resolve(strict=True)
            place = (base / path).resolve(strict=True)
            if not place.is_relative_to(base):
                raise SourceFault(f"{path} leads out of the folder", where=self.place, hint="do not use this medium")
            # not blocking: opening a FIFO would wait for a writer
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                os.close(descriptor)
                raise SourceFault(f"{path} is no regular file", where=self.place, hint="do not use this medium")
            with os.fdopen(descriptor, "rb") as file:
                start = offset if offset <= status.st_size else 0
                file.seek(start)
                yield Piece(start, _chunks(file, self.place))
        except FileNotFoundError:
            raise NotThereFault(f"there is no {path}", where=self.place, hint=hint) from None
        except OSError as error:
            raise SourceFault(f"{path} cannot be read ({error.strerror})", where=self.place, hint=hint) from None

    def close(self) -> None:
        """Nothing is held."""


def _chunks(file: BinaryIO, place: str) -> Iterator[bytes]:
    while True:
        try:
            chunk = file.read(_CHUNK)
        except OSError as error:
            raise SourceFault(
                f"the medium fails ({error.strerror})", where=place, hint="check the medium, and try again"
            ) from None
        if not chunk:
            return
        yield chunk
