"""Reads the EVE file from a saved position, through rotation, restarts and truncation, each line exactly once.

The position is a value that the caller stores together with what it made of the lines. Where the file was put aside,
the rest of the old file is read first: the engine creates the fresh file in the moment in which it stops writing to the
old one, so once the fresh one exists the old one grows no more.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from hyperward.errors import SystemFault
from hyperward.ips.engine.eve import MAX_LINE
from hyperward.ips.engine.lines import Line, split
from hyperward.ips.engine.rotate import all_files, numbered

CHUNK: Final = 2 << 20
"""Bytes read at once; more than the longest line."""
HEAD: Final = 256
"""Bytes of the beginning of a file by which it is known again: the number of a deleted file is soon another's."""


class TailPosition(msgspec.Struct, frozen=True):
    """Where reading goes on.

    Args:
        device: of the file, as stat(2) has it.
        inode: of the file.
        offset: bytes read.
        skipping: whether the offset is within a line that is too long.
        head: digest of the first min(256, offset) bytes.
    """

    device: int = 0
    inode: int = 0
    offset: int = 0
    skipping: bool = False
    head: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that could not be read: where, and what it was."""

    path: Path
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of one file, and the position after them."""

    source: str
    lines: list[Line]
    position: TailPosition
    troubles: list[Trouble] = field(default_factory=list)
    caught_up: bool = False
    """Whether there was nothing more to read."""


class EveTail:
    """Reads batch after batch.

    Args:
        path: the file being written.
        position: where to begin; None for the oldest file there is.
        chunk: bytes read at once, more than the longest line.
        max_line: bytes of the longest line that is taken.
    """

    def __init__(
        self, path: Path, position: TailPosition | None = None, *, chunk: int = CHUNK, max_line: int = MAX_LINE
    ) -> None:
        if chunk <= max_line:
            raise ValueError("chunk must be larger than max_line")
        self.position = position or TailPosition()
        self._path = path
        self._chunk = chunk
        self._max_line = max_line

    def read(self) -> Batch:
        """Return the next lines; empty and `caught_up` where there are none yet.

        Raises:
            SystemFault: a file cannot be read; the position stays.
        """
        try:
            batch = self._read()
        except OSError as exc:
            raise SystemFault(f"cannot be read: {exc.strerror}", where=str(exc.filename or self._path)) from None
        self.position = batch.position
        return batch

    def forget_read_files(self, *, keep: int = 2) -> int:
        """Delete files put aside that are read to their end, but the youngest; return how many.

        Call it only after the position is stored.
        """
        current = self._current()
        aside = [path for _, path in numbered(self._path)]
        done = aside[: aside.index(current)] if current in aside else aside if current == self._path else []
        deleted = 0
        for path in done[: max(0, len(aside) - keep)]:
            path.unlink(missing_ok=True)
            deleted += 1
        return deleted

    def _read(self) -> Batch:
        troubles: list[Trouble] = []
        path = self._current()
        if path is None:
            path, lost = self._first(), self.position != TailPosition()
            if path is None:
                return Batch("", [], self.position, caught_up=True)
            if lost:
                troubles.append(Trouble(path, 0, "the file read last is gone; reading the oldest one there is"))
            self.position = TailPosition()
        with _opened(path) as fd:
            stat = os.fstat(fd)
            if self.position.inode and (stat.st_dev, stat.st_ino) != (self.position.device, self.position.inode):
                return Batch("", [], self.position)  # put aside while we looked; the next call finds it
            start = self._start(fd, stat, path, troubles)
            # Before reading: what exists now was created after the last byte of this file was written.
            follower = self._follower(path)
            data = os.pread(fd, self._chunk, start.offset)
            cut = split(data, start.offset, skipping=start.skipping, max_line=self._max_line)
            troubles += [Trouble(path, offset, "line too long, skipped") for offset in cut.too_long]
            offset = start.offset + cut.consumed
            position = TailPosition(stat.st_dev, stat.st_ino, offset, cut.skipping, _head(fd, offset))
            at_end = start.offset + len(data) >= os.fstat(fd).st_size
        source = f"{stat.st_dev:x}.{stat.st_ino:x}"
        if follower is None or not at_end:
            return Batch(source, cut.lines, position, troubles, caught_up=at_end)
        if cut.consumed < len(data):
            troubles.append(Trouble(path, offset, "the last line is incomplete, skipped"))
        with _opened(follower) as fd:
            stat = os.fstat(fd)
        return Batch(source, cut.lines, TailPosition(stat.st_dev, stat.st_ino), troubles)

    def _start(self, fd: int, stat: os.stat_result, path: Path, troubles: list[Trouble]) -> TailPosition:
        if stat.st_size < self.position.offset or _head(fd, self.position.offset) != self._known_head():
            troubles.append(Trouble(path, 0, "the file was cut off or replaced; reading it from the beginning"))
            return TailPosition(stat.st_dev, stat.st_ino)
        return self.position if self.position.inode else TailPosition(stat.st_dev, stat.st_ino)

    def _known_head(self) -> str:
        return self.position.head if self.position.offset else _digest(b"")

    def _current(self) -> Path | None:
        wanted = (self.position.device, self.position.inode)
        for path in reversed(all_files(self._path)):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            if (stat.st_dev, stat.st_ino) == wanted:
                return path
        return None

    def _first(self) -> Path | None:
        files = all_files(self._path)
        return files[0] if files else None

    def _follower(self, path: Path) -> Path | None:
        files = all_files(self._path)
        after = files.index(path) + 1 if path in files else len(files)
        return files[after] if after < len(files) else None


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield fd
    finally:
        os.close(fd)


def _head(fd: int, offset: int) -> str:
    return _digest(os.pread(fd, min(HEAD, offset), 0))


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest()
