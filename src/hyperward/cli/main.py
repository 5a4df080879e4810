"""The command line: `hyperward`. Thin: parses, calls, prints.

Exit codes: 0 done; 1 the machine lacks something or a command failed; 2 the input is wrong, nothing was changed.
Commands that answer yes or no say in their help what else they use.
"""

import logging
import sys
from typing import Annotated

import structlog
import typer

from hyperward.cli.blocked import app as blocked_app
from hyperward.cli.db import app as db_app
from hyperward.cli.events import events
from hyperward.cli.exclusions import app as exclusions_app
from hyperward.cli.failures import explain
from hyperward.cli.lab import app as lab_app
from hyperward.cli.policy import app as policy_app
from hyperward.cli.svm import app as svm_app
from hyperward.cli.svm import status
from hyperward.cli.vm import app as vm_app
from hyperward.cli.web import app as web_app

app = typer.Typer(
    name="hyperward",
    help="Agentless network threat protection for virtual machines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(svm_app, name="svm")
app.add_typer(vm_app, name="vm")
app.add_typer(policy_app, name="policy")
app.add_typer(blocked_app, name="blocked")
app.add_typer(exclusions_app, name="exclusions")
app.add_typer(web_app, name="web")
app.add_typer(db_app, name="db")
app.add_typer(lab_app, name="lab")
app.command()(status)
app.command()(events)


@app.callback()
def options(
    *, debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error, and log more.")] = False
) -> None:
    """Agentless network threat protection for virtual machines."""
    state.debug = debug
    # Standard output is the answer's; the daemon, whose log it is, says otherwise.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


class _State:
    debug = False


state = _State()


def main() -> None:
    """Run the command line; an error is one clear line on standard error."""
    try:
        app()
    except Exception as error:
        known = explain(error)
        if state.debug or known is None:
            raise
        print(f"hyperward: {known.line()}", file=sys.stderr)  # noqa: T201 - the one place where errors are printed
        sys.exit(known.exit_code)
