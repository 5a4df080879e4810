"""Rotated files: `eve.json` is the one being written, `eve.json.N` those put aside, a higher N is younger."""

from pathlib import Path
from typing import Final

MAX_DIGITS: Final = 12


def put_aside(path: Path) -> Path | None:
    """Rename the file to the next number; the writer goes on in it until it opens its file again.

    Returns the path it has then, None where there is no file or it is empty.
    """
    try:
        if path.stat().st_size == 0:
            return None
        rotated = numbered(path)
        target = path.with_name(f"{path.name}.{(rotated[-1][0] if rotated else 0) + 1}")
        path.rename(target)
    except FileNotFoundError:
        return None
    return target


def numbered(path: Path) -> list[tuple[int, Path]]:
    """Return the files put aside with their numbers, oldest first."""
    prefix = f"{path.name}."
    found = []
    try:
        names = [file.name for file in path.parent.iterdir()]
    except FileNotFoundError:
        return []
    for name in names:
        number = name.removeprefix(prefix)
        if name.startswith(prefix) and number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS:
            found.append((int(number), path.with_name(name)))
    return sorted(found)


def all_files(path: Path) -> list[Path]:
    """Return every file that exists, oldest first, the one being written last."""
    files = [file for _, file in numbered(path)]
    return [*files, path] if path.exists() else files


def file_size(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
