"""Lookups in one database file.

What an entry stands for:

- DOMAIN: its host and every host below it, with all paths.
- HOST: its host, with all paths.
- PREFIX: by the path expressions of Safe Browsing, of its host and every host below it: an entry that ends with a
  slash stands for everything in that folder; one that does not, for this path with any query, and not for longer paths;
  one with a query for just that.
- EXACT: its host and its path; with its query, or with any when the entry has none.

Two bounds of Safe Browsing's are lifted, so that an entry always means what it says: domains are found however deep
below them the host is (Safe Browsing looks at the last five labels), folders likewise (there: four). It costs nothing,
because the header says which depths the entries of this file have, and no others are looked at.

How a lookup goes: the filter says in one step that a host has no entries (seven to fifteen times of sixteen that is
where it ends); else the bucket of the key's hash is searched for the other half of the hash; and what is found there
is read from the file and compared as text, so that no verdict rests on a hash.
"""

from collections.abc import Iterator
from pathlib import Path
from struct import error as StructError  # noqa: N812 - it is a class
from types import TracebackType
from typing import Final, Self

from hyperward.webscan.address.model import Address
from hyperward.webscan.address.numbers import is_ip
from hyperward.webscan.database import keys
from hyperward.webscan.database.model import Entry, EntryKind, Match
from hyperward.webscan.database.order import exactness
from hyperward.webscan.database.reader import OpenFile, open_file
from hyperward.webscan.database.records import unpacked

_DOMAIN: Final = 1 << EntryKind.DOMAIN
_HOSTS: Final = 1 << EntryKind.DOMAIN | 1 << EntryKind.HOST
_PREFIX: Final = 1 << EntryKind.PREFIX
_PATHS: Final = 1 << EntryKind.PREFIX | 1 << EntryKind.EXACT
_FALSE: Final = (ValueError, IndexError, StructError)
_BUCKETS_AT_ONCE: Final = 64


class Database:
    """One version of an address database. Use it as a context manager, or close it.

    Safe for any number of threads and, after a fork, processes. `close` may be called while lookups run in other
    threads: they end well.
    """

    def __init__(self, file: OpenFile) -> None:
        self._file: OpenFile | None = file
        self._names = file.names
        self._header = file.header
        self._hash64 = keys.hash64

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def version(self) -> str:
        """Return the version it was built as."""
        return self._names.version

    @property
    def count(self) -> int:
        """Return the number of entries."""
        return self._header.count

    @property
    def categories(self) -> tuple[str, ...]:
        """Return the categories that entries have, in alphabetical order."""
        return self._names.categories

    @property
    def list_ids(self) -> tuple[str, ...]:
        """Return the lists that entries are from, in alphabetical order."""
        return self._names.list_ids

    @property
    def lists(self) -> dict[str, str]:
        """Return what `build` was told about lists, by list id."""
        return dict(self._names.about)

    @property
    def mapped(self) -> int:
        """Return the bytes that lookups can make resident; shared by all processes."""
        return self._header.records_at

    def close(self) -> None:
        """Let go of the file; later lookups raise ValueError. Again is harmless."""
        self._file = None

    def lookup(self, address: Address) -> tuple[Match, ...]:
        """Return all entries that stand for an address, the most exact first (`order.exactness`).

        Args:
            address: in canonical form; with the path '' (only the host is known) DOMAIN and HOST entries are found.

        Raises:
            DatabaseError: the file was changed after it was opened, or is false by intention.
            ValueError: the database is closed.
        """
        file = self._opened()
        found: list[Entry] = []
        for suffix, hashed, itself in self._possible(file, address.host):
            self._of_host(file, suffix, hashed, address, found, itself=itself)
        if len(found) > 1:
            found.sort(key=exactness)
        version = self._names.version
        return tuple([Match(entry, version) for entry in found])

    def may_list(self, host: str) -> bool:
        """Tell whether an entry may stand for some address on a host; False is certain, True is not.

        Args:
            host: in canonical form.

        Raises:
            ValueError: the database is closed.
        """
        return bool(self._possible(self._opened(), host))

    def entries(self) -> Iterator[Entry]:
        """Return all entries, reading a part of the file at a time.

        They come in order of their hashes: what two versions have in common comes in the same order from both, unless
        one of them had to use another seed (`arrange`).

        Raises:
            DatabaseError: the file was changed after it was opened, or is false by intention.
        """
        file = self._opened()
        buckets = file.header.marks - 1
        seen = 0
        for bucket in range(0, buckets, _BUCKETS_AT_ONCE):
            records = file.records(bucket, min(_BUCKETS_AT_ONCE, buckets - bucket))
            try:
                some = unpacked(records, file.names)
            except _FALSE as error:
                raise file.damaged(f"a record cannot be read ({error})") from None
            seen += len(some)
            yield from some
        if seen != file.header.count:
            raise file.damaged(f"it has {seen} entries and should have {file.header.count}")

    def _opened(self) -> OpenFile:
        if self._file is None:
            raise ValueError("the address database is closed")
        return self._file

    def _possible(self, file: OpenFile, name: str) -> list[tuple[bytes, int, bool]]:
        """Return what may have entries of a host and those above it: name, hash, and whether it is the host itself."""
        found: list[tuple[bytes, int, bool]] = []
        if not name or not name.isascii():
            return found
        host = name.encode()
        index, hash64, seed, labels = file.index, self._hash64, file.header.seed, file.header.labels
        filter_at, filter_shift = file.filter_at, file.filter_shift
        level = host.count(b".") + 1
        start = 0
        while level:
            if start == 0 or labels >> level & 1:
                suffix = host[start:]
                hashed = hash64(suffix, seed)
                bit = hashed >> filter_shift
                if index[filter_at + (bit >> 3)] >> (bit & 7) & 1:
                    found.append((suffix, hashed, start == 0))
                if start == 0 and is_ip(name):
                    break
            start = host.find(b".", start) + 1
            level -= 1
        return found

    def _of_host(
        self, file: OpenFile, host: bytes, hashed: int, address: Address, found: list[Entry], *, itself: bool
    ) -> None:
        """Add the entries of a host to `found` that stand for the address.

        Args:
            file: to look into.
            host: the address's own or one that it is below.
            hashed: its hash.
            address: that is asked for.
            found: gets them.
            itself: the host is the address's own.
        """
        header, seed, hash64 = file.header, file.header.seed, self._hash64
        try:
            if records := file.candidates(hashed):
                found += unpacked(records, file.names, key=host, kinds=_HOSTS if itself else _DOMAIN)
            for path, whole in _path_expressions(address, header.depths, header.longest):
                key = host + path
                if records := file.candidates(hash64(key, seed)):
                    kinds = _PATHS if itself and whole else _PREFIX
                    found += unpacked(records, file.names, key=key, kinds=kinds)
        except _FALSE as error:
            raise file.damaged(f"a record cannot be read ({error})") from None


def open_database(path: Path) -> Database:
    """Open one version of an address database.

    Raises:
        DatabaseError: it cannot be read, is not a database, or is damaged.
    """
    return Database(open_file(path))


def _path_expressions(address: Address, depths: int, longest: int) -> list[tuple[bytes, bool]]:
    """Return the paths that an entry may have for this address, and whether each one is its whole path."""
    path = address.path
    if not path or not path.isascii():
        return []
    data = path.encode()
    expressions = []
    if address.query is not None and len(path) + len(address.query) < longest and address.query.isascii():
        expressions.append((b"%b?%b" % (data, address.query.encode()), True))
    if len(data) < longest:
        expressions.append((data, True))
    depth, end = 0, data.find(b"/") + 1
    while 0 < end < min(len(data), longest) and depths >> (depth := depth + 1):
        if depths >> depth & 1:
            expressions.append((data[:end], False))
        end = data.find(b"/", end) + 1
    return expressions
