"""What the supervisor needs of the kernel's map of scanners."""

from typing import Protocol

from hyperward.steering.slots import ScannerSlots


class Slots(Protocol):
    """The scanners' heartbeats, by index; times are nanoseconds of CLOCK_MONOTONIC."""

    def alive_ns(self, index: int) -> int:
        """Return when the scanner handled packets or waited for them last; 0 when it is known to be dead."""

    def dead(self, index: int) -> None:
        """Let the failure action begin now: the scanner is known to be gone, nobody needs to wait for its silence."""


class MappedSlots:
    """The heartbeats in the kernel's map."""

    def __init__(self, slots: ScannerSlots) -> None:
        self._slots = slots

    def alive_ns(self, index: int) -> int:
        """Return when the scanner handled packets or waited for them last."""
        return self._slots.slot(index).alive_ns

    def dead(self, index: int) -> None:
        """Let the failure action begin now."""
        self._slots.slot(index).dead()


class StubSlots:
    """Twin for tests: heartbeats are what the test says."""

    def __init__(self) -> None:
        self.alive: dict[int, int] = {}
        self.died: list[int] = []

    def alive_ns(self, index: int) -> int:
        """Return what the test says."""
        return self.alive.get(index, 0)

    def dead(self, index: int) -> None:
        """Remember it."""
        self.died.append(index)
        self.alive[index] = 0
