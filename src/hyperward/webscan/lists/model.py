"""What a list is read as, and what is told about the reading."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from hyperward.webscan.address.errors import shown

MAX_SHOWN: Final = 1000
"""Refused lines of one list that are kept with their text, for each reason; all are counted."""
MAX_REASONS: Final = 30
_OTHER: Final = "for another reason"


class ListFormat(StrEnum):
    """How a list is written."""

    AUTO = "auto"
    """Told from its first lines, and refused where they do not tell."""
    PLAIN = "plain"
    """One name, IP address or web address a line; `#` comments."""
    HOSTS = "hosts"
    """A hosts file: `0.0.0.0 name`."""
    ADBLOCK = "adblock"
    """Rules of ad blockers; those about whole names and addresses are taken."""
    CSV = "csv"
    """Columns, told apart by a comma, semicolon, tab or bar."""


class NamesAs(StrEnum):
    """What a listed name stands for."""

    DOMAIN = "domain"
    """The name and every name below it."""
    HOST = "host"
    """This host alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of a CSV list hold what: a name of the header, or a number counted from 1. Empty for none.

    Args:
        address: a name, IP address or web address.
        host, path: the same in two columns; an empty path stands for the whole host.
        id: the entry's number or name in the list.
        category: takes the place of the category of the whole list.
    """

    address: str = ""
    host: str = ""
    path: str = ""
    id: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """How to read a list.

    Args:
        category: of its entries.
        list_id: of its entries.
        format: how it is written.
        names: what a name stands for; None for what is usual: a domain in plain lists and CSV, a host in hosts files.
            The rules of ad blockers say it themselves.
        folders: a web address that ends with a slash stands for everything in that folder.
        columns: of CSV; None to tell them from the header.
    """

    category: str
    list_id: str
    format: ListFormat = ListFormat.AUTO
    names: NamesAs | None = None
    folders: bool = False
    columns: Columns | None = None


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that gives no entry: its number, why, and its start."""

    line: int
    reason: str
    text: str


@dataclass(slots=True)
class ReadReport:
    """What became of a list. Filled in while it is read.

    Args:
        source: the file's name.
        format: as it was read.
        lines: seen.
        entries: given.
        exempted: entries left out because the list has an exception for them.
        refused: lines, all of them.
        reasons: how many lines were refused for what.
        shown: refused lines, the first `MAX_SHOWN` for each reason.
        size: bytes of the file.
        position: bytes of it that were read.
    """

    source: str
    format: ListFormat = ListFormat.AUTO
    lines: int = 0
    entries: int = 0
    exempted: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    shown: list[RefusedLine] = field(default_factory=list)
    size: int = 0
    position: int = 0

    def refuse(self, line: int, reason: str, text: bytes) -> None:
        """Note that a line gives no entry."""
        self.refused += 1
        if reason not in self.reasons and len(self.reasons) >= MAX_REASONS:
            reason = _OTHER
        self.reasons[reason] += 1
        if self.reasons[reason] <= MAX_SHOWN:
            self.shown.append(RefusedLine(line, reason, shown(text.strip())))


class Refusal(Exception):  # noqa: N818 - what a line is told, never an error of the list
    """A line gives no entry; the text says why, as a phrase."""
