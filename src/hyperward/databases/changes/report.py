"""The change report of two versions: reads both, and what this SVM saw of late."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from hyperward.databases.changes.entries import list_changes
from hyperward.databases.changes.model import (
    MAX_DEMOTIONS,
    MAX_RULES,
    Change,
    ChangeReport,
    Demotion,
    RuleChange,
    SampleChange,
    Traffic,
)
from hyperward.databases.changes.rules import by_number, rule_changes
from hyperward.databases.changes.traffic import Actions, recent_detections, recent_requests, traffic_changes
from hyperward.databases.contents import Contents
from hyperward.databases.samples.run import SampleResult
from hyperward.errors import SystemFault
from hyperward.events.model import Event, Kind
from hyperward.events.reader import EventReader, Query
from hyperward.ips.rules.source import read_rules
from hyperward.webscan.database.database import open_database
from hyperward.webscan.database.layers import Layers

RECENT: Final = timedelta(days=7)
MAX_EVENTS: Final = 20_000
"""The youngest events of each kind that are looked at."""
_MAX_CSV: Final = 16 << 20
"""Bytes that are read of a publisher's file of demotions."""


@dataclass(frozen=True, slots=True)
class ChangesJob:
    """What is to be compared.

    Args:
        before, after: the versions.
        databases_before, databases_after: all address databases in force then, the operator's first; empty for both
            when traffic is not to be judged.
        events: the event store; None when there is none.
        actions: of the policies in force.
        samples_before, samples_after: what became of the samples; None when they were not tried.
        full_list: file for every rule and entry that changed; None for none.
        now: the time, UTC.
    """

    before: Contents
    after: Contents
    now: datetime
    databases_before: tuple[Path, ...] = ()
    databases_after: tuple[Path, ...] = ()
    events: Path | None = None
    actions: Actions = field(default_factory=dict)
    samples_before: SampleResult | None = None
    samples_after: SampleResult | None = None
    full_list: Path | None = None


def report_changes(job: ChangesJob) -> ChangeReport:
    """Return what differs between two versions.

    Raises:
        InputError: a version cannot be read.
        OSError: the full list cannot be written.
    """
    web, detections = _recent(job)
    old, fresh = (by_number(read_rules(contents.rules).rules) for contents in (job.before, job.after))
    recent = recent_detections(detections)
    changed = list(rule_changes(old, fresh, recent=recent))
    with _FullList(job.full_list) as full:
        full.rules(changed)
        lists = tuple(list_changes(job.before.entries, job.after.entries, full.entry))
    demotions = [one for one in _demotions(job.after.demotions) if one not in set(_demotions(job.before.demotions))]
    return ChangeReport(
        before=job.before.name,
        after=job.after.name,
        time=job.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        rules_before=len(old),
        rules_after=len(fresh),
        rules_added=_count(changed, Change.ADDED),
        rules_removed=_count(changed, Change.REMOVED),
        rules_changed=_count(changed, Change.CHANGED),
        rules=tuple(one for kind in Change for one in [c for c in changed if c.change is kind][:MAX_RULES]),
        lists=lists,
        entries_before=sum(one.file.count for one in job.before.entries),
        entries_after=sum(one.file.count for one in job.after.entries),
        demotions=tuple(demotions[:MAX_DEMOTIONS]),
        demoted=len(demotions),
        traffic=_traffic(job, (*web, *detections)),
        samples=_samples(job.samples_before, job.samples_after),
        full_list=job.full_list.name if job.full_list is not None else "",
    )


def _count(changes: Iterable[RuleChange], kind: Change) -> int:
    return sum(one.change is kind for one in changes)


def _recent(job: ChangesJob) -> tuple[list[Event], list[Event]]:
    if job.events is None or not job.events.is_file():
        return [], []
    since = job.now - RECENT
    try:
        with EventReader(job.events) as reader:
            web, detections = (
                [one.event for one in reader.query(Query(kind=kind, since=since, limit=MAX_EVENTS))]
                for kind in (Kind.WEB_ADDRESS, Kind.DETECTION)
            )
    except SystemFault:
        # A report without traffic is better than no update.
        return [], []
    return web, detections


def _traffic(job: ChangesJob, events: Sequence[Event]) -> Traffic | None:
    if job.events is None:
        return None
    with ExitStack() as stack:
        before, after = (
            Layers([stack.enter_context(open_database(path)) for path in paths])
            for paths in (job.databases_before, job.databases_after)
        )
        return traffic_changes(recent_requests(events), before.lookup, after.lookup, job.actions)


def _samples(before: SampleResult | None, after: SampleResult | None) -> SampleChange | None:
    if before is None or after is None:
        return None
    return SampleChange(
        gained=tuple(sorted(after.caught.keys() - before.caught.keys())),
        lost=tuple(sorted(before.caught.keys() - after.caught.keys())),
    )


def _demotions(path: Path | None) -> Iterator[Demotion]:
    """Yield the rows of a publisher's file; what is no row is passed over."""
    if path is None:
        return
    with path.open("rb") as file:
        text = file.read(_MAX_CSV).decode("utf-8", "replace")
    rows = csv.reader(io.StringIO(text))
    next(rows, None)
    for row in rows:
        if len(row) == len(Demotion.__struct_fields__):
            yield Demotion(*(cell[:500] for cell in row))


class _FullList:
    """Every change, as compressed CSV; written under another name until it is complete."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stack = ExitStack()
        self._rows: list[Sequence[str]] = []

    def __enter__(self) -> Self:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            raw = self._stack.enter_context(self._partial.open("wb"))
            packed = self._stack.enter_context(
                gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=3, mtime=0)
            )
            self._text = self._stack.enter_context(io.TextIOWrapper(packed, encoding="utf-8", newline=""))
            self._writer = csv.writer(self._text, lineterminator="\n")
            self._writer.writerow(("kind", "change", "name", "text", "before"))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stack.close()
        if self._path is not None:
            if kind is None:
                self._partial.replace(self._path)
            else:
                self._partial.unlink(missing_ok=True)

    @property
    def _partial(self) -> Path:
        path = self._path or Path()
        return path.with_name(f".{path.name}")

    def rules(self, changes: Iterable[RuleChange]) -> None:
        """Write rules."""
        if self._path is not None:
            rows = (("rule", one.change.value, one.rule, harmless(one.message), one.before) for one in changes)
            self._writer.writerows(rows)

    def entry(self, row: tuple[str, str, str]) -> None:
        """Write an entry."""
        if self._path is not None:
            self._writer.writerow(("entry", row[1], row[0], row[2], ""))


def harmless(cell: str) -> str:
    """Return a cell that a spreadsheet does not take for a formula; the texts are other people's."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
