"""The first half of a build: entries come in one by one and go into flat arrays, so that millions of them fit."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from hyperward.errors import InputError
from hyperward.webscan.database import keys
from hyperward.webscan.database.keys import directory_depth
from hyperward.webscan.database.limits import MAX_CATEGORIES, MAX_ENTRIES, MAX_LISTS, checked
from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.database.records import packed


@dataclass(slots=True)
class Collected:
    """Entries as records, in the order in which they came.

    Args:
        records: one behind the other, with categories and lists numbered as they were first seen.
        ends: where each record ends.
        hosts: hash of each entry's host.
        hashes: hash of each entry's key.
        categories: number of each category.
        list_ids: number of each list.
        longest, labels, depths: as in the file's header.
    """

    records: bytearray = field(default_factory=bytearray)
    ends: "array[int]" = field(default_factory=lambda: array("Q"))
    hosts: "array[int]" = field(default_factory=lambda: array("Q"))
    hashes: "array[int]" = field(default_factory=lambda: array("Q"))
    categories: dict[str, int] = field(default_factory=dict)
    list_ids: dict[str, int] = field(default_factory=dict)
    longest: int = 0
    labels: int = 0
    depths: int = 0


def collect(entries: Iterable[Entry]) -> Collected:
    """Return the entries as records, with their hashes under the seed 0.

    Raises:
        InputError: an entry cannot be in a database; the message has its text and its list.
    """
    into = Collected()
    records, ends, hosts, hashes = into.records, into.ends, into.hosts, into.hashes
    categories, list_ids, hash64 = into.categories, into.list_ids, keys.hash64
    longest = labels = depths = 0
    domain, prefix = EntryKind.DOMAIN, EntryKind.PREFIX
    for entry in entries:
        try:
            host, path = checked(entry)
        except ValueError as error:
            raise InputError(f"entry {entry.text[:80]!r}: {error}", where=f"list {entry.list_id}") from None
        category = categories.setdefault(entry.category, len(categories))
        list_number = list_ids.setdefault(entry.list_id, len(list_ids))
        if category >= MAX_CATEGORIES or list_number >= MAX_LISTS:
            raise InputError(f"there are more than {MAX_CATEGORIES} categories or {MAX_LISTS} lists")
        if len(ends) >= MAX_ENTRIES:
            raise InputError(f"there are more than {MAX_ENTRIES} entries")
        records += packed(entry, category, list_number)
        ends.append(len(records))
        hashed = hash64(host.encode(), 0)
        hosts.append(hashed)
        hashes.append(hash64((host + path).encode(), 0) if path else hashed)
        longest = max(longest, len(host) + len(path))
        if entry.kind is domain:
            labels |= 1 << host.count(".") + 1
        elif entry.kind is prefix:
            labels |= 1 << host.count(".") + 1
            depths |= 1 << directory_depth(path)
    into.longest, into.labels, into.depths = longest, labels, depths & ~1
    return into
