"""The entries that a source of addresses gives, and the lines and indicators that give none."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from hyperward.databases.feeds.indicators import Found, IndicatorKind, Refusal
from hyperward.databases.feeds.misp import event_indicators
from hyperward.databases.feeds.stix import bundle_indicators
from hyperward.databases.sources.config import SourceEntry, SourceKind
from hyperward.databases.sources.gather import Gathered
from hyperward.errors import InputError
from hyperward.webscan.database.model import Entry
from hyperward.webscan.lists.make import Maker
from hyperward.webscan.lists.model import Columns, ListFormat, ListOptions, NamesAs, ReadReport
from hyperward.webscan.lists.model import Refusal as ItemRefusal
from hyperward.webscan.lists.read import read_list

MAX_SHOWN = 1000
MAX_FEED_BYTES = 256 << 20
"""One file of a MISP or STIX feed."""


@dataclass(slots=True)
class Refused:
    """What of a source could not be used.

    Args:
        count: all of it.
        shown: the first thousand as place, reason, text.
    """

    count: int = 0
    shown: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, place: str, reason: str, text: str = "") -> None:
        """Note one."""
        self.count += 1
        if len(self.shown) < MAX_SHOWN:
            self.shown.append((place, reason, text))


def entries_of(source: Gathered, refused: Refused, *, now: datetime) -> Iterator[Entry]:
    """Yield the entries of a source, in its order.

    Args:
        source: of kind addresses, misp or stix.
        refused: filled in on the way; complete when the iterator is at its end.
        now: expired indicators are left out; with a time zone.

    Raises:
        InputError: a file of it cannot be read at all.
    """
    if source.entry.kind is SourceKind.ADDRESSES:
        yield from _listed(source, refused)
    else:
        yield from _indicated(source, refused, now)


def _options(entry: SourceEntry, form: ListFormat) -> ListOptions:
    columns = None if entry.columns is None else Columns(**entry.columns.model_dump())
    return ListOptions(
        category=entry.category or "",
        list_id=entry.id,
        format=form,
        names=entry.names,
        folders=entry.folders,
        columns=columns,
    )


def _listed(source: Gathered, refused: Refused) -> Iterator[Entry]:
    for path in source.files():
        report = ReadReport(path.name)
        yield from read_list(path, _options(source.entry, source.entry.format), report)
        for line in report.shown:
            refused.add(f"{path.name}:{line.line}", line.reason, line.text)
        refused.count += report.refused - len(report.shown)


def _indicated(source: Gathered, refused: Refused, now: datetime) -> Iterator[Entry]:
    options = _options(source.entry, ListFormat.PLAIN)
    makers = {kind: Maker(options, NamesAs.DOMAIN) for kind in IndicatorKind}
    makers[IndicatorKind.HOST] = Maker(options, NamesAs.HOST)
    for path in source.files():
        raw = _bounded(path)
        found: Iterator[Found] = (
            event_indicators(raw, where=path.name)
            if source.entry.kind is SourceKind.MISP
            else bundle_indicators(raw, where=path.name, now=now)
        )
        for one in found:
            if isinstance(one, Refusal):
                refused.add(one.where, one.why)
                continue
            maker, written = makers[one.kind], one.value.encode("utf-8", "replace")
            try:
                entry = maker.item(written) if one.kind is IndicatorKind.URL else maker.host(written)
            except ItemRefusal as error:
                refused.add(f"{path.name}: {one.id}", str(error), one.value[:200])
                continue
            yield Entry(entry.kind, entry.text, entry.category, entry.list_id, one.id)


def _bounded(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FEED_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
    if len(raw) > MAX_FEED_BYTES:
        raise InputError(f"larger than {MAX_FEED_BYTES} bytes", where=str(path), hint="split it")
    return raw
