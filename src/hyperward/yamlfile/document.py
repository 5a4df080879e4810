"""A parsed file: values, positions, and the way to a model."""

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hyperward.yamlfile.compose import compose
from hyperward.yamlfile.limits import Limits
from hyperward.yamlfile.positions import Positions
from hyperward.yamlfile.problems import MAX_PROBLEMS, FileErrors, KeyPath, Problem, key_text
from hyperward.yamlfile.source import refuse_hidden
from hyperward.yamlfile.translate import translate

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document that is well-formed and within limits.

    Args:
        name: the file's name for messages.
        data: dicts, lists, str, int, bool and None; the top is a dict.
        positions: where each node stands.
    """

    name: str
    data: dict[str, Any]
    positions: Positions

    def validate(self, model: type[ModelT]) -> ModelT:
        """Return the document as `model`.

        Raises:
            FileErrors: all that does not fit the model, in the order of the file.
        """
        try:
            # By way of JSON: only there pydantic's strict mode takes text for enumerations and lists for tuples.
            return model.model_validate_json(json.dumps(self.data), strict=True)
        except ValidationError as error:
            raise FileErrors(self._problems(error, model, ())) from None

    def validate_list(
        self, model: type[BaseModel], key: str, entry: type[ModelT], *, max_items: int
    ) -> tuple[ModelT, ...]:
        """Return the entries of a long list at the top of the document, each as `entry`.

        Unlike `validate`, this costs no more time and memory when every entry is wrong: it ends at `MAX_PROBLEMS`.

        Args:
            model: the whole document; its list at `key` may be empty.
            key: the key of the list.
            entry: an item of the list.
            max_items: how many items there may be.

        Raises:
            FileErrors: all that does not fit the models, in the order of the file.
        """
        items = self.data.get(key)
        if not isinstance(items, list):
            self.validate(model)
            return ()
        if len(items) > max_items:
            raise FileErrors([self.problem((key,), f"has {len(items)} items; at most {max_items} are allowed")])
        problems: list[Problem] = []
        try:
            model.model_validate_json(json.dumps({**self.data, key: []}), strict=True)
        except ValidationError as error:
            problems += self._problems(error, model, ())
        entries: list[ModelT] = []
        for index, item in enumerate(items):
            try:
                entries.append(entry.model_validate_json(json.dumps(item), strict=True))
            except ValidationError as error:
                problems += self._problems(error, entry, (key, index))
                if len(problems) >= MAX_PROBLEMS:
                    break
        if problems:
            raise FileErrors(sorted(problems))
        return tuple(entries)

    def _problems(self, error: ValidationError, model: type[BaseModel], at: KeyPath) -> list[Problem]:
        complaints = [translate(detail, model) for detail in error.errors(include_url=False)[:MAX_PROBLEMS]]
        return sorted(self.problem((*at, *c.path), c.what, hint=c.hint, at_key=c.at_key) for c in complaints)

    def problem(
        self, path: KeyPath, what: str, *, hint: str = "", see: KeyPath | None = None, at_key: bool = False
    ) -> Problem:
        """Return a problem at a place of this document.

        Args:
            path: the key path of what is wrong.
            what: what is wrong.
            hint: what to do about it.
            see: a second place that belongs to it; its key and line are appended to `what`.
            at_key: point to the last key of the path, not to its value.
        """
        line, column = self.positions.find(path, self.data, key=at_key)
        if see is not None:
            other = self.positions.find(see, self.data)[0]
            what = f"{what} {key_text(see)} (line {other})"
        return Problem(self.name, line, column, key_text(path), what, hint)


def parse(text: str, name: str, limits: Limits) -> Document:
    """Return the one document in `text`.

    Args:
        text: the file's content.
        name: the file's name for messages.
        limits: what is too large; `max_bytes` counts the text as UTF-8.

    Raises:
        FileErrors: the text is too large, has invisible characters, is not one plain YAML document or not a mapping.
    """
    # A character has at most four bytes: only then is encoding worth the time.
    if len(text) * 4 > limits.max_bytes and len(text.encode("utf-8", "surrogatepass")) > limits.max_bytes:
        raise FileErrors([Problem(name, 0, 0, "", f"is larger than {limits.max_bytes} bytes", "make it smaller")])
    refuse_hidden(text, name)
    data, positions = compose(text, name, limits)
    if not isinstance(data, dict):
        what = "is empty" if data is None else "must start with a key, such as 'policies:' or 'vms:'"
        raise FileErrors([Problem(name, 1, 1, "", what, "see the examples folder")])
    return Document(name, data, positions)
