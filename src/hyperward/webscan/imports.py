"""Lists of others into one address database: read, guarded, built; with a report of all that did not go in."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from hyperward.errors import InputError
from hyperward.webscan.database.builder import BuildReport, build
from hyperward.webscan.database.limits import name_refusal
from hyperward.webscan.database.model import Entry
from hyperward.webscan.guard.guard import Guard, GuardReport, guarded
from hyperward.webscan.lists.make import CATEGORY
from hyperward.webscan.lists.model import ListOptions, ReadReport
from hyperward.webscan.lists.read import read_list

Progress: TypeAlias = Callable[[str, float], None]
"""Told what is done now, and which part of it is done (0 to 1)."""

_STEP: Final = 1 << 14
_ENDINGS: Final = frozenset((".txt", ".csv", ".tsv", ".list", ".hosts", ".gz", ".xz", ".bz2"))


@dataclass(frozen=True, slots=True)
class Source:
    """A list file and how to read it."""

    path: Path
    options: ListOptions


@dataclass(slots=True)
class SourceReport:
    """What became of one list."""

    list_id: str
    read: ReadReport
    guard: GuardReport = field(default_factory=GuardReport)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of all lists.

    Args:
        sources: one for each list.
        built: the database.
        seconds: that it took.
    """

    sources: tuple[SourceReport, ...]
    built: BuildReport
    seconds: float


def import_lists(
    sources: Sequence[Source], out: Path, *, version: str, guard: Guard | None, progress: Progress
) -> ImportReport:
    """Read lists and write them as one address database.

    Args:
        sources: the lists; several may have one list id.
        out: of the database; replaced when the other one is complete.
        version: of the database.
        guard: asked about each entry; None for lists whose entries stand as they are.
        progress: told on the way.

    Raises:
        InputError: a list cannot be read, no list has a usable entry, or a name cannot be one; nothing was written.
        SystemFault: the database cannot be written.
    """
    began = time.monotonic()
    for source in sources:
        _check_names(source.options, version)
    reports = [SourceReport(source.options.list_id, ReadReport(str(source.path))) for source in sources]
    lists = {source.options.list_id: source.path.name for source in sources}
    built = build(_entries(sources, reports, guard, progress), out, version=version, lists=lists)
    return ImportReport(tuple(reports), built, time.monotonic() - began)


def default_list_id(path: Path) -> str:
    """Return the name of a list file without its endings."""
    name = path.name
    while (ending := Path(name).suffix.lower()) in _ENDINGS:
        name = name[: -len(ending)]
    return name


def _entries(
    sources: Sequence[Source], reports: Sequence[SourceReport], guard: Guard | None, progress: Progress
) -> Iterator[Entry]:
    count = 0
    for source, report in zip(sources, reports, strict=True):
        text = f"reading {source.path.name}"
        progress(text, 0)
        entries = read_list(source.path, source.options, report.read)
        for entry in guarded(entries, guard, report.guard) if guard else entries:
            count += 1
            if not count % _STEP:
                progress(text, min(report.read.position / (report.read.size or 1), 1))
            yield entry
    if not count:
        names = ", ".join(str(source.path) for source in sources[:3])
        raise InputError("there is no usable entry", where=names, hint="check --format and --columns")
    progress("building", 0)


def _check_names(options: ListOptions, version: str) -> None:
    if not CATEGORY.fullmatch(options.category):
        what = f"{options.category[:64]!r} is not the name of a category"
        raise InputError(what, hint="write 1 to 63 of a-z, 0-9, '_' and '-', first a letter or digit")
    for name, what in ((options.list_id, "list id"), (version, "version")):
        if why := name_refusal(name):
            raise InputError(f"{name[:64]!r} cannot be a {what}: {why}")
