"""`hyperward db`: application databases."""

import typer

from hyperward.cli.db_import import import_command
from hyperward.cli.db_publish import build, init, keys, mirror, refresh, rotate, sign
from hyperward.cli.db_svm import diff, history, own, rollback, starter, status, trust, update

app = typer.Typer(help="Application databases: rules and web addresses.", no_args_is_help=True)
own_app = typer.Typer(help="Own lists and rules of this SVM.", no_args_is_help=True)
for command in (
    update,
    rollback,
    status,
    history,
    diff,
    trust,
    build,
    keys,
    init,
    sign,
    refresh,
    rotate,
    mirror,
    starter,
):
    app.command()(command)
app.command("import")(import_command)
own_app.command("check")(own)
app.add_typer(own_app, name="own")


@app.callback()
def group() -> None:
    """Application databases: rules and web addresses."""


@own_app.callback()
def own_group() -> None:
    """Own lists and rules of this SVM."""
