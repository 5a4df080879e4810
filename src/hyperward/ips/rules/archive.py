"""Rule files out of `.tar.gz`, `.tar.xz`, `.tar` and `.zip` archives, in memory: nothing is ever written to disk.

An archive comes from outside. Sizes are counted on what is really expanded, not on what headers claim, and names that
would leave a folder are refused although nothing is extracted: who packs them means harm.
"""

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from hyperward.errors import InputError
from hyperward.ips.rules.limits import Limits

SUFFIXES = (".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar", ".zip")

_XZ_MEMORY = 256 << 20
"""Memory for one xz stream, bytes; `xz -9` needs 65 MiB to expand."""
_CHUNK = 1 << 16
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, struct.error, ValueError)
"""ValueError: a name that is not in the encoding it claims."""
_ZIP_END = struct.Struct("<4s4H2LH")
"""End of central directory record, PKWARE APPNOTE 4.3.16."""
_ZIP_ENTRY_BYTES = 1024
"""Generous size of one central directory entry: 46 bytes, name, extra fields."""


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def rule_files(path: Path, limits: Limits) -> Iterator[tuple[str, bytes]]:
    """Yield `(member name, content)` of every `*.rules` file of an archive, in the archive's order.

    Raises:
        InputError: broken, above a limit, or with a name that leaves the folder.
    """
    try:
        size = path.stat().st_size
        if size > limits.archive_bytes:
            raise _refused(path, f"an archive of {size} bytes, above the limit of {limits.archive_bytes}")
        members = _zip_files if path.name.lower().endswith(".zip") else _tar_files
        yield from members(path, limits)
    except _BROKEN as error:
        raise _refused(path, f"a broken archive ({error})") from None
    except (NotImplementedError, RuntimeError) as error:  # zip: unknown method, password
        raise _refused(path, f"an archive that cannot be read ({error})") from None
    except OSError as error:
        if error.filename is not None:  # the file itself is missing or closed to us
            raise
        # zip: an offset before the file's begin, a damaged bzip2 stream; gzip: a damaged header
        raise _refused(path, f"a broken archive ({error.strerror or error})") from None


def _refused(path: Path, what: str) -> InputError:
    return InputError(what, where=str(path), hint="get it again from its publisher, or raise the limit")


def _is_rule_file(path: Path, name: str) -> bool:
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or "\x00" in name:
        raise _refused(path, f"a member's name leaves the folder: {name!r}")
    return pure.suffix == ".rules"


class _Counted(io.RawIOBase):
    """Reader that stops once more than `limit` bytes came out of it."""

    def __init__(self, source: _Readable, limit: int, path: Path) -> None:
        super().__init__()
        self._source = source
        self._left = limit
        self._limit = limit
        self._path = path

    def read(self, size: int = -1) -> bytes:
        wanted = _CHUNK if size < 0 else min(size, _CHUNK)
        data = self._source.read(wanted)
        self._left -= len(data)
        if self._left < 0:
            raise _refused(self._path, f"expands to more than {self._limit} bytes")
        return data


class _Xz:
    """Expands xz streams with a bound on memory, which `lzma.LZMAFile` does not have."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._engine = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int = -1, /) -> bytes:
        while not self._engine.eof:
            fresh = self._source.read(_CHUNK) if self._engine.needs_input else b""
            if self._engine.needs_input and not fresh:
                raise EOFError("the file ends inside the xz stream")
            if data := self._engine.decompress(fresh, max_length=size):
                return data
        return b""


def _tar_files(path: Path, limits: Limits) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as raw:
        magic = raw.read(6)
        raw.seek(0)
        source: _Readable = raw
        if magic.startswith(b"\x1f\x8b"):
            source = gzip.GzipFile(fileobj=raw)
        elif magic == b"\xfd7zXZ\x00":
            source = _Xz(raw)
        counted = _Counted(source, limits.total_bytes, path)
        with tarfile.open(fileobj=counted, mode="r|") as archive:
            for number, member in enumerate(archive, 1):
                if number > limits.members:
                    raise _refused(path, f"more than {limits.members} members")
                if not _is_rule_file(path, member.name) or not member.isreg():
                    continue
                content = archive.extractfile(member)
                if content is not None:
                    with content:
                        yield member.name, _bounded(content, path, member.name, limits)


def _zip_files(path: Path, limits: Limits) -> Iterator[tuple[str, bytes]]:
    _check_zip_directory(path, limits)
    total = 0
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not _is_rule_file(path, info.filename):
                continue
            with archive.open(info) as content:
                data = _bounded(content, path, info.filename, limits)
            total += len(data)
            if total > limits.total_bytes:
                raise _refused(path, f"expands to more than {limits.total_bytes} bytes")
            yield info.filename, data


def _check_zip_directory(path: Path, limits: Limits) -> None:
    """Refuse a directory too long to be held in memory, before `zipfile` reads it."""
    with path.open("rb") as raw:
        size = raw.seek(0, io.SEEK_END)
        raw.seek(max(0, size - _ZIP_END.size - 0xFFFF))
        tail = raw.read()
    start = tail.rfind(b"PK\x05\x06")
    if start < 0:
        raise zipfile.BadZipFile("no end of central directory")
    entries, directory_bytes = _ZIP_END.unpack_from(tail, start)[4:6]
    if entries > limits.members or directory_bytes > limits.members * _ZIP_ENTRY_BYTES:
        raise _refused(path, f"more than {limits.members} members")


def _bounded(content: _Readable, path: Path, name: str, limits: Limits) -> bytes:
    data = content.read(limits.file_bytes + 1)
    if len(data) > limits.file_bytes:
        raise _refused(path, f"{name} is larger than {limits.file_bytes} bytes")
    return data
