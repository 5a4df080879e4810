"""The inventory driver that reads a file."""

from pathlib import Path

from hyperward.inventory.file import LIMITS, parse_inventory
from hyperward.inventory.models import Inventory
from hyperward.yamlfile import read_text


class StaticInventory:
    """VMs and ports from a YAML file.

    Args:
        path: the file; read anew at every `load`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Inventory:
        """Return what the file says now.

        Raises:
            FileErrors: it cannot be read, or all that is wrong in it.
        """
        return parse_inventory(read_text(self._path, max_bytes=LIMITS.max_bytes), str(self._path))
