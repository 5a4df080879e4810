"""`hyperward db`: application databases."""

import typer

from hyperward.cli.db_import import import_command
from hyperward.cli.db_publish import build, init, keys, mirror, refresh, rotate, sign

app = typer.Typer(help="Application databases: addresses and attack signatures.", no_args_is_help=True)
app.command("import")(import_command)
for command in (build, keys, init, sign, refresh, rotate, mirror):
    app.command()(command)


@app.callback()
def group() -> None:
    """Application databases: addresses and attack signatures."""
