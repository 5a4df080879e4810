"""Pydantic's complaints in words for people."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hyperward.yamlfile.problems import KeyPath, shown


@dataclass(frozen=True, slots=True)
class Complaint:
    """What does not fit the model, at which key path; `at_key` when the key itself is wrong, not its value."""

    path: KeyPath
    what: str
    hint: str = ""
    at_key: bool = False


_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
}
_HINTS = {
    "text": "put it in quotes",
    "true or false": "write true or false without quotes",
    "a whole number": "write digits without quotes",
    "a list": "write [a, b], or one '- ' line for each",
}


def translate(error: ErrorDetails, model: type[BaseModel]) -> Complaint:
    """Return a validation error of `model` as a complaint."""
    path: KeyPath = tuple(error["loc"])
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return Complaint(path, "unknown key", _suggest(str(path[-1]), known_keys(model, path[:-1])), at_key=True)
    if kind == "missing":
        return Complaint(path, "this key is required", "add it")
    if kind in _TYPES:
        wanted = _TYPES[kind]
        hint = _HINTS.get(wanted, "") if isinstance(given, str | int | bool) else ""
        return Complaint(path, f"expected {wanted}, got {_describe(given)}", hint)
    if kind in ("enum", "literal_error"):
        wanted = str(context.get("expected", "")).replace("'", "")
        return Complaint(path, f"expected {wanted}, got {_describe(given)}", _close(str(given), _choices(wanted)))
    if kind == "value_error":
        what, _, hint = str(context["error"]).partition("; ")
        return Complaint(path, what, hint)
    return Complaint(path, _bound(kind, context, given) or error["msg"].lower())


def known_keys(model: type[BaseModel], path: KeyPath) -> tuple[str, ...]:
    """Return the keys that may stand in the mapping at `path` of a file of `model`; empty when there is none."""
    current: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, int) or current is None:
            continue
        field = next((f for name, f in current.model_fields.items() if part in (name, f.alias)), None)
        current = _model_in(field.annotation) if field else None
    return tuple(field.alias or name for name, field in current.model_fields.items()) if current else ()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)


def _bound(kind: str, context: Mapping[str, Any], given: Any) -> str:
    if kind == "greater_than_equal":
        return f"must be {context['ge']} or more, got {shown(given)}"
    if kind == "less_than_equal":
        return f"must be {context['le']} or less, got {shown(given)}"
    if kind == "too_long":
        return f"has more than {context['max_length']} items"
    return ""


def _suggest(word: str, known: tuple[str, ...]) -> str:
    return _close(word, known) or (f"known keys here: {', '.join(known)}" if known else "remove it")


def _close(word: str, choices: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word[:64], choices, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else ""


def _choices(expected: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in expected.replace(" or ", ",").split(","))


def _describe(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"the number {shown(value)}" if isinstance(value, int) else f"the text {shown(value)}"
