"""What an address database takes. Readers of lists ask `refusal` about each entry and report the line themselves."""

from functools import lru_cache
from typing import Final

from hyperward.webscan.database.keys import directory_depth, split
from hyperward.webscan.database.model import Entry, EntryKind

MAX_ENTRIES: Final = 100_000_000
"""Distinct entries of a file."""
MAX_TEXT: Final = 4096
"""Characters of an entry's text; published lists have up to about 2,000."""
MAX_HOST: Final = 253
"""Characters of a host: the 255 octets of RFC 1035 section 2.3.4 as they are written. So it has at most 127 labels."""
MAX_DEPTH: Final = 63
"""Slashes in the path of a PREFIX entry that ends with one: each depth in use costs one probe."""
MAX_ENTRY_ID: Final = 200
"""Bytes of an entry's number or name in its list."""
MAX_NAME: Final = 128
"""Characters of a category, of a list id and of a version."""
MAX_CATEGORIES: Final = 255
MAX_LISTS: Final = 65_535
MAX_ABOUT: Final = 1024
"""Characters of what is said about a list."""
MAX_SAME_KEY: Final = 1000
"""Entries for one and the same address: all of them are returned by one lookup."""

_PREFIX: Final = EntryKind.PREFIX


def refusal(entry: Entry) -> str:
    """Return why an entry cannot be in a database, as a phrase without a full stop; empty when it can."""
    try:
        checked(entry)
    except ValueError as error:
        return str(error)
    return ""


def checked(entry: Entry) -> tuple[str, str]:
    """Return host and path of an entry that can be in a database; the path is empty for DOMAIN and HOST.

    Raises:
        ValueError: it cannot; the message says why, as a phrase without a full stop.
    """
    if len(entry.text) > MAX_TEXT:
        raise ValueError(f"the address has {len(entry.text)} characters, at most {MAX_TEXT} are possible")
    parts = split(entry.kind, entry.text)
    if parts is None:
        raise ValueError("the address is not in canonical form")
    host, path = parts
    if len(host) > MAX_HOST:
        raise ValueError(f"the host has {len(host)} characters, at most {MAX_HOST} are possible")
    if path and entry.kind is _PREFIX and directory_depth(path) > MAX_DEPTH:
        raise ValueError(f"the path is {directory_depth(path)} folders deep, at most {MAX_DEPTH} are possible")
    if entry.entry_id and not (entry.entry_id.isprintable() and len(entry.entry_id.encode()) <= MAX_ENTRY_ID):
        raise ValueError(f"the entry id must be printable and have at most {MAX_ENTRY_ID} bytes")
    if why := name_refusal(entry.category) or name_refusal(entry.list_id):
        raise ValueError(f"its category and list: {why}")
    return parts


@lru_cache(maxsize=4096)
def name_refusal(name: str) -> str:
    """Return why a category, list id or version cannot be used; empty when it can."""
    if not name or len(name) > MAX_NAME or not name.isprintable():
        return f"a name must be printable and have 1 to {MAX_NAME} characters"
    return ""
