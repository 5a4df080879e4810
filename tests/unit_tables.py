"""A kernel map as a dictionary, for tests without a kernel."""

from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class DictTable(Generic[K, V]):
    """Twin of `BpfMap`."""

    def __init__(self) -> None:
        self._entries: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        return self._entries.get(key)

    def set(self, key: K, value: V) -> None:
        self._entries[key] = value

    def delete(self, key: K) -> bool:
        return self._entries.pop(key, None) is not None

    def items(self) -> Iterator[tuple[K, V]]:
        return iter(list(self._entries.items()))
