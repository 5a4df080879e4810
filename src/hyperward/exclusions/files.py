"""Rows in files: YAML with the names of the policy, and CSV with one row a line.

Both say the same and can be read back. In CSV a cell with several VMs or groups has semicolons between them. A cell
that a spreadsheet would take for a formula is written with an apostrophe before it, which reading takes off again.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from hyperward.exclusions.rows import MAX_ROWS, ExclusionRow
from hyperward.policy.fields import Settings
from hyperward.yamlfile import FileErrors, Limits, Problem, parse, read_text
from hyperward.yamlfile.limits import MIB
from hyperward.yamlfile.problems import MAX_PROBLEMS, shown
from hyperward.yamlfile.source import refuse_hidden
from hyperward.yamlfile.translate import translate

LIMITS: Final = Limits(max_bytes=32 * MIB, max_nodes=2_500_000, max_entry_nodes=5_000)
KEY: Final = "exclusions"
COLUMNS: Final = tuple(ExclusionRow.model_fields)
_LISTS: Final = ("vms", "groups")
_REQUIRED: Final = tuple(name for name, field in ExclusionRow.model_fields.items() if field.is_required())
_FORMULA: Final = re.compile("'*[=+\\-@]")


class _File(Settings):
    exclusions: tuple[ExclusionRow, ...]


def read_rows(path: Path) -> tuple[ExclusionRow, ...]:
    """Return the rows in a file, which is CSV if its name ends so, else YAML.

    Raises:
        FileErrors: it cannot be read, or all that is wrong in it.
    """
    text = read_text(path, max_bytes=LIMITS.max_bytes)
    return parse_csv(text, str(path)) if path.suffix.lower() == ".csv" else parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> tuple[ExclusionRow, ...]:
    """Return the rows below the key `exclusions` of a YAML text.

    Raises:
        FileErrors: all that is wrong in it, each with line, column and key.
    """
    return parse(text, name, LIMITS).validate_list(_File, KEY, ExclusionRow, max_items=MAX_ROWS)


def print_yaml(rows: Iterable[ExclusionRow]) -> str:
    """Return rows as a YAML text that `parse_yaml` reads."""
    value = {KEY: [row.model_dump(mode="json", exclude_defaults=True) for row in rows]}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True))


def parse_csv(text: str, name: str) -> tuple[ExclusionRow, ...]:
    """Return the rows of a CSV text; its first line names the columns, in any order.

    Raises:
        FileErrors: all that is wrong in it, each with its line, the number of the cell in it, row and column.
    """
    refuse_hidden(text, name)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[ExclusionRow] = []
    problems: list[Problem] = []
    try:
        header = [cell.strip() for cell in next(lines, [])]
        _check_header(header, name)
        for cells in lines:
            if not cells:
                continue
            number = len(rows) + 1
            if number > MAX_ROWS:
                raise FileErrors([Problem(name, lines.line_num, 1, "", f"has more than {MAX_ROWS} rows", "split it")])
            if len(cells) != len(header):
                what = f"has {len(cells)} cells; the first line names {len(header)} columns"
                problems.append(Problem(name, lines.line_num, 1, f"row {number}", what, "quote cells with commas"))
                rows.append(_PLACEHOLDER)
            else:
                rows.append(_row(header, cells, problems, name=name, line=lines.line_num, number=number))
            if len(problems) >= MAX_PROBLEMS:
                break
    except csv.Error as error:
        problems.append(Problem(name, lines.line_num, 1, "", f"not CSV: {error}", 'quote a cell like "this"'))
    if problems:
        raise FileErrors(sorted(problems))
    return tuple(rows)


def print_csv(rows: Iterable[ExclusionRow]) -> str:
    """Return rows as a CSV text that `parse_csv` reads."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = row.model_dump(mode="json")
        writer.writerow([_cell(_joined(values[key]) if key in _LISTS else values[key] or "") for key in COLUMNS])
    return out.getvalue()


_PLACEHOLDER: Final = ExclusionRow.model_validate_json('{"action": "default", "reason": "unreadable"}')


def _check_header(header: Sequence[str], name: str) -> None:
    known = f"columns: {', '.join(COLUMNS)}"
    problems = [
        Problem(name, 1, place, "", f"unknown column {shown(cell)}", known)
        for place, cell in enumerate(header[:100], 1)
        if cell not in COLUMNS
    ]
    problems += [
        Problem(name, 1, place, "", f"the column {cell} is there twice", "remove one")
        for place, cell in enumerate(header, 1)
        if cell in COLUMNS and header.index(cell) < place - 1
    ]
    problems += [
        Problem(name, 1, 1, "", f"the column {cell} is missing", known) for cell in _REQUIRED if cell not in header
    ]
    if problems:
        raise FileErrors(problems)


def _row(
    header: Sequence[str], cells: Sequence[str], problems: list[Problem], *, name: str, line: int, number: int
) -> ExclusionRow:
    given: dict[str, object] = {}
    for key, cell in zip(header, cells, strict=True):
        text = cell.strip()
        text = text[1:] if text.startswith("'") and _FORMULA.match(text) else text
        if text:
            given[key] = _split(text) if key in _LISTS else text
    try:
        return ExclusionRow.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            found = translate(detail, ExclusionRow)
            key = str(found.path[0]) if found.path else ""
            place = header.index(key) + 1 if key in header else 1
            where = f"row {number}, {key}" if key else f"row {number}"
            problems.append(Problem(name, line, place, where, found.what, found.hint))
        return _PLACEHOLDER


def _cell(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _joined(names: Sequence[str]) -> str:
    if not names:
        return ""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";", lineterminator="").writerow(names)
    return out.getvalue()


def _split(text: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([text], delimiter=";", strict=True))]
