"""Where an inventory comes from."""

from typing import Protocol

from hyperward.inventory.models import Inventory


class InventoryDriver(Protocol):
    """A source of VMs and ports."""

    def load(self) -> Inventory:
        """Return what is there now.

        Raises:
            InputError: the source was configured wrongly or says something impossible.
            SystemFault: the source does not answer.
        """


class StubInventory:
    """A driver for tests: reports what it was given last.

    Args:
        inventory: what `load` returns; assign another one to change it.
    """

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory

    def load(self) -> Inventory:
        """Return the inventory it was given."""
        return self.inventory
