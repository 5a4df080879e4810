"""Whether files and folders that a configuration names can be used."""

import os
from collections.abc import Iterator
from pathlib import Path

from hyperward.ips.rules.archive import SUFFIXES
from hyperward.ips.rules.limits import Limits
from hyperward.policy.findings import Finding, KeyPath


def readable(at: KeyPath, path: Path, *, folder_too: bool) -> Iterator[Finding]:
    """Yield why a file, or a folder where one will do too, cannot be read."""
    try:
        if folder_too and path.is_dir():
            if not os.access(path, os.R_OK | os.X_OK):
                yield Finding(at, f"permission denied: {path}", "make the folder readable for the daemon")
        elif not path.exists():
            yield Finding(at, f"no such file: {path}", "create it or correct the path")
        elif not path.is_file():
            yield Finding(at, f"not a regular file: {path}", "correct the path")
        elif not os.access(path, os.R_OK):
            yield Finding(at, f"permission denied: {path}", "make it readable for the daemon")
    except (OSError, ValueError) as error:
        yield Finding(at, f"cannot be looked at: {error}", "correct the path")


def own_folder(at: KeyPath, path: Path) -> Iterator[Finding]:
    """Yield why the daemon could not use or create a folder of its own."""
    try:
        nearest = next(parent for parent in (path, *path.parents) if parent.exists())
        if not nearest.is_dir():
            yield Finding(at, f"{nearest} is not a folder", "correct the path")
        elif not os.access(nearest, os.W_OK | os.X_OK):
            what = f"{path} is not writable" if nearest == path else f"{path} cannot be created in {nearest}"
            yield Finding(at, what, "make it writable for the user that runs this, or give another folder")
    except (OSError, ValueError) as error:
        yield Finding(at, f"cannot be looked at: {error}", "correct the path")


def not_too_large(at: KeyPath, path: Path, limits: Limits) -> Iterator[Finding]:
    """Yield why a rule file or archive would be refused for its size; a folder is measured while it is read."""
    try:
        size = path.stat().st_size if path.is_file() else 0
    except OSError:
        return
    most = limits.archive_bytes if path.name.lower().endswith(SUFFIXES) else limits.file_bytes
    if size > most:
        what = f"{path} has {size} bytes, more than the {most} that a source of rules may have"
        yield Finding(at, what, "split it, or check what it is")
