"""Printing: tables for people, JSON for programs."""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table


def print_json(value: Any) -> None:
    """Print a value as one JSON document."""
    Console(soft_wrap=True, highlight=False, markup=False).print(msgspec.json.encode(value).decode())


def table(title: str, columns: Sequence[str]) -> Table:
    """Return an empty table in the style of the product."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def show(made: Table) -> None:
    """Print a table."""
    Console().print(made)
