"""A large file that appears at its place whole, or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hyperward.errors import SystemFault


@contextmanager
def appearing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write; at the end of the block it stands at `path`, on disk, and nobody can write to it.

    When the block ends with an error, or the disk is full, nothing is left behind and a file at `path` stays as it was.

    Raises:
        SystemFault: it cannot be written; the message says why.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _fault(path, error) from None
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fchmod(descriptor, 0o444)
            os.fsync(descriptor)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _fault(path, error) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _fault(path: Path, error: OSError) -> SystemFault:
    return SystemFault(
        f"cannot write the address database: {error.strerror}",
        where=str(path),
        hint="nothing was changed; make room or choose another folder",
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
