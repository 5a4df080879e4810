"""`hyperward db update|rollback|status|history|own|trust`: the databases of this SVM.

With a daemon these talk to it. Without one `update` and `rollback` choose, test and keep a version all the same, and
say that it comes into force with the next start.
"""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from hyperward.cli.db_tables import own_table, print_changes, print_done, print_status
from hyperward.cli.output import add_row, print_json, print_text, show, table
from hyperward.cli.paths import DEFAULT_CONFIG, ConfigOption, JsonOption
from hyperward.cli.running import ASK_SECONDS, socket_of
from hyperward.errors import InputError, SystemFault
from hyperward.svm.config import SvmConfig, load_config
from hyperward.svm.control import ask, is_listening
from hyperward.svm.instance import require_root

POLL: Final = 0.2
"""Seconds between two questions how far a job is."""
_From = Annotated[str | None, typer.Option("--from", help="A folder or address, instead of the configured source.")]


def update(
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    source: _From = None,
    json: JsonOption = False,
) -> None:
    """Fetch the latest databases, test them, and bring them into force on all VMs.

    Nothing active changes unless everything succeeds. A version that was rolled back from is taken too: you asked.
    """
    loaded = load_config(config)
    place = _place(source)
    if is_listening(socket_of(loaded)):
        _show(_job(loaded, "db_update", **({"from": place} if place else {})), json=json)
        return
    wanted = place or loaded.databases.source
    if not wanted:
        raise InputError("no source of databases is configured", where="databases", hint="name one, or give --from")
    _resting(loaded, lambda updates, progress: updates.update(wanted, who="by hand", progress=progress), json=json)


def rollback(config: ConfigOption = DEFAULT_CONFIG, *, json: JsonOption = False) -> None:
    """Bring the version before into force again. It stays: the schedule waits for a higher version."""
    loaded = load_config(config)
    if is_listening(socket_of(loaded)):
        _show(_job(loaded, "db_rollback"), json=json)
        return
    _resting(loaded, lambda updates, progress: updates.rollback(who="by hand", progress=progress), json=json)


def status(config: ConfigOption = DEFAULT_CONFIG, *, json: JsonOption = False) -> None:
    """Show which databases are in force, how old they are, when the next look is, and own lists and rules."""
    answer = ask(socket_of(load_config(config)), "db_status", patience=ASK_SECONDS)
    if json:
        print_json(answer)
    else:
        print_status(answer)


def history(config: ConfigOption = DEFAULT_CONFIG, *, json: JsonOption = False) -> None:
    """Show all changes of databases, the latest first."""
    from hyperward.databases.history import read_history
    from hyperward.svm.databases.place import Place

    records = read_history(Place.of(load_config(config).state_dir).folder / "history.jsonl", 100)
    if json:
        print_json(records)
        return
    made = table("Changes of databases", ("time", "who", "action", "before", "after", "result", "reason"))
    for one in records:
        before, after = str(one.before or "starter"), str(one.after or "starter")
        add_row(made, one.time, one.who, one.action, before, after, one.result, one.reason)
    show(made)


def diff(
    before: Annotated[str | None, typer.Argument(help="A version, or starter; by default the one before.")] = None,
    after: Annotated[str | None, typer.Argument(help="A version, or starter; by default the active one.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report to this file.")] = None,
    json: JsonOption = False,
) -> None:
    """Show what differs between two versions on this machine, with recent traffic where the report was made with it."""
    from hyperward.databases.changes.html import html as page
    from hyperward.svm.databases.view import changes_between

    report = changes_between(load_config(config), before, after)
    if html is not None:
        from hyperward.files import write_atomically

        try:
            write_atomically(html, page(report).encode(), mode=0o644)
        except OSError as error:
            what = f"cannot be written ({error.strerror})"
            raise InputError(what, where=str(html), hint="check the folder") from None
        print_text(f"{html}: {report.summary()}")
    elif json:
        print_json(report)
    else:
        print_changes(report)


def trust(
    root: Annotated[Path, typer.Argument(metavar="FILE", help="N.root.json of the publisher.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Trust the holders of a root from now on. Compare the SHA-256 that is printed with the publisher's."""
    from hyperward.databases.client.metadata import init_trust
    from hyperward.svm.databases.place import Place

    loaded = load_config(config)
    try:
        raw = root.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(root), hint="check the path") from None
    print_text(f"trusted: root with SHA-256 {init_trust(Place.of(loaded.state_dir).trust, raw)}")


def own(config: ConfigOption = DEFAULT_CONFIG, *, json: JsonOption = False) -> None:
    """Check own lists and rules again, bring what is good into force, and show what is not.

    Exit code 2 when a file is invalid. Without a daemon they are only checked.
    """
    loaded = load_config(config)
    listening = is_listening(socket_of(loaded))
    rows = ask(socket_of(loaded), "db_own", patience=600) if listening else _checked_alone(loaded)
    if json:
        print_json(rows)
    else:
        own_table(rows)
    if any(one["state"] == "invalid" for one in rows):
        raise typer.Exit(InputError.exit_code)


def starter(
    out: Annotated[Path, typer.Option("--out", help="Folder for the sources; it is made.")],
) -> None:
    """Write the starter content as sources for `hyperward db build`: something to begin one's own repository with."""
    from hyperward.databases.starter.sources import write_starter_sources

    print_text(f"{write_starter_sources(out)}: build a repository with hyperward db build --config")


def _checked_alone(config: SvmConfig) -> list[dict[str, Any]]:
    from tempfile import TemporaryDirectory

    from hyperward.databases.own.check import OwnJob, check_own
    from hyperward.svm.databases.status import own_rows

    with TemporaryDirectory(prefix="hyperward-own-") as name:
        job = OwnJob(Path(name), config.own_rules, config.own_addresses, config.engine_binary)
        return own_rows(check_own(job).reports)


def _place(source: str | None) -> str | None:
    """Return a source as the daemon understands it, whose working folder is another."""
    if source is None or "://" in source:
        return source
    return str(Path(source).absolute())


def _job(config: SvmConfig, command: str, **arguments: str) -> dict[str, Any]:
    """Start a job in the daemon and show how far it is until it has ended."""
    path = socket_of(config)
    number = str(ask(path, command, patience=ASK_SECONDS, **arguments)["job"])
    console = Console(stderr=True)
    with console.status("beginning") as line:
        while True:
            state = ask(path, "db_job", patience=ASK_SECONDS, job=number)
            if state["ended"]:
                break
            part = f" {state['part']:.0%}" if state["part"] is not None else ""
            line.update(f"{state['step'] or 'beginning'}{part}")
            time.sleep(POLL)
    if state["error"]:
        raise (InputError if state["input_error"] else SystemFault)(state["error"])
    done: dict[str, Any] = state["done"]
    return done


def _resting(config: SvmConfig, change: Callable[..., Awaitable[Any]], *, json: bool) -> None:
    from hyperward.svm.databases.resting import change_resting
    from hyperward.svm.databases.status import done_row

    require_root()
    console = Console(stderr=True)
    with console.status("beginning") as line:
        done = change_resting(
            config, lambda updates: change(updates, lambda step, part: line.update(f"{step}{_part(part)}"))
        )
    _show(done_row(done), json=json)
    if not json and done.result in {"updated", "rolled back"}:
        print_text("No daemon runs: it comes into force with the next hyperward svm run.")


def _part(part: float | None) -> str:
    return f" {part:.0%}" if part is not None else ""


def _show(done: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(done)
    else:
        print_done(done)
