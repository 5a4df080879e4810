"""How an entry stands in the file: a head of fixed length, its text, its entry id. Pure."""

from struct import Struct
from typing import Final

from hyperward.webscan.database.keys import key_of
from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.database.names import Names

HEAD: Final = Struct("<BBHHB")
"""Kind, category, list, length of the text, length of the entry id; little-endian, not aligned."""
CATEGORY_AT: Final = 1
LIST_AT: Final = 2
KINDS: Final = tuple(EntryKind)
ALL_KINDS: Final = (1 << len(KINDS)) - 1


def packed(entry: Entry, category: int, list_number: int) -> bytes:
    """Return the record of an entry that `refusal` has nothing against."""
    text, entry_id = entry.text.encode("ascii"), entry.entry_id.encode()
    return HEAD.pack(entry.kind, category, list_number, len(text), len(entry_id)) + text + entry_id


def unpacked(records: bytes, names: Names, *, key: bytes = b"", kinds: int = ALL_KINDS) -> list[Entry]:
    """Return the entries of whole records that stand one behind the other.

    Args:
        records: what `packed` wrote.
        names: of the file that they are from.
        key: leave out entries with another key; empty for any.
        kinds: leave out entries of kinds whose bit is not set.

    Raises:
        ValueError, IndexError, struct.error: this is not what `packed` wrote.
    """
    entries = []
    end, place, size, unpack = len(records), 0, HEAD.size, HEAD.unpack_from
    while place < end:
        kind, category, list_number, text_length, id_length = unpack(records, place)
        text_at = place + size
        id_at = text_at + text_length
        place = id_at + id_length
        text = records[text_at:id_at]
        if kinds >> kind & 1 and (not key or text == key or _has_key(kind, text, key)):
            entries.append(
                Entry(
                    KINDS[kind],
                    text.decode("ascii"),
                    names.categories[category],
                    names.list_ids[list_number],
                    records[id_at:place].decode(),
                )
            )
    if place != end:
        raise ValueError("a record goes beyond its end")
    return entries


def _has_key(kind: int, text: bytes, key: bytes) -> bool:
    # Only a port or an IPv6 address make text and key differ, and then the text is longer.
    return b":" in text and len(text) > len(key) and key_of(KINDS[kind], text.decode("ascii")).encode() == key


def text_of(record: bytes | bytearray) -> tuple[EntryKind, str]:
    """Return kind and text of one record."""
    kind, _, _, length, _ = HEAD.unpack_from(record)
    return KINDS[kind], record[HEAD.size : HEAD.size + length].decode("ascii")
