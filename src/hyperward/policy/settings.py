"""Names of settings: dotted paths such as `intrusion_prevention.network_attacks.action`.

A block is a field whose type is a model: it is inherited field by field. Everything else is one setting, lists too: a
policy that sets a list replaces the inherited one.
"""

import difflib
from collections.abc import Iterable, Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def block_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that is a block, None for a setting."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def setting_paths(model: type[BaseModel], *, without: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the path of every setting in a model, in its order, less the fields `without` at its top."""
    left_out = frozenset(without)
    return tuple(path for path, is_block in _walk(model) if not is_block and path.partition(".")[0] not in left_out)


def check_setting(text: str, model: type[BaseModel], *, without: Iterable[str] = ()) -> str:
    """Return `text` when it is the path of a setting or block.

    Raises:
        ValueError: it is not; the hint names the nearest.
    """
    left_out = frozenset(without)
    known = [path for path, _ in _walk(model) if path.partition(".")[0] not in left_out]
    if text in known:
        return text
    near = difflib.get_close_matches(text[:128], known, n=1, cutoff=0.6)
    hint = f"did you mean '{near[0]}'?" if near else f"write a path such as {known[0]}"
    raise ValueError(f"not the path of a setting or block; {hint}")


def with_blocks(path: str) -> Iterator[str]:
    """Yield the path of a setting and of every block around it, the setting first."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def set_paths(model: BaseModel) -> Iterator[str]:
    """Yield the path of every setting that a model's file sets, in the order of the model."""
    for name, field in type(model).model_fields.items():
        if name not in model.model_fields_set:
            continue
        if block_of(field) is None:
            yield name
        else:
            yield from (f"{name}.{inner}" for inner in set_paths(getattr(model, name)))


def value_at(model: BaseModel, path: str) -> object:
    """Return the value of a setting."""
    value: object = model
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _walk(model: type[BaseModel]) -> Iterator[tuple[str, bool]]:
    for name, field in model.model_fields.items():
        block = block_of(field)
        yield name, block is not None
        if block is not None:
            yield from ((f"{name}.{inner}", is_block) for inner, is_block in _walk(block))
