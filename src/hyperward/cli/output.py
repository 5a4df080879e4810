"""Printing: tables for people, JSON for programs."""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

_UNBOUND_COLUMNS = 250


def print_json(value: Any) -> None:
    """Print a value as one JSON document."""
    Console(soft_wrap=True, highlight=False, markup=False).print(msgspec.json.encode(value).decode())


def print_text(text: str) -> None:
    """Print text as it is: never wrapped, nothing in it taken for markup."""
    Console(soft_wrap=True, highlight=False, markup=False).print(text)


def table(title: str, columns: Sequence[str]) -> Table:
    """Return an empty table in the style of the product."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def show(made: Table) -> None:
    """Print a table, as wide as it needs where no terminal sets the width."""
    console = Console()
    if not console.is_terminal:
        console.width = _UNBOUND_COLUMNS
    console.print(made)


def add_row(made: Table, *cells: str) -> None:
    """Add a row of plain text: what stands in brackets is an address, not markup."""
    made.add_row(*(Text(cell) for cell in cells))
