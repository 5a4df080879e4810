"""What is wrong in a file, and the error that carries all of it."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hyperward.errors import InputError

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the top of the document, such as `("policies", 0, "name")`."""

MAX_PROBLEMS = 50
"""A file with more problems than anyone reads is cut off here."""

_SHOWN = 60
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, at one place.

    Args:
        file: the file's name as the user gave it.
        line: counted from 1; 0 when the problem is the file as a whole.
        column: in characters, counted from 1; 0 when the problem is the file as a whole.
        key: the key path as text, such as `policies[0].name`; empty outside of any key.
        what: what is wrong, without a full stop.
        hint: what to do about it; may be empty.
    """

    file: str
    line: int
    column: int
    key: str
    what: str
    hint: str = ""

    @property
    def where(self) -> str:
        """The place as editors understand it, followed by the key: `policy.yaml:12:5: policies[0].name`."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.key}" if self.key else place

    def __str__(self) -> str:
        """Return the problem as one line."""
        text = f"{self.where}: {self.what}; {self.hint}" if self.hint else f"{self.where}: {self.what}"
        return " ".join(text.split())


class FileErrors(InputError):  # noqa: N818 - it is all the errors of a file, not one
    """A file cannot be used; nothing of it was. Exit code 2.

    Args:
        problems: at least one; at most `MAX_PROBLEMS` are kept.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.items = tuple(problems)[:MAX_PROBLEMS]
        first = self.items[0]
        more = f" (and {len(self.items) - 1} more)" if len(self.items) > 1 else ""
        super().__init__(f"{first.what}{more}", where=first.where, hint=first.hint)


def key_text(path: Sequence[str | int]) -> str:
    """Return a key path as text: `policies[0].assign.names[2]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _PLAIN_KEY.fullmatch(part) and len(part) <= _SHOWN else shown(part)
            text += f".{name}" if text else name
    return text


def shown(value: object) -> str:
    """Return a value of the file for an error message: short, on one line, without invisible characters."""
    text = json.dumps(value, ensure_ascii=True, default=str) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}...{text[-1]}"
