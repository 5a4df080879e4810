"""`hyperward exclusions list|check|convert`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hyperward.cli.output import add_row, print_json, show, table
from hyperward.cli.paths import DEFAULT_CONFIG, ConfigOption, JsonOption

app = typer.Typer(help="Rows of exclusions: what is not scanned, or only reported.", no_args_is_help=True)

_File = Annotated[Path, typer.Argument(help="CSV if its name ends so, else YAML.")]


@app.callback()
def group() -> None:
    """Rows of exclusions: what is not scanned, or only reported."""


@app.command("list")
def list_rows(config: ConfigOption = DEFAULT_CONFIG, *, json: JsonOption = False) -> None:
    """List the rows in force with what met them."""
    from hyperward.svm.config import load_config
    from hyperward.svm.control import ask

    rows: list[dict[str, Any]] = ask(load_config(config).run_dir / "svm.sock", "exclusions")
    if json:
        print_json(rows)
        return
    made = table("Exclusions", ("policy", "row", "address", "conditions", "action", "packets", "bytes", "reason"))
    for row in rows:
        names = ("vlan", "direction", "protocol", "remote_port", "local_port", "vms", "groups", "expires")
        conditions = ", ".join(f"{name} {_text(row[name])}" for name in names if name in row)
        state = f"{row['action']} (expired)" if row["expired"] else row["action"]
        cells = (row["policy"], row["row"], row.get("address", "any"), conditions, state, row["packets"], row["bytes"])
        add_row(made, *map(str, (*cells, row["reason"])))
    show(made)


@app.command()
def check(file: _File) -> None:
    """Check a file of rows; rows that can never match are named on the way."""
    from hyperward.exclusions.files import read_rows
    from hyperward.exclusions.hidden import hidden_rows
    from hyperward.exclusions.image import Image

    rows = read_rows(file)
    Image(rows)
    for hidden in hidden_rows(rows):
        print(f"{file}: row {hidden.row + 1} can never match, because of row {hidden.by + 1}")  # noqa: T201 - the answer
    print(f"{file}: {len(rows)} rows, usable")  # noqa: T201 - the answer


@app.command()
def convert(source: _File, target: _File) -> None:
    """Write the rows of a file to another, as CSV or YAML."""
    from hyperward.exclusions.files import print_csv, print_yaml, read_rows
    from hyperward.files import write_atomically

    rows = read_rows(source)
    text = print_csv(rows) if target.suffix.lower() == ".csv" else print_yaml(rows)
    write_atomically(target, text.encode())
    print(f"{target}: {len(rows)} rows")  # noqa: T201 - the answer


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
