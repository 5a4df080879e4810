"""Plain lists: one name, IP address or web address a line."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from hyperward.webscan.database.model import Entry
from hyperward.webscan.lists.make import PLAIN_NAME, Maker, checked_length
from hyperward.webscan.lists.model import ReadReport, Refusal

_PLAIN: Final = re.compile(PLAIN_NAME + rb"[ \t\r]*+")
_COMMENT: Final = (b"#", b";", b"//")
_REMARK: Final = re.compile(rb"[ \t]+(?:#|;|//).*")


def read_plain(lines: Iterable[bytes], maker: Maker, report: ReadReport) -> Iterator[Entry]:
    """Yield an entry for each usable line; the others are noted in the report."""
    plain, kind, category, list_id = _PLAIN.fullmatch, maker.names, maker.category, maker.list_id
    for number, line in enumerate(lines, 1):
        report.lines = number
        name = plain(line)
        if name is not None:
            yield Entry(kind, name[1].decode("ascii"), category, list_id)
            continue
        try:
            written = without_remark(checked_length(line))
            if written:
                yield maker.item(_single(written))
        except Refusal as refusal:
            report.refuse(number, str(refusal), line)


def without_remark(line: bytes) -> bytes:
    """Return what a line says without white space and comment; empty when it is only that."""
    text = line.strip()
    if text.startswith(_COMMENT):
        return b""
    return _REMARK.sub(b"", text, count=1)


def _single(written: bytes) -> bytes:
    if len(written.split(None, 1)) > 1:
        raise Refusal("several fields; the format may be hosts or csv")
    return written
