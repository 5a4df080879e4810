"""The files of a version, and its manifest, out of gathered sources. The same sources and time give the same bytes."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hyperward.databases.build.addresses import Refused, entries_of
from hyperward.databases.build.rules import build_rules
from hyperward.databases.entrylines import print_entries
from hyperward.databases.manifest import EntriesFile, Manifest, ReportFile, RulesFile, Source, content_id
from hyperward.databases.sources.config import SourceKind, is_remote
from hyperward.databases.sources.gather import Gathered
from hyperward.webscan.database import build
from hyperward.webscan.database.model import Entry
from hyperward.webscan.guard.guard import Demotion, Guard, GuardReport, guarded

MINIMUM_PRODUCT = "0.1.0"
Progress = Callable[[str, int], None]
"""Told what is being worked on, and how many entries of it are done."""
_EVERY = 50_000


@dataclass(frozen=True, slots=True)
class SourceResult:
    """What became of a source.

    Args:
        id: of the source.
        kind: what it holds.
        used: rules or distinct entries that are in the version.
        refused: rules, lines or indicators that are not.
        demoted: entries that were made narrower because they would have blocked a popular site.
        moved: bytes that went over the network.
        stale: why the content of an earlier build was used; empty otherwise.
    """

    id: str
    kind: SourceKind
    used: int
    refused: int
    demoted: int
    moved: int
    stale: str


@dataclass(frozen=True, slots=True)
class BuiltVersion:
    """A version that is ready to be signed: its manifest, and what became of each source."""

    manifest: Manifest
    results: tuple[SourceResult, ...]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a version is called.

    Args:
        version: rises with every version of a repository.
        time: of the build, UTC.
        label: for people.
    """

    version: int
    time: datetime
    label: str = ""


def build_version(
    gathered: Sequence[Gathered], folder: Path, stamp: Stamp, *, engine: Path, guard: Guard, progress: Progress
) -> BuiltVersion:
    """Write the files of a version into a folder and return its manifest.

    Args:
        gathered: the sources.
        folder: empty; files get the paths of the manifest below it.
        stamp: what the version is called.
        engine: the Suricata binary, which has the last word about rules.
        guard: knows which hosts must not be blocked whole.
        progress: told about long work.

    Raises:
        InputError: a source cannot be used.
        EngineFault: the engine does not work.
        OSError: the folder cannot be written.
    """
    return _Builder(folder, stamp, engine, guard, progress).build(gathered)


class _Builder:
    def __init__(self, folder: Path, stamp: Stamp, engine: Path, guard: Guard, progress: Progress) -> None:
        self._folder = folder
        self._stamp = stamp
        self._engine = engine
        self._guard = guard
        self._progress = progress
        self._rules: list[RulesFile] = []
        self._entries: list[EntriesFile] = []
        self._reports: list[ReportFile] = []
        self._demotions: list[Demotion] = []

    def build(self, gathered: Sequence[Gathered]) -> BuiltVersion:
        rules = [one for one in gathered if one.entry.kind is SourceKind.RULES]
        results = [*self._add_rules(rules), *(self._add_entries(one) for one in gathered if one not in rules)]
        self._check_addresses()
        if self._demotions:
            rows = ((one.entry.list_id, one.was.name, one.text, one.reason) for one in self._demotions)
            self._report("reports/demotions.csv", "Entries made narrower", ("list", "was", "entry", "reason"), rows)
        order = {one.entry.id: number for number, one in enumerate(gathered)}
        manifest = Manifest(
            version=self._stamp.version,
            time=self._stamp.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            minimum_product=MINIMUM_PRODUCT,
            label=self._stamp.label,
            rules=tuple(sorted(self._rules, key=lambda file: file.path)),
            entries=tuple(sorted(self._entries, key=lambda file: file.path)),
            reports=tuple(sorted(self._reports, key=lambda file: file.path)),
            sources=tuple(sorted(map(_source, gathered), key=lambda source: source.id)),
        )
        return BuiltVersion(manifest, tuple(sorted(results, key=lambda result: order[result.id])))

    def _add_rules(self, sources: Sequence[Gathered]) -> Iterator[SourceResult]:
        if not sources:
            return
        self._progress("rules", 0)
        built = build_rules(sources, engine=self._engine)
        for source in sources:
            entry, found = source.entry, built[source.entry.id]
            path = f"rules/{entry.id}.rules"
            self._write(path, found.text)
            self._rules.append(RulesFile(path, content_id(found.text), len(found.text), entry.id, entry.licence))
            rows = ((str(one.file), str(one.line), str(one.sid), one.reason) for one in found.problems)
            if found.problems:
                title = f"Rules of {entry.id} that could not be used, or were changed"
                self._report(f"reports/{entry.id}.csv", title, ("file", "line", "sid", "reason"), rows)
            yield SourceResult(entry.id, entry.kind, found.count, len(found.problems), 0, source.moved, source.stale)

    def _add_entries(self, source: Gathered) -> SourceResult:
        entry, refused, report = source.entry, Refused(), GuardReport()
        found = guarded(entries_of(source, refused, now=self._stamp.time), self._guard, report)
        text = print_entries(
            self._counted(entry.id, found), refuse=lambda bad, why: refused.add(bad.entry_id, why, bad.text[:200])
        )
        count = text.count(b"\n")
        path = f"addresses/{entry.id}.addresses"
        self._write(path, text)
        self._entries.append(
            EntriesFile(
                path, content_id(text), len(text), entry.category or "", entry.id, count, entry.id, entry.licence
            )
        )
        if refused.count:
            title = f"{refused.count} items of {entry.id} that give no entry"
            self._report(f"reports/{entry.id}.csv", title, ("place", "reason", "text"), refused.shown)
        self._demotions += report.listed
        return SourceResult(entry.id, entry.kind, count, refused.count, report.demoted, source.moved, source.stale)

    def _counted(self, name: str, entries: Iterable[Entry]) -> Iterator[Entry]:
        for number, entry in enumerate(entries):
            if number % _EVERY == 0:
                self._progress(name, number)
            yield entry

    def _check_addresses(self) -> None:
        """Build the address database once, as every SVM will: what it refuses must not be signed."""
        from hyperward.databases.entrylines import parse_entries

        if not self._entries:
            return
        self._progress("address database", 0)
        entries = (entry for file in self._entries for entry in parse_entries(self._folder / file.path, file))
        with TemporaryDirectory(prefix="hyperward-build-") as name:
            build(entries, Path(name) / "addresses", version=str(self._stamp.version))

    def _report(self, path: str, title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([_harmless(cell) for cell in row] for row in rows)
        raw = text.getvalue().encode("utf-8", "replace")
        self._write(path, raw)
        self._reports.append(ReportFile(path, content_id(raw), len(raw), title))

    def _write(self, path: str, content: bytes) -> None:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _harmless(cell: str) -> str:
    """Return a cell that a spreadsheet does not take for a formula; the texts are other people's."""
    cell = cell.replace("\0", "")
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _source(one: Gathered) -> Source:
    address = one.entry.location if is_remote(one.entry.location) else ""
    return Source(one.entry.id, one.entry.title, address, sha256=one.sha256)
