"""The second half of a build: collected entries are put into the order of the file, and its index is made.

The order does not depend on the order in which the entries came: by the hash of the key, and where that is equal by the
record itself. An entry that is there several times with all its parts is kept once.

The seed of the hash is 0, so that two versions have their common entries in the same order. Only when many keys share
a bucket, which does not happen by chance, somebody chose addresses for it; then the seed follows from all the hashes of
the file and cannot be known to whoever adds to one list.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from hyperward.errors import InputError
from hyperward.webscan.database import keys
from hyperward.webscan.database.collect import Collected
from hyperward.webscan.database.layout import MIN_FILTER_BITS
from hyperward.webscan.database.limits import MAX_SAME_KEY
from hyperward.webscan.database.records import text_of
from hyperward.webscan.database.renumber import renumber

PER_BUCKET: Final = 8
"""More than half of this many, and at most this many entries are in a bucket on average (unless there are fewer)."""
CROWDED: Final = 64
"""Distinct hashes in a bucket that chance does not bring about: a Poisson tail below 1e-30 at a mean of 8."""
BITS_PER_HOST: Final = 8
"""At least this many, and less than twice as many bits are in the filter for each host."""
_AT_ONCE: Final = 1 << 14

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Arranged:
    """Entries in the order of the file, and the sections of its index as `layout` has them.

    Args:
        seed: of the hash.
        begins, ends: where each record is among the collected ones.
        filter, first, where, prints: the sections.
        filter_bits, bucket_bits: as in the header.
        duplicates: entries that were left out because they are there already.
        hosts: distinct ones.
    """

    seed: int
    begins: I64
    ends: I64
    filter: npt.NDArray[np.uint8]
    first: npt.NDArray[np.uint32]
    where: U64
    prints: npt.NDArray[np.uint32]
    filter_bits: int
    bucket_bits: int
    duplicates: int
    hosts: int


def arrange(collected: Collected) -> Arranged:
    """Return the entries in order. `collected` gets alphabetical numbers for its categories and lists.

    Raises:
        InputError: there are too many entries for one address.
    """
    ends = np.array(collected.ends, dtype=np.int64)
    begins = np.concatenate((np.zeros(1, np.int64), ends))[:-1]
    renumber(collected, begins)
    seed, hashes, hosts = 0, _numbers(collected.hashes), _numbers(collected.hosts)
    order = _order(collected.records, begins, ends, hashes)
    if _crowded(hashes[order]):
        seed = xxh3_64_intdigest(hashes[order].tobytes())
        hashes, hosts = _hashed_again(collected.records, begins, ends, seed)
        order = _order(collected.records, begins, ends, hashes)
    begins, ends, hashes, hosts = begins[order], ends[order], hashes[order], _distinct(np.sort(hosts))
    bucket_bits = _bucket_bits(len(order))
    buckets = _high(hashes, bucket_bits)
    first = np.searchsorted(buckets, np.arange((1 << bucket_bits) + 1, dtype=np.uint64))
    places = np.concatenate((np.zeros(1, np.int64), np.cumsum(ends - begins)))
    filter_bits = max(MIN_FILTER_BITS, (len(hosts) * BITS_PER_HOST - 1).bit_length())
    marks = np.zeros(1 << filter_bits, dtype=np.bool_)
    marks[_high(hosts, filter_bits)] = True
    return Arranged(
        seed=seed,
        begins=begins,
        ends=ends,
        filter=np.packbits(marks, bitorder="little"),
        first=first.astype("<u4"),
        where=places[first].astype("<u8"),
        prints=(hashes & np.uint64(0xFFFFFFFF)).astype("<u4"),
        filter_bits=filter_bits,
        bucket_bits=bucket_bits,
        duplicates=len(collected.ends) - len(order),
        hosts=len(hosts),
    )


def in_order(records: bytearray, arranged: Arranged) -> Iterator[bytes]:
    """Return the records in the order of the file, many at a time."""
    every = np.frombuffer(records, dtype=np.uint8)
    for start in range(0, len(arranged.begins), _AT_ONCE):
        begins = arranged.begins[start : start + _AT_ONCE]
        lengths = arranged.ends[start : start + _AT_ONCE] - begins
        goes_to = np.cumsum(lengths) - lengths
        yield every[np.repeat(begins - goes_to, lengths) + np.arange(lengths.sum())].tobytes()


def _numbers(values: "array[int]") -> U64:
    return np.array(values, dtype=np.uint64)


def _high(hashes: U64, bits: int) -> U64:
    return hashes >> np.uint64(64 - bits) if bits else np.zeros_like(hashes)


def _bucket_bits(count: int) -> int:
    return (max(0, count - 1) // PER_BUCKET).bit_length()


def _begins_run(ordered: U64) -> npt.NDArray[np.bool_]:
    """Return for each of the ordered numbers whether it differs from the one before it."""
    return np.concatenate((np.ones(1, np.bool_), ordered[1:] != ordered[:-1]))[: len(ordered)]


def _distinct(ordered: U64) -> U64:
    # Several times faster than np.unique, which does not know that they are ordered.
    return ordered[_begins_run(ordered)]


def _crowded(ordered: U64) -> bool:
    buckets = _high(_distinct(ordered), _bucket_bits(len(ordered)))
    return len(buckets) > CROWDED and bool((buckets[CROWDED:] == buckets[:-CROWDED]).any())


def _order(records: bytearray, begins: I64, ends: I64, hashes: U64) -> I64:
    """Return the indexes of the entries to keep, in the order of the file."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    begin_of_run = np.flatnonzero(_begins_run(ordered))
    length = np.diff(np.append(begin_of_run, len(order)))
    several = length > 1
    keep = np.ones(len(order), dtype=np.bool_)
    for start, count in zip(begin_of_run[several].tolist(), length[several].tolist(), strict=True):
        members = order[start : start + count].tolist()
        kept = {bytes(records[begins[one] : ends[one]]): one for one in members}
        if len(kept) > MAX_SAME_KEY:
            _, text = text_of(min(kept))
            raise InputError(f"{text[:80]!r} has {len(kept)} entries, at most {MAX_SAME_KEY} are possible")
        order[start : start + len(kept)] = [kept[record] for record in sorted(kept)]
        keep[start + len(kept) : start + count] = False
    return order[keep]


def _hashed_again(records: bytearray, begins: I64, ends: I64, seed: int) -> tuple[U64, U64]:
    """Return the hashes of all keys and of all hosts under another seed."""
    hashes, hosts = array("Q"), array("Q")
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        host, path = keys.split(*text_of(records[begin:end])) or ("", "")
        hashes.append(keys.hash64((host + path).encode(), seed))
        hosts.append(keys.hash64(host.encode(), seed))
    return _numbers(hashes), _numbers(hosts)
