"""`hyperward lab up|down|attack|demo`."""

import sys
from typing import Annotated

import typer

from hyperward.cli.demo import run_demo
from hyperward.cli.output import add_row, print_json, show, table
from hyperward.cli.paths import JsonOption
from hyperward.lab import commands
from hyperward.lab.demo import DEMO_NAME
from hyperward.lab.scenario import DOWNLOAD

MIB = 1024 * 1024

app = typer.Typer(help="A laboratory on this machine: VMs to protect and attack.", no_args_is_help=True)

NameOption = Annotated[str, typer.Option("--name", help="The lab's name.")]


@app.callback()
def group() -> None:
    """A laboratory on this machine: VMs to protect and attack."""


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)  # noqa: T201 - progress


@app.command()
def up(
    name: NameOption = commands.DEFAULT_NAME,
    *,
    vms: Annotated[int, typer.Option(min=0, max=64, help="Namespace VMs.")] = 1,
    qemu: Annotated[bool, typer.Option(help="With a real QEMU virtual machine.")] = True,
) -> None:
    """Make a lab: namespaces as VMs and as an outside host, and a real VM."""
    lab = commands.up(name, vms=vms, qemu=qemu, progress=_say)
    made = table(f"Lab {name}", ("machine", "kind", "interface on the host", "IPv4", "IPv6"))
    for node in lab.plan.nodes:
        add_row(made, node.name, node.kind.value, node.port, node.address(4), node.address(6))
    show(made)


@app.command()
def down(name: NameOption = commands.DEFAULT_NAME) -> None:
    """Take a lab away, in whatever state it is."""
    commands.down(name)


@app.command()
def attack(
    name: NameOption = commands.DEFAULT_NAME,
    *,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; may be repeated.")] = None,
    vm: Annotated[list[str] | None, typer.Option(help="Only this VM; may be repeated.")] = None,
    json: JsonOption = False,
) -> None:
    """Run the attacks of the scenario against a lab that is up."""
    results = commands.attack(name, kinds=kind or (), vms=vm or ())
    made = table("Attacks", ("attack", "from", "to", "what the attacker saw"))
    rows = []
    for result in results:
        one, outcome = result.attack, result.outcome
        rows.append({"attack": one.name, "from": one.client, "to": one.server, "result": outcome.result.value})
        add_row(made, one.kind.title, one.client, f"{one.server} (IPv{one.family})", outcome.result.value)
    if json:
        print_json(rows)
    else:
        show(made)


@app.command()
def demo(
    name: NameOption = DEMO_NAME,
    *,
    once: Annotated[bool, typer.Option("--once", help="End after the scenario, with exit code 0 or 1.")] = False,
    qemu: Annotated[bool, typer.Option(help="With a real QEMU virtual machine.")] = True,
    download: Annotated[
        int, typer.Option(min=1, max=4096, help="Size of the downloads in MiB; the QEMU VM takes 64 at most.")
    ] = DOWNLOAD // MIB,
) -> None:
    """Attack VMs that a real SVM protects, show what happened, and stay up until Ctrl-C."""
    raise typer.Exit(run_demo(name, once=once, qemu=qemu, download=download * MIB))
