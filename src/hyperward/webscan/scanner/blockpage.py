"""The page that a browser gets instead of a blocked address. Pure."""

import html
import re
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Final

from hyperward.errors import InputError

MAX_TEMPLATE: Final = 65_536
"""Bytes of a template: a page is sent by us, without the flow control of a real server."""
_LONGEST_VALUE: Final = 1_000
_PLACEHOLDER: Final = re.compile(r"\{\{(.*?)(\}\}|\Z|(?=\{\{))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PageValues:
    """What a page may show; the names are those of the placeholders.

    Args:
        address: that was asked for.
        category: of the entry that lists it.
        vm: name of the VM.
        policy: that it follows.
        time: with the time zone.
        event: id of the event.
        contact: line of the operator; empty for none.
        svm: name of the node.
    """

    address: str
    category: str
    vm: str
    policy: str
    time: str
    event: str
    contact: str
    svm: str


NAMES: Final = tuple(field.name for field in fields(PageValues))


class TemplateError(InputError):
    """A template of a block page cannot be used; `where` is line and column."""


@dataclass(frozen=True, slots=True)
class Page:
    """A checked template: text and names of values, by turns, beginning with text."""

    parts: tuple[str, ...]

    def render(self, values: PageValues) -> bytes:
        """Return the page with its values escaped and cut at 1,000 characters."""
        pieces = [
            html.escape(_short(getattr(values, part))) if index % 2 else part for index, part in enumerate(self.parts)
        ]
        return "".join(pieces).encode("utf-8", "replace")


def parse_template(text: str) -> Page:
    """Check a template with placeholders such as `{{address}}`.

    Raises:
        TemplateError: a placeholder is not known or not closed, or the text is too long.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_TEMPLATE:
        raise TemplateError(
            f"the template has {size} bytes, more than {MAX_TEMPLATE}", where="block_page", hint="leave out pictures"
        )
    parts: list[str] = []
    position = 0
    for found in _PLACEHOLDER.finditer(text):
        name = found[1].strip()
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        where = f"block_page, line {line}, column {column}"
        if found[2] != "}}":
            raise TemplateError("the placeholder is not closed", where=where, hint="write }} after its name")
        if name not in NAMES:
            raise TemplateError(
                f"no such placeholder: {name[:40]!r}", where=where, hint=f"there are {', '.join(NAMES)}"
            )
        parts += [text[position : found.start()], name]
        position = found.end()
    return Page((*parts, text[position:]))


@cache
def built_in() -> Page:
    """Return the page that ships with the package."""
    file = resources.files("hyperward.webscan.scanner") / "blockpage.html"
    return parse_template(file.read_text("utf-8"))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
