"""A version that is on this machine, as what a fetch can start from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Held:
    """A version: its number, and its files by the hash of their plain text."""

    version: int
    files: Mapping[str, Path] = field(default_factory=dict)


def same(path: Path, sha256: str, size: int) -> bool:
    """Return whether a file is there and has this content."""
    try:
        if path.stat().st_size != size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False
