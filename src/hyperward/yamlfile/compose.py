"""From YAML events to plain values and their positions, within limits and without recursion."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from hyperward.yamlfile.limits import Limits
from hyperward.yamlfile.positions import Positions
from hyperward.yamlfile.problems import MAX_PROBLEMS, FileErrors, KeyPath, Problem, key_text, shown
from hyperward.yamlfile.scalars import plain_scalar
from hyperward.yamlfile.source import HIDDEN

# The parser of libyaml: 100,000 VMs take 2 s instead of a minute.
_Loader = yaml.CSafeLoader
_ENTRY_DEPTH = 2


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    value: Any
    node: int
    part: str | int | None = None
    """The key or list position that the next node stands at."""
    next_is_key: bool = False
    keys: dict[str, int] = field(default_factory=dict)
    """Of a mapping: each key and its line."""


def compose(text: str, name: str, limits: Limits) -> tuple[Any, Positions]:
    """Return the one document in `text` as dicts, lists, str, int, bool and None, and where its nodes stand.

    Raises:
        FileErrors: the text is not one plain YAML document within the limits. Duplicate keys, tags, anchors and odd
            keys are collected; what makes the rest unreadable ends the search.
    """
    composer = _Composer(name, limits)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            composer.feed(event)
    except yaml.MarkedYAMLError as error:
        raise composer.syntax_error(error, text) from error
    except yaml.YAMLError as error:
        raise FileErrors([Problem(name, 0, 0, "", "is not YAML", shown(str(error)))]) from error
    if composer.problems:
        raise FileErrors(composer.problems)
    return composer.result, composer.positions


class _Composer:
    def __init__(self, name: str, limits: Limits) -> None:
        self.problems: list[Problem] = []
        self.positions = Positions()
        self.result: Any = None
        self._name = name
        self._limits = limits
        self._open: list[_Open] = []
        self._documents = 0

    def feed(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
            self._start(event)
        elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            self._end()
        elif kind is yaml.AliasEvent:
            self._node(event)
            self._stop(event, f"alias *{event.anchor} is not allowed", "write the value out")
        elif kind is yaml.DocumentStartEvent:
            self._document(event)

    def syntax_error(self, error: yaml.MarkedYAMLError, text: str) -> FileErrors:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        context = f" {error.context}" if error.context else ""
        what = f"not valid YAML: {error.problem or 'unreadable'}{context}"
        tab = mark is not None and text[mark.index : mark.index + 1] == "\t"
        hint = "indent with spaces, not tabs" if tab else "check indentation, quotes and brackets"
        return FileErrors([*self.problems, Problem(self._name, line, column, self._key(), what, hint)])

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop(event, "a second document starts here", "put one document into a file")
        if event.version or event.tags:
            self._stop(event, "directives (%YAML, %TAG) are not allowed", "remove the line")

    def _start(self, event: Any) -> None:
        if self._open and self._open[-1].next_is_key:
            self._stop(event, "a key must be one word or text", "write 'key: value'")
        if len(self._open) >= self._limits.max_depth:
            self._stop(
                event, f"more than {self._limits.max_depth} levels deep", "a value has too many brackets or indents"
            )
        mapping = type(event) is yaml.MappingStartEvent
        value: Any = {} if mapping else []
        node = self._node(event)
        self._decorations(event)
        self._place(value)
        self._open.append(_Open(value, node, None if mapping else -1, next_is_key=mapping))

    def _end(self) -> None:
        node = self._open.pop().node
        size = self.positions.close(node)
        # An entry of a list at the top: its list and the document are what is still open.
        if len(self._open) == _ENTRY_DEPTH and size > self._limits.max_entry_nodes:
            line, column = self.positions.at(node)
            what = f"more than {self._limits.max_entry_nodes} keys and values in one entry"
            raise FileErrors([*self.problems, Problem(self._name, line, column, self._key(), what, "make it smaller")])

    def _scalar(self, event: Any) -> None:
        top = self._open[-1] if self._open else None
        self._node(event)
        self._decorations(event)
        if event.style == '"' and HIDDEN.search(event.value):
            self._problem(event, "the quoted text stands for an invisible character", "remove the escape")
        if top is not None and top.next_is_key:
            self._key_scalar(top, event)
            return
        self._place(plain_scalar(event.value) if event.implicit[0] else event.value)

    def _key_scalar(self, top: _Open, event: Any) -> None:
        key = event.value
        top.part = key
        top.next_is_key = False
        if len(top.keys) >= self._limits.max_keys:
            self._stop(
                event, f"more than {self._limits.max_keys} keys in one mapping", "remove what does not belong here"
            )
        if key in top.keys:
            self._problem(event, "duplicate key", f"it is already set in line {top.keys[key]}")
        top.keys.setdefault(key, event.start_mark.line + 1)

    def _place(self, value: Any) -> None:
        if not self._open:
            self.result = value
            return
        top = self._open[-1]
        if isinstance(top.value, dict):
            top.value[top.part] = value
            top.next_is_key = True
        else:
            top.value.append(value)

    def _node(self, event: Any) -> int:
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.part, int):
            top.part += 1
        if len(self.positions) >= self._limits.max_nodes:
            self._stop(event, f"more than {self._limits.max_nodes} keys and values", "make the file smaller")
        return self.positions.add(event.start_mark.line, event.start_mark.column)

    def _decorations(self, event: Any) -> None:
        if event.anchor is not None:
            self._problem(event, f"anchor &{event.anchor} is not allowed", "write the value out where it is needed")
        if event.tag is not None:
            self._problem(event, f"tag {shown(event.tag)} is not allowed", "put text into quotes instead")

    def _problem(self, event: Any, what: str, hint: str) -> None:
        mark = event.start_mark
        self.problems.append(Problem(self._name, mark.line + 1, mark.column + 1, self._key(), what, hint))
        if len(self.problems) >= MAX_PROBLEMS:
            raise FileErrors(self.problems)

    def _stop(self, event: Any, what: str, hint: str) -> None:
        self._problem(event, what, hint)
        raise FileErrors(self.problems)

    def _key(self) -> str:
        path: KeyPath = tuple(frame.part for frame in self._open if frame.part is not None and frame.part != -1)
        return key_text(path)
