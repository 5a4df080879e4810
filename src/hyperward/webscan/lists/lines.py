"""The lines of a list file, plain or compressed, in bounded memory whatever is in it."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Final

from hyperward.errors import InputError
from hyperward.webscan.lists.model import ReadReport

MAX_LINE: Final = 8192
"""Bytes of a line; the longest addresses in published lists have about 2,000."""
MAX_SIZE: Final = 4 << 30
"""Bytes of a list, decompressed: ten times the largest published ones."""
_CHUNK: Final = 1 << 18
_MEMORY: Final = 256 << 20
"""Bytes that a decompressor may use; `xz -9` asks for 64 MiB."""
_BROKEN: Final = (lzma.LZMAError, zlib.error, EOFError, gzip.BadGzipFile, OSError)
_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_NULS: Final = bytes(3)
"""The other half of the first three signs, where ASCII is written as UTF-16 without a mark."""


def read_lines(path: Path, report: ReadReport) -> Generator[bytes, None, None]:
    """Yield the lines of a file without their ends; gzip, xz and bzip2 are seen by their first bytes.

    Args:
        path: of the file.
        report: told how far the file was read.

    Yields:
        A line longer than `MAX_LINE` is cut one byte beyond that.

    Raises:
        InputError: the file cannot be read, is damaged, is UTF-16, or has more than `MAX_SIZE` bytes.
    """
    rest, total = b"", 0
    for chunk in _checked_chunks(path, report):
        if not total:
            chunk = chunk.removeprefix(_BOM)  # noqa: PLW2901 - the same without its mark
        total += len(chunk)
        if total > MAX_SIZE:
            raise InputError(f"it has more than {MAX_SIZE} bytes", where=str(path), hint="split it")
        lines = (rest + chunk).split(b"\n")
        # What is beyond the cut of an endless line is not kept.
        rest = lines.pop()[: MAX_LINE + 1]
        for line in lines:
            yield line if len(line) <= MAX_LINE else line[: MAX_LINE + 1]
    if rest:
        yield rest


def _checked_chunks(path: Path, report: ReadReport) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            report.size = path.stat().st_size
            magic = file.read(6)
            file.seek(0)
            if magic.startswith(_UTF16) or (any(magic) and _NULS in (magic[::2], magic[1::2])):
                raise InputError("it is UTF-16", where=str(path), hint="convert it to UTF-8")
            for chunk in _chunks(file, magic):
                report.position = file.tell()
                yield chunk
    except FileNotFoundError:
        raise InputError("there is no such file", where=str(path)) from None
    except _BROKEN as error:
        why = getattr(error, "strerror", None) or str(error) or "it ends too early"
        raise InputError(f"cannot be read: {why}", where=str(path), hint="fetch it again") from None


def _chunks(file: IO[bytes], magic: bytes) -> Iterator[bytes]:
    if magic.startswith(b"\xfd7zXZ\x00"):
        yield from _xz(file)
    elif magic.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield from iter(lambda: unpacked.read(_CHUNK), b"")
    elif magic.startswith(b"BZh"):
        with bz2.BZ2File(file) as plain:
            yield from iter(lambda: plain.read(_CHUNK), b"")
    else:
        yield from iter(lambda: file.read(_CHUNK), b"")


def _xz(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is in an xz file of one or more streams; `lzma.LZMAFile` would take any amount of memory."""
    waiting = b""
    while waiting := waiting.lstrip(b"\0") or file.read(_CHUNK):
        unpacked = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
        while not unpacked.eof:
            if unpacked.needs_input and not waiting:
                waiting = file.read(_CHUNK)
                if not waiting:
                    raise EOFError
            chunk = unpacked.decompress(waiting, max_length=_CHUNK)
            waiting = b""
            if chunk:
                yield chunk
        waiting = unpacked.unused_data
