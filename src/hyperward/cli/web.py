"""`hyperward web check|explain`: what becomes of an address, without any traffic.

Exit codes, beside those of all commands: 3 when an address is listed (`check` without a VM) or would be blocked.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hyperward.cli.output import add_row, print_json, print_text, show, table
from hyperward.cli.paths import DEFAULT_CONFIG, ConfigOption, JsonOption
from hyperward.cli.policy_tables import value_text
from hyperward.cli.running import in_force, vm_of
from hyperward.errors import InputError
from hyperward.policy.explain import SettingInForce
from hyperward.policy.explain import explain as explain_vm
from hyperward.policy.export import jsonable
from hyperward.policy.fields import Mode
from hyperward.policy.resolve import Resolver
from hyperward.policy.web import WebCategories
from hyperward.svm.config import load_config
from hyperward.svm.databases.view import addresses_in_force
from hyperward.webscan.database import Layers, open_database
from hyperward.webscan.explain import Listed, Looked, Outcome, Seen, look_up, see, worst
from hyperward.webscan.plan import web_plan
from hyperward.webscan.settings import WebScan

FOUND = 3
"""Exit code: an address is listed, or would be blocked."""

app = typer.Typer(help="Web addresses: what becomes of one, and why.", no_args_is_help=True)

DatabaseOption = Annotated[
    list[Path] | None,
    typer.Option("--database", help="An address database, instead of the SVM's; may be given several times."),
]
PolicyOption = Annotated[
    Path | None, typer.Option("--policy", help="A file of policies, instead of those that run; needs --inventory.")
]
InventoryOption = Annotated[
    Path | None, typer.Option("--inventory", help="An inventory file, instead of the inventory that runs.")
]


@dataclass(frozen=True, slots=True)
class _Policy:
    """What holds for a VM: its policy, None for none, and the settings of Web Addresses Scan with their origins."""

    vm: str
    name: str | None
    mode: Mode
    scan: WebScan | None
    settings: tuple[SettingInForce, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is printed of one address."""

    looked: Looked
    outcome: Outcome | None
    seen: tuple[Seen, ...]


@app.callback()
def group() -> None:
    """Web addresses: what becomes of one, and why."""


@app.command()
def check(
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="Addresses; without a scheme, of HTTP.")],
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    database: DatabaseOption = None,
    vm: Annotated[str | None, typer.Option("--vm", help="Say what becomes of it for this VM.")] = None,
    policy: PolicyOption = None,
    inventory: InventoryOption = None,
    json: JsonOption = False,
) -> None:
    """Say whether addresses are listed and, for a VM, what becomes of them.

    Exit code 0 when none is listed, or would be blocked for the VM; 3 when one is; 2 for what is no address.
    """
    if policy is not None and vm is None:
        raise InputError("--policy needs --vm", hint="name the VM that it is asked for")
    holds = None if vm is None else _policy(config, vm, policy, inventory)
    with _databases(config, database) as layers:
        answers = [_answer(url, holds, layers) for url in urls]
    if json:
        print_json(jsonable(answers))
    else:
        made = table("Web addresses", ("address", "result", "category", "list", "entry", "version", "why"))
        for answer in answers:
            add_row(made, *_row(answer))
        show(made)
    if any(answer.outcome is Outcome.BLOCKED if holds else answer.looked.listed for answer in answers):
        raise typer.Exit(FOUND)


@app.command()
def explain(
    url: Annotated[str, typer.Argument(metavar="URL", help="An address; without a scheme over every protocol.")],
    vm: Annotated[str, typer.Option("--vm", help="The VM's name.")],
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    database: DatabaseOption = None,
    policy: PolicyOption = None,
    inventory: InventoryOption = None,
    json: JsonOption = False,
) -> None:
    """Show what becomes of an address for a VM, and why: what is looked up, what is found, which settings decide.

    Exclusions are left aside: they hold for the address that a connection goes to (hyperward policy explain --remote).

    Exit code 0 when it would not be blocked; 3 when it would; 2 when it is no address.
    """
    holds = _policy(config, vm, policy, inventory)
    with _databases(config, database) as layers:
        answer = _answer(url, holds, layers)
    if json:
        told = {"vm": vm, "policy": holds.name, "mode": holds.mode, "settings": jsonable(holds.settings)}
        print_json(told | jsonable(answer))
    else:
        _show(answer, holds)
    if answer.outcome is Outcome.BLOCKED:
        raise typer.Exit(FOUND)


@contextmanager
def _databases(config: Path, given: Sequence[Path] | None) -> Iterator[Layers]:
    paths = tuple(given) if given else addresses_in_force(load_config(config))
    if not paths:
        raise InputError(
            "there is no address database", hint="name one under addresses in the SVM's configuration, or --database"
        )
    with ExitStack() as stack:
        yield Layers([stack.enter_context(open_database(path)) for path in paths])


def _policy(config: Path, vm: str, policies: Path | None, inventory: Path | None) -> _Policy:
    now = in_force(config, policies, inventory, option="--policy")
    machine = vm_of(now, vm)
    settings = Resolver(now.policies).effective(machine)
    told = explain_vm(now.policies, machine, line_of=now.require_source().line_of)
    return _Policy(
        vm=vm,
        name=told.policy,
        mode=settings.mode if settings else Mode.STANDARD,
        scan=web_plan(settings, now=datetime.now(UTC)),
        settings=tuple(one for one in told.settings if one.path == "mode" or one.path.startswith("web_addresses.")),
    )


def _answer(url: str, holds: _Policy | None, layers: Layers) -> _Answer:
    looked = look_up(url, layers)
    if holds is None:
        return _Answer(looked, None, ())
    seen = see(url, holds.scan, holds.mode, layers)
    return _Answer(looked, worst(seen), seen)


def _row(answer: _Answer) -> tuple[str, ...]:
    looked = answer.looked
    deciding = next((one for one in answer.seen if one.outcome is answer.outcome), None)
    entry = deciding.decided if deciding else next(iter(looked.listed), None)
    result = answer.outcome.value if answer.outcome else "listed" if looked.listed else "not listed"
    why = deciding.reason if deciding else ""
    if deciding and deciding.outcome is not Outcome.PASSES:
        over = [one.protocol.value for one in answer.seen if one.outcome is answer.outcome]
        why = f"over {', '.join(over)}{f'; {why}' if why else ''}"
    return (looked.address, result, *_cells(entry), why)


def _cells(entry: Listed | None) -> tuple[str, str, str, str]:
    if entry is None:
        return ("", "", "", "")
    number = f" #{entry.id}" if entry.id else ""
    return (entry.category, f"{entry.list}{number}", f"{entry.entry} ({entry.kind})", entry.version)


def _show(answer: _Answer, holds: _Policy) -> None:
    looked = answer.looked
    by = f"policy {holds.name}, {holds.mode} mode" if holds.name else "no active policy covers it"
    print_text(f"{looked.address} for VM {holds.vm} ({by}): {answer.outcome or ''}")
    print_text(f"given as {looked.given}")
    print_text(f"hosts looked up: {', '.join(looked.hosts)}")
    print_text(f"paths looked up: {', '.join(looked.expressions) or 'none'}")
    entries = table("Entries that it meets", ("category", "list", "entry", "version"))
    for entry in looked.listed:
        add_row(entries, *_cells(entry))
    show(entries)
    protocols = table("By protocol", ("protocol", "what it shows", "result", "action", "entry", "why"))
    for one in answer.seen:
        decided = one.decided.entry if one.decided else ""
        add_row(protocols, one.protocol, one.address, one.outcome, one.action or "", decided, one.reason)
    show(protocols)
    settings = table("Settings that decide", ("setting", "value", "set by"))
    for setting in _deciding(answer, holds):
        add_row(settings, setting.path, value_text(setting.value), str(setting.origin))
    show(settings)


def _deciding(answer: _Answer, holds: _Policy) -> list[SettingInForce]:
    """Return the settings without which it would be otherwise."""
    wanted = {"mode", "web_addresses.enabled"}
    wanted |= {f"web_addresses.protocols.{one.protocol}" for one in answer.seen}
    for entry in answer.looked.listed:
        built_in = entry.category in WebCategories.model_fields
        wanted.add(f"web_addresses.categories.{entry.category}" if built_in else "web_addresses.own_categories")
    if any(one.mask for one in answer.seen):
        wanted.add("web_addresses.never_block")
    return [setting for setting in holds.settings if setting.path in wanted]
