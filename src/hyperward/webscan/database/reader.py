"""Opening a database file: everything is checked before the first lookup, nothing is read past its end.

The whole file is held against its checksum once, in one sweep that lets other threads run (5 million entries: some tens
of milliseconds when the file is in the page cache, as it is after it was fetched and verified). After that only the
index stays mapped; records are read from the file when a lookup asks for them.

A mapped file must not be changed in place: one that is cut short under a process kills it (SIGBUS), and only a private
copy of the index in every process could prevent that. So `build` makes files that nobody can write to (mode 0444) and
renames them in; a folder of databases must be writable only by root. What changes in place without being cut short is
harmless: every number from the file is checked where it is used, and a verdict needs the entry's own text.
"""

import mmap
import os
import stat
import weakref
from pathlib import Path
from typing import Final

from xxhash import xxh3_128_digest

from hyperward.webscan.database.errors import DatabaseError
from hyperward.webscan.database.layout import HEADER, Header, unpack_header
from hyperward.webscan.database.names import Names, decode_names

MAX_AT_ONCE: Final = 1 << 30
"""Bytes of records that are read at once: far more than some buckets have."""
_HINT: Final = "fetch or build it again"


class OpenFile:
    """A checked file: its mapped index, and its records on request.

    The bit of the filter for a hash is bit number `hash >> filter_shift` from the byte `index[filter_at]` on.

    It owns the descriptor once it is made. The mapping and the descriptor are released when nothing refers to this
    object any more, so that a lookup under way in another thread always ends well.
    """

    def __init__(self, path: Path, descriptor: int, header: Header) -> None:
        self.path = path
        self.header = header
        self._descriptor = descriptor
        self.names = self._checked()
        self.index = _mapped(descriptor, header.records_at)
        whole = memoryview(self.index)
        self.filter_at = header.filter_at
        self.filter_shift = 64 - header.filter_bits
        self._first = whole[header.first_at : header.first_at + 4 * header.marks].cast("I")
        self._where = whole[header.where_at : header.where_at + 8 * header.marks].cast("Q")
        self._bucket_shift = 64 - header.bucket_bits
        self._prints_at = header.prints_at
        self._records_at = header.records_at
        weakref.finalize(self, os.close, descriptor)

    def candidates(self, hashed: int) -> bytes:
        """Return the records of the bucket of a hash; empty when none of them has this hash."""
        bucket = hashed >> self._bucket_shift
        begin = self._prints_at + 4 * self._first[bucket]
        end = self._prints_at + 4 * self._first[bucket + 1]
        fingerprint = (hashed & 0xFFFFFFFF).to_bytes(4, "little")
        place = self.index.find(fingerprint, begin, end)
        while place >= 0 and (place - begin) % 4:
            place = self.index.find(fingerprint, place + 1, end)
        return self.records(bucket, 1) if place >= 0 else b""

    def records(self, bucket: int, buckets: int) -> bytes:
        """Return the records of some buckets that stand one behind the other.

        Raises:
            DatabaseError: they are not there: the file was changed after it was opened, or is false by intention.
        """
        begin, end = self._where[bucket], self._where[bucket + buckets]
        if not begin <= end <= self.header.records or end - begin > MAX_AT_ONCE:
            raise self.damaged("its records are not where they should be")
        data = os.pread(self._descriptor, end - begin, self._records_at + begin)
        if len(data) != end - begin:
            raise self.damaged("it was cut short after it was opened")
        return data

    def damaged(self, what: str) -> DatabaseError:
        """Return the error to raise about this file."""
        return DatabaseError(f"this address database is damaged: {what}", where=str(self.path), hint=_HINT)

    def _checked(self) -> Names:
        with _mapped(self._descriptor, self.header.size) as whole, memoryview(whole) as view:
            whole.madvise(mmap.MADV_SEQUENTIAL)
            if xxh3_128_digest(view[HEADER:]) != self.header.body:
                raise self.damaged("its checksum is wrong")
            try:
                return decode_names(whole[HEADER : HEADER + self.header.names])
            except ValueError as error:
                raise self.damaged(f"its names cannot be read ({error})") from None


def open_file(path: Path) -> OpenFile:
    """Open and check a database file.

    Raises:
        DatabaseError: it cannot be read, is not a database, or is damaged.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise DatabaseError(f"cannot open the address database: {error.strerror}", where=str(path)) from None
    try:
        return OpenFile(path, descriptor, _header(descriptor))
    except (OSError, ValueError) as error:
        os.close(descriptor)
        raise DatabaseError(f"this address database cannot be used: {error}", where=str(path), hint=_HINT) from None
    except BaseException:
        os.close(descriptor)
        raise


def _header(descriptor: int) -> Header:
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("it is not a file")
    header = unpack_header(os.pread(descriptor, HEADER, 0))
    if state.st_size != header.size:
        raise ValueError(f"it has {state.st_size} bytes and should have {header.size}")
    return header


def _mapped(descriptor: int, length: int) -> mmap.mmap:
    return mmap.mmap(descriptor, length, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
