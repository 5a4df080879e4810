"""Web addresses as lines of text: the form in which they are signed, compressed and compared.

A file holds the entries of one list and one category, both named by the manifest. A line is

    KIND SPACE TEXT [TAB ENTRY_ID] NEWLINE

with KIND one of `D` (domain), `H` (host), `P` (prefix), `E` (exact address); TEXT printable ASCII without blanks, as
`hyperward.webscan.database.model.Entry.text`; ENTRY_ID printable ASCII. Lines are strictly ascending by kind letter and
text, which is also their order as bytes: equal lists are equal bytes, and what changed is found by walking two files
side by side.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from hyperward.databases.manifest import EntriesFile
from hyperward.errors import InputError
from hyperward.webscan.database.model import Entry, EntryKind

MAX_ADDRESS: Final = 4096
"""Characters of an address."""
MAX_ENTRY_ID: Final = 128
"""Characters of an entry's number or name."""

_LETTERS: Final = {EntryKind.DOMAIN: "D", EntryKind.HOST: "H", EntryKind.PREFIX: "P", EntryKind.EXACT: "E"}
_KINDS: Final = {ord(letter): kind for kind, letter in _LETTERS.items()}
_HOST: Final = rb"(?:[!-.0->^-~]{1,263}|\[[0-9a-f:.]{2,45}\](?::\d{1,5})?)"
"""A name, with port where one is written down: no slash, question mark, upper case, at sign or bracket; or IPv6."""
_LINE: Final = re.compile(rb"(?:[DH] " + _HOST + rb"|[PE] " + _HOST + rb"/[!-~]{0,4095})(?:\t[ -~]{1,128})?")
_LONGEST: Final = 2 + MAX_ADDRESS + 1 + MAX_ENTRY_ID + 1


def print_entry(entry: Entry) -> str:
    """Return the line of an entry, without the newline.

    Raises:
        InputError: its text or id cannot stand in a line.
    """
    line = f"{_LETTERS[entry.kind]} {entry.text}" + (f"\t{entry.entry_id}" if entry.entry_id else "")
    raw = line.encode("utf-8", "surrogateescape")
    if len(entry.text) > MAX_ADDRESS or not _LINE.fullmatch(raw):
        raise InputError(
            f"{line[:160]!r} is no entry in canonical form",
            where=f"list {entry.list_id}",
            hint="entries are printable ASCII; a domain or host has no path, a prefix or exact address has one",
        )
    return line


def print_entries(entries: Iterable[Entry], *, refuse: Callable[[Entry, str], None] | None = None) -> bytes:
    """Return a file of the entries, sorted; of equal kind and text the lowest id stays.

    Args:
        entries: of one list and category.
        refuse: told about an entry that cannot stand in a line, and why; without it such an entry is an error.

    Raises:
        InputError: an entry cannot stand in a line, or they are not all of one list and category.
    """
    lines: dict[str, str] = {}
    origin: tuple[str, str] | None = None
    for entry in entries:
        if origin is None:
            origin = entry.list_id, entry.category
        elif origin != (entry.list_id, entry.category):
            raise InputError(
                f"entries of {origin} and of {(entry.list_id, entry.category)} in one file", hint="one file for each"
            )
        try:
            line = print_entry(entry)
        except InputError as error:
            if refuse is None:
                raise
            refuse(entry, error.what)
            continue
        key = line.partition("\t")[0]
        lines[key] = min(lines.get(key, line), line)
    return "".join(f"{lines[key]}\n" for key in sorted(lines)).encode("ascii")


def parse_line(raw: bytes, *, category: str, list_id: str) -> Entry:
    """Return the entry that a line (without its newline) is.

    Raises:
        ValueError: it is none.
    """
    if not _LINE.fullmatch(raw):
        raise ValueError(f"{raw[:160]!r} is no entry")
    text, _, entry_id = raw[2:].decode("ascii").partition("\t")
    if len(text) > MAX_ADDRESS:
        raise ValueError(f"an address of {len(text)} characters, above {MAX_ADDRESS}")
    return Entry(_KINDS[raw[0]], text, category, list_id, entry_id)


def parse_entries(path: Path, file: EntriesFile) -> Iterator[Entry]:
    """Yield the entries of a file on disk, line by line.

    Args:
        path: where it is.
        file: what the manifest says about it.

    Raises:
        InputError: a line is wrong or not in order, or their number is not what the manifest says.
    """
    before, number = b"", 0
    with path.open("rb") as stream:
        for raw in iter(lambda: stream.readline(_LONGEST), b""):
            number += 1
            place = f"{file.path}:{number}"
            line = raw.removesuffix(b"\n")
            if len(line) == len(raw):
                raise _refused("the line is too long or has no end", place)
            try:
                entry = parse_line(line, category=file.category, list_id=file.list_id)
            except ValueError as error:
                raise _refused(str(error), place) from None
            key = line.partition(b"\t")[0]
            if key <= before:
                raise _refused("the line is not in order, or there twice", place)
            before = key
            yield entry
    if number != file.count:
        raise _refused(f"{number} lines, where the manifest says {file.count}", file.path)


def _refused(what: str, where: str) -> InputError:
    return InputError(what, where=where, hint="the version cannot be used; publish a corrected one")
