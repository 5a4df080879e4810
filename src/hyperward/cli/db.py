"""`hyperward db`: application databases."""

import typer

from hyperward.cli.db_import import import_command
from hyperward.cli.db_publish import build, init, keys, refresh, sign

app = typer.Typer(help="Application databases: rules and web addresses.", no_args_is_help=True)
for command in (build, keys, init, sign, refresh):
    app.command()(command)
app.command("import")(import_command)


@app.callback()
def group() -> None:
    """Application databases: rules and web addresses."""
