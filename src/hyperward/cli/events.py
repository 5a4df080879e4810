"""`hyperward events`."""

from typing import Annotated, TypeVar

import typer
from rich.console import Console

from hyperward.cli.output import add_row, print_json, show, table
from hyperward.cli.paths import DEFAULT_CONFIG, ConfigOption, JsonOption
from hyperward.errors import InputError
from hyperward.events.model import Event, Feature, Severity
from hyperward.events.reader import EventReader, Query
from hyperward.svm.config import load_config

E = TypeVar("E", Severity, Feature)
_COLUMNS = ("time", "severity", "VM", "from", "to", "what", "done", "id")


def events(
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with events as they come.")] = False,
    json: JsonOption = False,
    vm: Annotated[str | None, typer.Option(help="Only of this VM: its name or id.")] = None,
    severity: Annotated[str | None, typer.Option(help=f"Only of this severity: {', '.join(Severity)}.")] = None,
    feature: Annotated[str | None, typer.Option(help=f"Only of this feature: {', '.join(Feature)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The youngest so many.")] = 50,
) -> None:
    """Show events, the youngest last."""
    query = Query(vm=vm, severity=_one(Severity, severity), feature=_one(Feature, feature), limit=limit)
    with EventReader(load_config(config).state_dir / "events.db") as reader:
        last = reader.last()
        found = [stored.event for stored in reader.query(query)]
        if json:
            for event in found:
                print_json(event)
        else:
            made = table("Events", _COLUMNS)
            for event in found:
                add_row(made, *_row(event))
            show(made)
        if follow:
            _follow(reader, last, query, json=json)


def _follow(reader: EventReader, last: int, query: Query, *, json: bool) -> None:
    console = Console(soft_wrap=True, markup=False, highlight=False)
    try:
        for stored in reader.follow(last, query):
            if json:
                print_json(stored.event)
            else:
                console.print("  ".join(part for part in _row(stored.event) if part))
    except KeyboardInterrupt:
        return


def _row(event: Event) -> tuple[str, ...]:
    by = event.rule or event.entry
    rule = f" [{by}]" if by else ""
    done = event.done.value if event.done else ""
    if event.asked and event.done and event.asked is not event.done:
        done = f"{done} ({event.asked} asked: {event.reason})" if event.reason else done
    if event.shadow:
        done = f"shadow {event.shadow}: {event.asked or ''} asked"
    return (
        event.time.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        event.severity.value,
        event.vm.name if event.vm else "",
        _end(event.source, event.source_port),
        _end(event.destination, event.destination_port),
        f"{event.message}{rule}",
        done,
        event.id,
    )


def _end(address: str, port: int | None) -> str:
    if not address or port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _one(kind: type[E], text: str | None) -> E | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        raise InputError(f"unknown {kind.__name__.lower()} '{text}'", hint=f"one of {', '.join(kind)}") from None
