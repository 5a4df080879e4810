"""Writes records, one JSON object a line, into a file that the daemon reads as it does the engine's.

A full file is put aside under a number and a fresh one begun, in this order, so that what is put aside grows no more
once the fresh one exists: the reader relies on it. The reader deletes what it has read. While nobody reads, only so
many files are kept, and further records are counted as lost; neither that nor a full disk keeps traffic waiting.
"""

import os
from pathlib import Path
from typing import Final

import msgspec
import structlog

from hyperward.errors import SystemFault
from hyperward.ips.engine.rotate import numbered, put_aside
from hyperward.webscan.scanner.records import WebRecord

ROTATE_BYTES: Final = 16 << 20
MAX_ASIDE: Final = 7
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW

log = structlog.get_logger(__name__)


class RecordFile:
    """An append-only file of records.

    Args:
        path: of the file; its folder exists.
        rotate_bytes: size from which a fresh one is begun.
        max_aside: files put aside that may wait for their reader.

    Raises:
        SystemFault: the file cannot be opened.
    """

    def __init__(self, path: Path, *, rotate_bytes: int = ROTATE_BYTES, max_aside: int = MAX_ASIDE) -> None:
        self.path = path
        self.lost = 0
        self._rotate_bytes = rotate_bytes
        self._max_aside = max_aside
        self._encode = msgspec.json.Encoder().encode
        try:
            self._fd = os.open(path, _FLAGS, 0o600)
            self._size = os.fstat(self._fd).st_size
            # A predecessor may have ended within a line.
            if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
                self._size += os.write(self._fd, b"\n")
        except OSError as error:
            raise SystemFault(f"cannot be written: {error.strerror}", where=str(path)) from None

    def write(self, record: WebRecord) -> bool:
        """Append a record; False where it was lost."""
        line = self._encode(record) + b"\n"
        try:
            if self._size + len(line) > self._rotate_bytes and self._size and not self._rotate():
                return self._lose("nobody reads them")
            written = os.write(self._fd, line)
            if written < len(line):
                os.ftruncate(self._fd, self._size)  # the reader takes whole lines only
                return self._lose("the disk is full")
        except OSError as error:
            return self._lose(error.strerror or "input/output error")
        self._size += written
        return True

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _rotate(self) -> bool:
        if len(numbered(self.path)) >= self._max_aside:
            return False
        put_aside(self.path)
        fd = os.open(self.path, _FLAGS, 0o600)
        os.close(self._fd)
        self._fd, self._size = fd, 0
        return True

    def _lose(self, why: str) -> bool:
        if self.lost % 10_000 == 0:
            log.error("records_lost", count=self.lost + 1, reason=why)
        self.lost += 1
        return False
