"""How a list is written, told from its first lines; refused where they do not tell."""

from collections.abc import Callable, Sequence
from typing import Final

from hyperward.errors import InputError
from hyperward.webscan.lists.columns import DELIMITERS, cells_of, delimiter_of, places_of
from hyperward.webscan.lists.hosts import mapped_names
from hyperward.webscan.lists.model import ListFormat, Refusal
from hyperward.webscan.lists.plain import without_remark

SAMPLE: Final = 1000
"""Lines that are looked at."""
_MOST: Final = 0.9
"""Share of the lines that must agree: a list may have some bad ones."""
_RULES: Final = (b"||", b"@@", b"!", b"[Adblock")


def detect(sample: Sequence[bytes], source: str) -> ListFormat:
    """Return the format of a list.

    Args:
        sample: its first lines.
        source: name of the file, for the error.

    Raises:
        InputError: the lines fit no format, or two.
    """
    lines = [line.strip() for line in sample]
    if any(line.startswith(_RULES) for line in lines):
        return ListFormat.ADBLOCK
    data = [text for text in map(without_remark, lines) if text]
    if not data:
        return ListFormat.PLAIN
    if _share(data, _is_hosts_line):
        return ListFormat.HOSTS
    before = lines[: lines.index(data[0])] if data[0] in lines else []
    if _has_header(data[0]) or (before and _has_header(before[-1].lstrip(b"# "))):
        return ListFormat.CSV
    if _share(data, _is_one_field) and not _has_columns(data):
        return ListFormat.PLAIN
    hint = "say it with --format; lists with columns need --columns too, such as address=1,id=2"
    raise InputError("its lines do not tell its format", where=source, hint=hint)


def _share(data: Sequence[bytes], fits: Callable[[bytes], bool]) -> bool:
    return sum(map(fits, data)) >= _MOST * len(data)


def _is_hosts_line(line: bytes) -> bool:
    try:
        return len(line.split()) > 1 and (bool(mapped_names(line)) or b"localhost" in line)
    except Refusal:
        return False


def _is_one_field(line: bytes) -> bool:
    return len(line.split(None, 1)) == 1 and not line.startswith(b'"')


def _has_header(line: bytes) -> bool:
    text = line.decode("latin-1")
    delimiter = delimiter_of(text)
    try:
        return delimiter in text and places_of(cells_of(line, delimiter), None) is not None
    except Refusal:
        return False


def _has_columns(data: Sequence[bytes]) -> bool:
    """Tell whether every line has the same number, above none, of some delimiter."""
    for delimiter in DELIMITERS.encode():
        counts = {line.count(delimiter) for line in data}
        if len(counts) == 1 and counts != {0}:
            return True
    return False
