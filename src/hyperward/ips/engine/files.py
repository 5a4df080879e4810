"""Writes rendered files so that a reader sees the old or the fresh one, never half of it."""

import os
from collections.abc import Mapping
from pathlib import Path

from hyperward.errors import SystemFault


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
            fresh = path.with_name(f"{path.name}.part")
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            fresh.replace(path)
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
