"""`hyperward policy check|plan|apply|export|diff|explain|simulate|schema`.

What runs is what the daemon says; `--against` and `--inventory` name files instead, for machines without one.
"""

from pathlib import Path
from typing import Annotated

import typer

from hyperward.cli.output import print_json, print_text, show
from hyperward.cli.paths import DEFAULT_CONFIG, ConfigOption, JsonOption
from hyperward.cli.policy_tables import candidates_table, changes_table, heading, settings_table
from hyperward.cli.running import ASK_SECONDS, in_force, socket_of, vm_of
from hyperward.cli.simulate import simulate
from hyperward.errors import InputError
from hyperward.inventory.values import Address, parse_address
from hyperward.policy.explain import explain as explain_vm
from hyperward.policy.export import effective_yaml, jsonable, schema_text
from hyperward.policy.plan import Plan
from hyperward.policy.plan import plan as plan_of
from hyperward.svm.change import digest_of
from hyperward.svm.check import CheckResult, check_alone, check_files, check_paths
from hyperward.svm.config import load_config
from hyperward.svm.control import ask
from hyperward.svm.policy_file import LIMITS, parse_policy_file
from hyperward.svm.remote_rows import row_decision
from hyperward.yamlfile import read_text

app = typer.Typer(help="Policies: check, plan, apply, export, compare, explain.", no_args_is_help=True)

APPLY_SECONDS = 600.0
"""The longest that a change is waited for: rule sets of many policies may have to be compiled."""

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A file of policies.")]
InventoryOption = Annotated[
    Path | None, typer.Option("--inventory", help="An inventory file, instead of the inventory that runs.")
]
AgainstOption = Annotated[
    Path | None, typer.Option("--against", help="A file of policies, instead of those that run; needs --inventory.")
]


@app.callback()
def group() -> None:
    """Policies: check, plan, apply, export, compare, explain."""


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of policies, or inventories.")],
    inventory: InventoryOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Check files: every error with file, line, column and key. Exit code 0 when there is none, else 2.

    With --inventory each file of policies is also checked together with it: ties, policies that cover nothing.
    """
    results = [check_alone(path) if inventory is None else check_paths(path, inventory) for path in files]
    errors = list(dict.fromkeys(problem for result in results for problem in result.errors))
    warnings = list(dict.fromkeys(problem for result in results for problem in result.warnings))
    if json:
        print_json({"ok": not errors, "errors": jsonable(errors), "warnings": jsonable(warnings)})
    else:
        for problem in errors:
            print_text(f"{problem}")
        for problem in warnings:
            print_text(f"{problem} (warning)")
        if not errors:
            print_text(f"{len(files)} {'file' if len(files) == 1 else 'files'} without errors")
    if errors:
        raise typer.Exit(InputError.exit_code)


@app.command()
def plan(
    file: FileArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    inventory: InventoryOption = None,
    against: AgainstOption = None,
    json: JsonOption = False,
) -> None:
    """Show which VMs a file would change, and which of their settings. Changes nothing."""
    now = in_force(config, against, inventory, option="--against")
    _print_plan(_plan(now, _with_inventory(file, now, inventory)), json=json)


@app.command()
def apply(file: FileArgument, config: ConfigOption = DEFAULT_CONFIG, *, json: JsonOption = False) -> None:
    """Put a file of policies in force on every VM, or change nothing.

    The daemon's policy file is replaced when all is in force; what it was before is kept beside it as FILE.previous.
    """
    loaded = load_config(config)
    now = in_force(config, None, None, option="--against")
    after = _with_inventory(file, now, None)
    changes = _plan(now, after)
    name, digest = str(file.resolve()), digest_of(after.require_source().policy_text)
    answer = ask(socket_of(loaded), "apply", patience=APPLY_SECONDS, file=name, digest=digest)
    if json:
        print_json({"plan": jsonable(changes), "applied": answer})
        return
    _print_plan(changes, json=False)
    print_text(f"in force since {answer['since']}: {loaded.policy_file}")
    if answer["backup"]:
        print_text(f"the policies before are kept in {answer['backup']}")
    if answer["engine_down"]:
        print_text("the engine is down: its rules follow when it runs, until then the failure action holds")
    for port, why in answer["failed"].items():
        print_text(f"{port} could not be protected before and cannot now: {why}")


@app.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="A file of policies, instead of those that run.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    effective: Annotated[
        bool, typer.Option("--effective", help="Every setting written out, without parents and locks.")
    ] = False,
) -> None:
    """Print policies as YAML: as they were written, or with every setting that holds."""
    if file is None:
        name, text = "what runs", str(ask(socket_of(load_config(config)), "policies", patience=ASK_SECONDS)["text"])
    else:
        name, text = str(file), read_text(file, max_bytes=LIMITS.max_bytes)
    policies = parse_policy_file(text, name)
    print_text((effective_yaml(policies) if effective else text).removesuffix("\n"))


@app.command()
def diff(
    file: Annotated[Path | None, typer.Argument(help="A file of policies, instead of the daemon's.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    json: JsonOption = False,
) -> None:
    """Show how the daemon's files differ from what runs. Exit code 0 when they do not, 1 when they do."""
    loaded = load_config(config)
    now = in_force(config, None, None, option="--against")
    on_disk = check_paths(loaded.policy_file if file is None else file, loaded.inventory_file).require()
    changes = _plan(now, on_disk)
    same_text = now.require_source().texts == on_disk.require_source().texts
    if json:
        print_json({"drift": not same_text, "plan": jsonable(changes)})
    elif same_text:
        print_text("no drift: what runs is what the files say")
    elif not changes.changes:
        print_text("the files are not what was taken over, but no VM would be treated differently")
    else:
        _print_plan(changes, json=False)
    if not same_text:
        raise typer.Exit(1)


@app.command()
def explain(
    vm: Annotated[str, typer.Option("--vm", help="The VM's name.")],
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    remote: Annotated[str | None, typer.Option("--remote", help="An address that it talks to.")] = None,
    inventory: InventoryOption = None,
    against: AgainstOption = None,
    json: JsonOption = False,
) -> None:
    """Show why a VM is treated as it is: which policy covers it, where each setting comes from."""
    now = in_force(config, against, inventory, option="--against")
    address = None if remote is None else _address(remote)
    source = now.require_source()
    told = explain_vm(now.policies, vm_of(now, vm), remote=address, row_of=row_decision, line_of=source.line_of)
    if json:
        print_json(jsonable(told))
        return
    print_text(heading(told))
    if told.candidates:
        show(candidates_table(told))
    if told.settings:
        show(settings_table(told))


@app.command()
def schema() -> None:
    """Print the JSON Schema of policy files, for editors."""
    print_text(schema_text().removesuffix("\n"))


def _with_inventory(file: Path, now: CheckResult, inventory: Path | None) -> CheckResult:
    """Return a file of policies with the inventory that it is for; its errors are printed, all of them."""
    if inventory is not None:
        result = check_paths(file, inventory)
    else:
        text = read_text(file, max_bytes=LIMITS.max_bytes)
        source = now.require_source()
        result = check_files(text, source.inventory_text, policy_name=str(file), inventory_name="inventory that runs")
    if not result.ok:
        for problem in result.errors:
            typer.echo(f"{problem}", err=True)
        raise typer.Exit(InputError.exit_code)
    return result


def _plan(before: CheckResult, after: CheckResult) -> Plan:
    return plan_of((before.policies, before.inventory.vms), (after.policies, after.inventory.vms))


def _print_plan(changes: Plan, *, json: bool) -> None:
    if json:
        print_json(jsonable(changes))
        return
    if changes.changes:
        show(changes_table(changes))
    print_text(f"{len(changes.changes)} VMs change, {changes.unchanged} do not")


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        raise InputError(what, where=f"--remote {text}", hint=hint) from None


app.command()(simulate)
