"""The form of a delta: text lines, one section for each file that changed. Pure.

    hyperward-delta 1
    file BASE_SHA256 RESULT_SHA256 RESULT_SIZE OPERATIONS INSERTED_BYTES
    SKIP COPY INSERT SKIP COPY INSERT ...
    <INSERTED_BYTES bytes of inserted text, one after another>

An operation moves the place in the base by SKIP lines (negative: back), copies COPY lines from there, and then takes
the next INSERT bytes of the inserted text. Inserted text stands together and apart from the numbers, which makes
both compress well; copying from anywhere makes a moved block of rules cheap. A delta is compressed like all content.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MAGIC: Final = b"hyperward-delta 1\n"
MAX_OPERATIONS: Final = 1 << 24
_HEAD: Final = re.compile(rb"file ([0-9a-f]{64}) ([0-9a-f]{64}) (\d{1,10}) (\d{1,8}) (\d{1,10})\n")
_LONGEST_HEAD: Final = 200
_NUMBERS: Final = re.compile(rb"(?:-?\d{1,10}(?: -?\d{1,10})*)?")


@dataclass(frozen=True, slots=True)
class FileDelta:
    """How one file becomes another one.

    Args:
        base: SHA-256 of the file it starts from.
        result: SHA-256 of what comes out.
        size: bytes of what comes out.
        operations: skip (lines, may be negative), copy (lines), insert (bytes), and again.
        inserted: the text that is inserted, one piece after another.
    """

    base: str
    result: str
    size: int
    operations: Sequence[int]
    inserted: bytes


def print_delta(files: Sequence[FileDelta]) -> bytes:
    """Return the bytes of a delta."""
    parts = [MAGIC]
    for file in files:
        head = f"file {file.base} {file.result} {file.size} {len(file.operations) // 3} {len(file.inserted)}\n"
        parts += [head.encode(), " ".join(map(str, file.operations)).encode(), b"\n", file.inserted]
    return b"".join(parts)


def parse_delta(raw: bytes) -> Iterator[FileDelta]:
    """Yield the sections of a delta.

    Raises:
        ValueError: not one.
    """
    if not raw.startswith(MAGIC):
        raise ValueError("no delta of a known form")
    place = len(MAGIC)
    while place < len(raw):
        head = _HEAD.match(raw, place, min(len(raw), place + _LONGEST_HEAD))
        if not head:
            raise ValueError(f"no section begins at byte {place}")
        base, result = head[1].decode(), head[2].decode()
        size, count, inserted = (int(head[number]) for number in (3, 4, 5))
        end = raw.find(b"\n", head.end())
        place = end + 1 + inserted
        if end < 0 or count > MAX_OPERATIONS or place > len(raw) or not _NUMBERS.fullmatch(raw, head.end(), end):
            raise ValueError(f"the section of {result} is damaged")
        operations = tuple(map(int, raw[head.end() : end].split()))
        if len(operations) != 3 * count:
            raise ValueError(f"the section of {result} has {len(operations)} numbers, not {3 * count}")
        yield FileDelta(base, result, size, operations, raw[end + 1 : place])
