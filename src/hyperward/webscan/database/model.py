"""What an address database holds, and what a lookup finds. Pure values."""

from dataclasses import dataclass
from enum import IntEnum


class EntryKind(IntEnum):
    """How much of the web an entry stands for, the widest first."""

    DOMAIN = 0
    """A name and every name below it, with all paths: `example.com`."""
    HOST = 1
    """This one host, with all paths."""
    PREFIX = 2
    """A folder and all in it, on this host and every host below it: `example.com/bad/`; without the last slash, just
    this path with any query."""
    EXACT = 3
    """One address, with its query: `example.com/bad/a.exe?x=1`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list, in canonical form.

    Args:
        kind: what it stands for.
        text: host, path and query as `str(Address)` writes them; only the host for DOMAIN and HOST.
        category: `malicious`, `phishing`, `advertising`, `other` or one of the operator's own.
        list_id: the list it is from.
        entry_id: its number or name in that list; empty where the list has none.
    """

    kind: EntryKind
    text: str
    category: str
    list_id: str
    entry_id: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that an address meets, and the database version it is from."""

    entry: Entry
    version: str
