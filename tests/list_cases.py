"""Reading a list that a test writes down."""

from pathlib import Path

from hyperward.webscan.database.limits import refusal
from hyperward.webscan.lists.columns import parse_columns
from hyperward.webscan.lists.model import ListFormat, ListOptions, NamesAs, ReadReport
from hyperward.webscan.lists.read import read_list


def options(
    form: ListFormat = ListFormat.AUTO, *, names: NamesAs | None = None, folders: bool = False, columns: str = ""
) -> ListOptions:
    """Return options for a list `list` of category `malicious`."""
    return ListOptions(
        category="malicious",
        list_id="list",
        format=form,
        names=names,
        folders=folders,
        columns=parse_columns(columns) if columns else None,
    )


def read(folder: Path, content: str | bytes, how: ListOptions | None = None) -> tuple[list[str], ReadReport]:
    """Return the entries of a list as `KIND text`, and the report; every entry can be in a database."""
    path = folder / "list.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    report = ReadReport("list.txt")
    entries = list(read_list(path, how or options(), report))
    assert [refusal(entry) for entry in entries] == [""] * len(entries)
    assert report.entries == len(entries)
    assert {(entry.category, entry.list_id) for entry in entries} <= {("malicious", "list")}
    return [f"{entry.kind.name} {entry.text}" for entry in entries], report


def refused(report: ReadReport) -> list[tuple[int, str]]:
    """Return line and reason of what was refused, by line."""
    return sorted((line.line, line.reason) for line in report.shown)
