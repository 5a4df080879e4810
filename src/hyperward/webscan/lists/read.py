"""A list file as entries."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from hyperward.webscan.database.model import Entry
from hyperward.webscan.lists.adblock import read_adblock
from hyperward.webscan.lists.columns import read_csv
from hyperward.webscan.lists.detect import SAMPLE, detect
from hyperward.webscan.lists.hosts import read_hosts
from hyperward.webscan.lists.lines import read_lines
from hyperward.webscan.lists.make import Maker
from hyperward.webscan.lists.model import ListFormat, ListOptions, NamesAs, ReadReport
from hyperward.webscan.lists.plain import read_plain


def read_list(path: Path, options: ListOptions, report: ReadReport) -> Iterator[Entry]:
    """Yield the entries of a list, in its order. One bad line never spoils the others.

    Args:
        path: of the file, plain or compressed by gzip, xz or bzip2.
        options: how to read it.
        report: filled in on the way, with every line that gives no entry.

    Raises:
        InputError: the file cannot be read, its format cannot be told, or its header lacks a column of the map.
    """
    report.format = _format(path, options, report)
    names = NamesAs.HOST if report.format is ListFormat.HOSTS else NamesAs.DOMAIN
    maker = Maker(options, names)
    match report.format:
        case ListFormat.HOSTS:
            entries = read_hosts(read_lines(path, report), maker, report)
        case ListFormat.ADBLOCK:
            entries = read_adblock(lambda: read_lines(path, report), maker, report)
        case ListFormat.CSV:
            entries = read_csv(read_lines(path, report), maker, report, options.columns)
        case _:
            entries = read_plain(read_lines(path, report), maker, report)
    count = 0
    try:
        for count, entry in enumerate(entries, 1):  # noqa: B007 - counted for the report
            yield entry
    finally:
        report.entries = count


def _format(path: Path, options: ListOptions, report: ReadReport) -> ListFormat:
    if options.format is not ListFormat.AUTO:
        return options.format
    if options.columns is not None:
        return ListFormat.CSV
    with closing(read_lines(path, report)) as lines:
        return detect(list(islice(lines, SAMPLE)), report.source)
