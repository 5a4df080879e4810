"""`hyperward blocked list|remove`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from hyperward.cli.output import add_row, print_json, show, table
from hyperward.cli.paths import DEFAULT_CONFIG, ConfigOption, JsonOption
from hyperward.svm.config import load_config
from hyperward.svm.control import ask

app = typer.Typer(help="Sources whose traffic is dropped until a time.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Sources whose traffic is dropped until a time."""


@app.command("list")
def list_blocked(config: ConfigOption = DEFAULT_CONFIG, *, json: JsonOption = False) -> None:
    """List the blocked sources."""
    _print(ask(load_config(config).run_dir / "svm.sock", "blocked"), "Blocked sources", json=json)


@app.command()
def remove(
    address: Annotated[str, typer.Argument(help="The source's address.")],
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    json: JsonOption = False,
) -> None:
    """Let a source go before its time."""
    _print(ask(load_config(config).run_dir / "svm.sock", "unblock", address=address), "No longer blocked", json=json)


def _print(blocks: list[dict[str, object]], title: str, *, json: bool) -> None:
    if json:
        print_json(blocks)
        return
    made = table(title, ("address", "network", "VLAN", "until", "times", "VM", "why"))
    for block in blocks:
        until = datetime.fromtimestamp(float(str(block["until"])), UTC).astimezone()
        cells = (block["address"], block["segment"], block["vlan"] or "-", until.strftime("%Y-%m-%d %H:%M:%S"))
        add_row(made, *map(str, (*cells, block["times"], block["vm"], block["reason"])))
    show(made)
