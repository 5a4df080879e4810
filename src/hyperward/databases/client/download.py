"""Bring one signed file, going on where an earlier try ended; what comes out is verified, or nothing does."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from tuf.api.metadata import TargetFile

from hyperward.databases.client.transport import Transport
from hyperward.databases.errors import EndlessError, SourceFault, SpaceFault, TamperedError, disk_faults

Progress = Callable[[str, int, int], None]
"""Called with what is being fetched, bytes done, bytes in all."""

_CHUNK: Final = 1 << 20
_KEPT: Final = "the active version stays; try again, and tell the publisher when it stays so"


def silent(_what: str, _done: int, _total: int) -> None:
    """Show no progress."""


def download(transport: Transport, target: TargetFile, folder: Path, progress: Progress = silent) -> Path:
    """Return the verified file.

    Args:
        transport: where from.
        target: what was signed about it: name, length, hashes.
        folder: where it goes; an unfinished file of an earlier try is taken up again.
        progress: told about every piece.

    Raises:
        EndlessError: more bytes than were signed.
        TamperedError: other bytes than were signed.
        SourceFault: the transfer broke off; what came stays for the next try.
        SpaceFault: no room; what came is removed.
    """
    part = folder / f"{hashlib.sha256(target.get_prefixed_paths()[0].encode()).hexdigest()}.part"
    began = _usable(part, target.length)
    try:
        with disk_faults(part):
            if began < target.length or not part.exists():
                _receive(transport, target, part, began, progress)
            if _matches(part, target):
                return part
            part.unlink()
            if began:
                # what an earlier try left may be the damaged half
                _receive(transport, target, part, 0, progress)
                if _matches(part, target):
                    return part
                part.unlink()
    except (SpaceFault, EndlessError):
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    raise TamperedError(f"{target.path} is not the file that was signed", where=transport.place, hint=_KEPT)


def _receive(transport: Transport, target: TargetFile, part: Path, offset: int, progress: Progress) -> None:
    path = f"targets/{target.get_prefixed_paths()[0]}"
    with transport.open(path, offset) as piece, part.open("r+b" if piece.start else "wb") as file:
        file.seek(piece.start)
        file.truncate()
        done = piece.start
        for chunk in piece.chunks:
            done += len(chunk)
            if done > target.length:
                raise EndlessError(
                    f"{target.path} goes on beyond the {target.length} bytes that were signed",
                    where=transport.place,
                    hint=_KEPT,
                )
            file.write(chunk)
            progress(target.path, done, target.length)
    if done < target.length:
        raise SourceFault(
            f"{target.path} ended after {done} of {target.length} bytes",
            where=transport.place,
            hint="try again, the transfer goes on from there",
        )


def _usable(part: Path, length: int) -> int:
    """Return how much of an earlier try can be used."""
    try:
        size = part.stat().st_size
    except FileNotFoundError:
        return 0
    return size if size <= length else 0


def _matches(part: Path, target: TargetFile) -> bool:
    digests = {name: hashlib.new(name) for name in target.hashes}
    with part.open("rb") as file:
        while chunk := file.read(_CHUNK):
            for digest in digests.values():
                digest.update(chunk)
    return all(digest.hexdigest() == target.hashes[name] for name, digest in digests.items())
