"""Writes rendered files so that a reader sees the old or the fresh one, never half of it."""

from collections.abc import Mapping
from pathlib import Path

from hyperward.errors import SystemFault
from hyperward.files import write_atomically


def write_files(files: Mapping[Path, str]) -> None:
    """Write each file that differs from what is there; folders are made, mode 0700.

    Raises:
        SystemFault: a folder or file cannot be written.
    """
    for path, text in files.items():
        try:
            data = text.encode()
            if path.is_file() and path.read_bytes() == data:
                continue
            make_folder(path.parent)
            write_atomically(path, data)
        except OSError as exc:
            raise SystemFault(f"cannot be written: {exc.strerror}", where=str(path)) from None


def make_folder(path: Path) -> None:
    """Make a folder for the engine and us only.

    Raises:
        SystemFault: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise SystemFault(f"folder cannot be made: {exc.strerror}", where=str(path), hint="run as root") from None
