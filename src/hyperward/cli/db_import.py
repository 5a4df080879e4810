"""`hyperward db import`: an address database from lists, at once and without signatures."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console

from hyperward.cli.output import add_row, print_json, print_text, show, table
from hyperward.cli.paths import JsonOption
from hyperward.errors import InputError
from hyperward.webscan.guard.popularity import DEFAULT_TOP, MAX_TOP
from hyperward.webscan.imports import ImportReport, Progress, Source, default_list_id, import_lists
from hyperward.webscan.lists.columns import parse_columns
from hyperward.webscan.lists.model import ListFormat, ListOptions, NamesAs

MAX_ROWS: Final = 20
"""Lists, refused lines and demotions that are shown; `--report` has more."""


def import_command(
    sources: Annotated[list[Path], typer.Argument(help="List files; gzip, xz and bzip2 are unpacked.")],
    *,
    out: Annotated[Path, typer.Option(help="The address database to write.")],
    category: Annotated[str, typer.Option(help="malicious, phishing, advertising, other, or one of your own.")],
    list_id: Annotated[str | None, typer.Option(help="Id of the list; by default the file's name.")] = None,
    list_format: Annotated[ListFormat, typer.Option("--format", help="How the lists are written.")] = ListFormat.AUTO,
    names: Annotated[
        NamesAs | None,
        typer.Option(help="What a name stands for; by default a domain, in hosts files a host."),
    ] = None,
    folders: Annotated[
        bool, typer.Option("--folders", help="An address that ends with a slash stands for all in that folder.")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns of CSV by name or number: address=url,id=1 or host=2,path=3; also category=."),
    ] = None,
    popular: Annotated[
        Path | None,
        typer.Option(help="Popular sites, the most popular first: 'rank,name' or a name on each line."),
    ] = None,
    popular_top: Annotated[int, typer.Option(min=1, max=MAX_TOP, help="How many of them count.")] = DEFAULT_TOP,
    guard: Annotated[
        bool,
        typer.Option("--guard/--no-guard", help="Block no popular site whole. Without: for lists of your own."),
    ] = True,
    version: Annotated[str | None, typer.Option(help="Version of the database; by default the time.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write all refused lines and demotions to this JSON file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write an address database from lists of names, addresses, hosts files, ad blockers' rules or CSV."""
    from hyperward.webscan.guard.guard import default_guard
    from hyperward.webscan.guard.popularity import read_popular

    if popular is not None and not guard:
        raise InputError("--popular has no use with --no-guard", hint="leave one of them out")
    columns_map = parse_columns(columns) if columns is not None else None
    wanted = [
        Source(
            path,
            ListOptions(
                category=category,
                list_id=list_id if list_id is not None else default_list_id(path),
                format=list_format,
                names=names,
                folders=folders,
                columns=columns_map,
            ),
        )
        for path in sources
    ]
    with _progress() as progress:
        ranking = read_popular(popular, popular_top) if popular is not None else []
        found = import_lists(
            wanted,
            out,
            version=version if version is not None else datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            guard=default_guard(ranking) if guard else None,
            progress=progress,
        )
    if report is not None:
        _write(report, msgspec.json.format(msgspec.json.encode(found)))
    if json:
        print_json(found)
    else:
        _show(found, out)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show what is done now, where somebody looks; on standard error, so that the report stays alone."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _, __: None
        return
    with console.status("starting") as status:
        yield lambda text, part: status.update(f"{text}: {part:.0%}" if part else text)


def _show(report: ImportReport, out: Path) -> None:
    made = table("Lists", ("list", "format", "lines", "entries", "refused", "excepted", "demoted"))
    most = sorted(report.sources, key=lambda source: source.read.lines, reverse=True)
    for source in most[:MAX_ROWS]:
        read = source.read
        numbers = (read.lines, read.entries, read.refused, read.exempted, source.guard.demoted)
        add_row(made, source.list_id, read.format, *map(str, numbers))
    show(made)
    _rest("lists", len(report.sources) - MAX_ROWS)
    _show_refused(report)
    _show_demoted(report)
    built = report.built
    duplicates = f" ({built.duplicates} were there twice)" if built.duplicates else ""
    size = f"{built.size / 1e6:.1f} MB, {built.mapped / 1e6:.1f} MB of it for lookups"
    print_text(
        f"{out}: {built.count} entries{duplicates} for {built.hosts} hosts, version {built.version}, {size}, "
        f"{report.seconds:.1f} s"
    )


def _show_refused(report: ImportReport) -> None:
    reasons: Counter[str] = Counter()
    for source in report.sources:
        reasons.update(source.read.reasons)
    if not reasons:
        return
    made = table("Refused lines", ("reason", "lines", "first", "text"))
    for reason, count in reasons.most_common(MAX_ROWS):
        first = next(((s, line) for s in report.sources for line in s.read.shown if line.reason == reason), None)
        place = f"{Path(first[0].read.source).name}:{first[1].line}" if first else ""
        add_row(made, reason, str(count), place, first[1].text if first else "")
    show(made)
    for source in report.sources:
        if source.read.refused * 2 > source.read.lines:
            print_text(f"Note: most lines of {source.read.source} were refused; check --format and --columns")


def _show_demoted(report: ImportReport) -> None:
    demotions = [(source, demotion) for source in report.sources for demotion in source.guard.listed]
    if not demotions:
        return
    made = table("Demoted to their exact address", ("list", "was", "entry", "is", "why"))
    for source, demotion in demotions[:MAX_ROWS]:
        was = demotion.was.name.lower()
        add_row(made, source.list_id, was, demotion.text, demotion.entry.text, demotion.reason)
    show(made)
    _rest("demotions", len(demotions) - MAX_ROWS)


def _rest(what: str, count: int) -> None:
    if count > 0:
        print_text(f"{count} more {what} are not shown; see --report")


def _write(path: Path, content: bytes) -> None:
    from hyperward.files import write_atomically

    try:
        write_atomically(path, content, mode=0o644)
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", where=str(path), hint="check the folder") from None
