"""From an entry's text to what is looked up: its host, its path, and their hashes. Pure.

A *key* is the host alone for DOMAIN and HOST entries, host and path (with the query) for PREFIX and EXACT ones. As in
the Safe Browsing canonical form a port is no part of it, and neither are the brackets of an IPv6 address: an entry
with a port stands for the address on every port.
"""

import re
from typing import Final

from xxhash import xxh3_64_intdigest

from hyperward.webscan.database.model import EntryKind

_LAST_WITHOUT_PATH: Final = EntryKind.HOST
_SIMPLE: Final = r"[a-z0-9_-]++(?:\.[a-z0-9_-]++)*+"
"""What nearly all hosts look like: tried first, because it is fast."""
_LABEL: Final = r"(?:[^\x00-\x20%./:?#@\[\]A-Z\x7f-\U0010ffff]++|%[0-9A-F]{2})++"
_NAME: Final = rf"{_SIMPLE}|{_LABEL}(?:\.{_LABEL})*+"
_IPV6: Final = r"[0-9a-f:.]*:[0-9a-f:.]*"
_HOST: Final = re.compile(rf"({_NAME})|(\[)?({_IPV6})(?(2)\])")
_HOST_AND_PATH: Final = re.compile(rf"(?:({_NAME})|(\[)({_IPV6})\])(?::[0-9]{{1,5}})?(/[!-~]*)")


def hash64(data: bytes, seed: int) -> int:
    """Return the hash by which a host or a key is found: XXH3, 64 bits."""
    return xxh3_64_intdigest(data, seed)


def split(kind: EntryKind, text: str) -> tuple[str, str] | None:
    """Return host and path of an entry's text; the path is empty for DOMAIN and HOST.

    Returns:
        None when the text is not what `str(Address)` writes for an entry of this kind.
    """
    if kind <= _LAST_WITHOUT_PATH:
        found = _HOST.fullmatch(text)
        return (found[1] or found[3], "") if found else None
    found = _HOST_AND_PATH.fullmatch(text)
    return (found[1] or found[3], found[4]) if found else None


def key_of(kind: EntryKind, text: str) -> str:
    """Return the key of an entry's text; empty, which nothing is looked up by, when the text makes no sense."""
    return "".join(split(kind, text) or ())


def directory_depth(path: str) -> int:
    """Return the number of slashes of a path that ends at a directory and has no query, else 0."""
    return path.count("/") if path[-1:] == "/" and "?" not in path else 0
