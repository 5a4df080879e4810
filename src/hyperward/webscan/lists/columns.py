"""CSV lists: one row a line, and a map that says which columns hold what."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from hyperward.errors import InputError
from hyperward.webscan.database.limits import MAX_ENTRY_ID
from hyperward.webscan.database.model import Entry
from hyperward.webscan.lists.make import CATEGORY, Maker, checked_length
from hyperward.webscan.lists.model import Columns, ReadReport, Refusal

DELIMITERS: Final = ",;\t|"
_USUAL: Final[dict[str, tuple[str, ...]]] = {
    "address": ("address", "url", "link", "uri"),
    "host": ("host", "hostname", "domain", "fqdn"),
    "path": ("path",),
    "id": ("id", "entry_id", "phish_id", "url_id"),
}
"""Names of columns by which a header tells its own map."""


@dataclass(frozen=True, slots=True)
class Places:
    """Indices of the columns; None for one that the list does not have."""

    address: int | None = None
    host: int | None = None
    path: int | None = None
    id: int | None = None
    category: int | None = None


def parse_columns(text: str) -> Columns:
    """Return the map that a text such as `address=url,id=1` writes down.

    Raises:
        InputError: it is none.
    """
    known = [field.name for field in fields(Columns)]
    given: dict[str, str] = {}
    for part in text.split(","):
        key, _, column = (side.strip() for side in part.partition("="))
        if key not in known or not column or key in given:
            hint = f"write address=url,id=1 with columns by name or number; possible are {', '.join(known)}"
            raise InputError(f"{part.strip()[:60]!r} is no part of a column map", where="columns", hint=hint)
        given[key] = column
    columns = Columns(**given)
    if bool(columns.address) == bool(columns.host) or (columns.path and not columns.host):
        hint = "name address, or host with or without path"
        raise InputError("the column map does not say where the address is", where="columns", hint=hint)
    return columns


def places_of(header: Sequence[str], columns: Columns | None) -> Places | None:
    """Return where the columns are; None when the header does not have all of the map's names.

    Args:
        header: names of the columns; not looked at for columns that are given by number.
        columns: the map; None for the usual names, of which there must be an address or a host.
    """
    names = [name.strip().strip('"').lower() for name in header]
    if columns is None:
        found = {key: _first(names, usual) for key, usual in _USUAL.items()}
        if found["address"] is not None:
            return Places(address=found["address"], id=found["id"])
        return Places(host=found["host"], path=found["path"], id=found["id"]) if found["host"] is not None else None
    places = Places()
    for key in (field.name for field in fields(Columns)):
        column: str = getattr(columns, key)
        if column:
            number = int(column) - 1 if re.fullmatch("[1-9][0-9]{0,3}", column) else _first(names, (column.lower(),))
            if number is None:
                return None
            places = replace(places, **{key: number})
    return places


def cells_of(line: bytes, delimiter: str) -> list[str]:
    """Return the cells of a row, each byte as one character.

    Raises:
        Refusal: it is no row, as with a quote that is never closed: the next line is a row of its own again.
    """
    text = checked_length(line).decode("latin-1").rstrip("\r")
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader((text,), delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        raise Refusal("no row of CSV") from None


def delimiter_of(line: str) -> str:
    """Return the delimiter of a row: the one it has the most of."""
    return max(DELIMITERS, key=line.count)


def read_csv(lines: Iterable[bytes], maker: Maker, report: ReadReport, columns: Columns | None) -> Iterator[Entry]:
    """Yield an entry for each usable row; the others are noted in the report.

    Raises:
        InputError: the columns of the map are not in the header.
    """
    comment, places, delimiter = "", None, ","
    for number, line in enumerate(lines, 1):
        report.lines = number
        text = line.strip()
        if not text or text.startswith(b"#"):
            comment = text.decode("latin-1").lstrip("# ") if text and places is None else comment
            continue
        try:
            if places is None:
                delimiter = delimiter_of(text.decode("latin-1"))
                header = cells_of(text, delimiter)
                places, is_header = _head(header, comment.split(delimiter), columns, report)
                if is_header:
                    continue
            yield _entry(cells_of(line, delimiter), places, maker)
        except Refusal as refusal:
            report.refuse(number, str(refusal), line)


def _head(
    first: Sequence[str], comment: Sequence[str], columns: Columns | None, report: ReadReport
) -> tuple[Places, bool]:
    """Return where the columns are, and whether the first row is the header; some lists have it in a comment."""
    places = places_of(first, columns)
    if places is not None:
        named = columns is None or not all(_is_number(getattr(columns, field.name)) for field in fields(Columns))
        return places, named
    places = places_of(comment, columns)
    if places is not None:
        return places, False
    known = ", ".join(name.strip()[:30] for name in first[:20])
    hint = f"write which with --columns, such as address=1 or address=NAME; the first row has: {known}"
    raise InputError("the header does not name the columns", where=report.source, hint=hint)


def _entry(cells: Sequence[str], places: Places, maker: Maker) -> Entry:
    if places.address is not None:
        entry = maker.item(_cell(cells, places.address))
    else:
        host, path = _cell(cells, places.host), _cell(cells, places.path)
        slash = b"" if not path or path.startswith((b"/", b"?")) else b"/"
        entry = maker.item(b"http://" + host + slash + path) if path else maker.host(host)
    if places.id is not None:
        entry_id = _cell(cells, places.id).decode("utf-8", "replace")
        if len(entry_id.encode()) > MAX_ENTRY_ID or not (entry_id.isprintable() or not entry_id):
            raise Refusal(f"its id is not printable, or longer than {MAX_ENTRY_ID} bytes")
        entry = replace(entry, entry_id=entry_id)
    if places.category is not None:
        category = _cell(cells, places.category).decode("utf-8", "replace").lower()
        if not CATEGORY.fullmatch(category):
            raise Refusal("its category is no name of a category")
        entry = replace(entry, category=category)
    return entry


def _cell(cells: Sequence[str], place: int | None) -> bytes:
    if place is None:
        return b""
    if place >= len(cells):
        raise Refusal(f"has no column {place + 1}")
    return cells[place].strip().encode("latin-1")


def _first(names: Sequence[str], wanted: Iterable[str]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _is_number(column: str) -> bool:
    return not column or column.isdecimal()
