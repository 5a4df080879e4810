"""Progress of long work, on standard error: bars on a terminal, nothing elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Said:
    """Takes what long work says of itself and shows one line for each part of it."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def bytes_of(self, what: str, done: int, whole: int | None) -> None:
        """Show how many bytes of something are there."""
        self._show(what, done, whole, f"{done / 1e6:.1f} MB")

    def items_of(self, what: str, done: int) -> None:
        """Show how many items of something are done."""
        self._show(what, done, None, f"{done}" if done else "")

    def _show(self, what: str, done: int, whole: int | None, text: str) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=whole, text="")
        self._bars.update(self._tasks[what], completed=done, total=whole, text=text)


@contextmanager
def progress() -> Iterator[Said]:
    """Show progress for as long as the context lasts."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield Said(bars)
