r"""The file's header, and where everything stands behind it. Pure; `docs/decisions` says why it is so.

    header   HEADER bytes: the numbers below and two checksums
    names    version, categories, lists, as JSON
    filter   one bit for each of 2**filter_bits hash values: a host with this hash may have entries
    first    u32 for each of 2**bucket_bits + 1 buckets: its first entry; the last one is the count
    where    u64 for each of them: where the records of its entries begin
    prints   u32 for each entry: the low half of its key's hash, in order of the whole hash
    records  the entries themselves (`records`), in the same order

The bucket of a key is the high `bucket_bits` of its hash. Everything up to the records is mapped into memory, each
section aligned to 8 bytes. No offset is written down: all follow from the numbers in the header, whose sum must be the
size of the file, so that a false number cannot point anywhere. Little-endian.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from xxhash import xxh3_128_digest

from hyperward.webscan.database.limits import MAX_ENTRIES

MAGIC: Final = b"HWADDR\r\n"
FORMAT: Final = 1
_FIELDS: Final = Struct("<8sIBB2x8Q16s")
_DIGEST: Final = 16
HEADER: Final = 256
"""Bytes of the header: fields, zeros, and at its end its own checksum."""
MIN_FILTER_BITS: Final = 6
MAX_FILTER_BITS: Final = 30
MAX_BUCKET_BITS: Final = 28
MAX_NAMES: Final = 1 << 28
_U64: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says.

    Args:
        filter_bits: logarithm of the number of bits in the filter.
        bucket_bits: logarithm of the number of buckets.
        seed: of the hash.
        count: entries.
        longest: characters of the longest key.
        labels: bit n is set when a DOMAIN or PREFIX entry has a host of n labels; 128 bits.
        depths: bit n is set when a PREFIX entry ends with the n-th slash of its path.
        names: bytes of the names.
        records: bytes of the records.
        body: checksum (XXH3, 128 bits) of everything behind the header.
    """

    filter_bits: int
    bucket_bits: int
    seed: int
    count: int
    longest: int
    labels: int
    depths: int
    names: int
    records: int
    body: bytes

    @property
    def filter_at(self) -> int:
        """Return the offset of the filter."""
        return HEADER + aligned(self.names)

    @property
    def first_at(self) -> int:
        """Return the offset of the buckets' first entries."""
        return self.filter_at + (1 << self.filter_bits) // 8

    @property
    def where_at(self) -> int:
        """Return the offset of the buckets' places."""
        return self.first_at + aligned(4 * self.marks)

    @property
    def prints_at(self) -> int:
        """Return the offset of the fingerprints."""
        return self.where_at + 8 * self.marks

    @property
    def records_at(self) -> int:
        """Return the offset of the records, where the part that is mapped ends."""
        return self.prints_at + aligned(4 * self.count)

    @property
    def size(self) -> int:
        """Return the bytes of the whole file."""
        return self.records_at + self.records

    @property
    def marks(self) -> int:
        """Return how many numbers `first` and `where` have: one for each bucket, and their end."""
        return (1 << self.bucket_bits) + 1


def aligned(length: int) -> int:
    """Return a length rounded up to a multiple of 8."""
    return (length + 7) // 8 * 8


def pack_header(header: Header) -> bytes:
    """Return the bytes of a header."""
    fields = _FIELDS.pack(
        MAGIC,
        FORMAT,
        header.filter_bits,
        header.bucket_bits,
        header.seed,
        header.count,
        header.longest,
        header.labels % _U64,
        header.labels // _U64,
        header.depths,
        header.names,
        header.records,
        header.body,
    )
    padded = fields.ljust(HEADER - _DIGEST, b"\0")
    return padded + xxh3_128_digest(padded)


def unpack_header(data: bytes) -> Header:
    """Return what a header says.

    Raises:
        ValueError: it is not one, or its numbers are impossible.
    """
    if len(data) < HEADER:
        raise ValueError(f"it ends within the first {HEADER} bytes")
    if not data.startswith(MAGIC):
        raise ValueError("it is not an address database")
    padded, digest = data[: HEADER - _DIGEST], data[HEADER - _DIGEST : HEADER]
    if xxh3_128_digest(padded) != digest:
        raise ValueError("the checksum of the header is wrong")
    _, form, filter_bits, bucket_bits, seed, count, longest, low, high, depths, names, records, body = (
        _FIELDS.unpack_from(padded)
    )
    if form != FORMAT:
        raise ValueError(f"it has format {form}, this version of Hyperward reads format {FORMAT}")
    if (
        not MIN_FILTER_BITS <= filter_bits <= MAX_FILTER_BITS
        or bucket_bits > MAX_BUCKET_BITS
        or count > MAX_ENTRIES
        or names > MAX_NAMES
        or any(padded[_FIELDS.size :])
    ):
        raise ValueError("the numbers in the header are impossible")
    return Header(filter_bits, bucket_bits, seed, count, longest, high * _U64 + low, depths, names, records, body)
