"""Where each key and value of a document stands.

Three flat arrays instead of a tree: an inventory has millions of nodes, and nearly none is ever looked up. Nodes are
numbered in document order: a mapping is followed by key, value, key, value and so on, a list by its items.
"""

from array import array
from typing import Any

from hyperward.yamlfile.problems import KeyPath


class Positions:
    """Line and column of every node, in document order, filled while the document is composed."""

    __slots__ = ("_columns", "_lines", "_sizes")

    def __init__(self) -> None:
        self._lines = array("I")
        self._columns = array("I")
        self._sizes = array("I")

    def __len__(self) -> int:
        """Return how many nodes there are."""
        return len(self._lines)

    def add(self, line: int, column: int) -> int:
        """Append a node that stands at this line and column, both from 0, and return its number."""
        self._lines.append(line)
        self._columns.append(column)
        self._sizes.append(1)
        return len(self._lines) - 1

    def close(self, node: int) -> int:
        """Declare that all added since `node` belongs to it, and return how many nodes these are, with `node`."""
        size = len(self._lines) - node
        self._sizes[node] = size
        return size

    def find(self, path: KeyPath, data: Any, *, key: bool = False) -> tuple[int, int]:
        """Return line and column, from 1, of the value at `path`.

        Args:
            path: where to look; when it leads nowhere, the deepest node on the way counts.
            data: the composed document that these positions belong to.
            key: give the place of the last key instead of its value.
        """
        node, key_node = 0, 0
        for part in path:
            if isinstance(data, dict) and part in data:
                key_node = node + 1
                for name in data:
                    if name == part:
                        break
                    key_node += 1 + self._sizes[key_node + 1]
                node, data = key_node + 1, data[part]
            elif isinstance(data, list) and isinstance(part, int) and part < len(data):
                node += 1
                for _ in range(part):
                    node += self._sizes[node]
                key_node, data = node, data[part]
            else:
                break
        place = key_node if key else node
        return self.at(place)

    def at(self, node: int) -> tuple[int, int]:
        """Return line and column, from 1, of a node by its number."""
        return self._lines[node] + 1, self._columns[node] + 1
