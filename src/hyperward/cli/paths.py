"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="HYPERWARD_CONFIG", help="The SVM's configuration file."),
]
DEFAULT_CONFIG = Path("/etc/hyperward/svm.yaml")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
