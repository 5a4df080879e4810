"""What kernel and web scanners tell each other without a system call: the map `scanners`, through a memory map.

Each scanner has a slot of two cache lines, so that the kernel's writes do not slow down the scanner's. A word is
written and read whole, which the processor guarantees for eight aligned bytes.
"""

import mmap
import time
from typing import Protocol

from hyperward.steering.layout import MAX_SCANNERS, Scanner

_WORDS = Scanner.FORMAT.size // 8
_ALIVE, _TAKEN, _HANDED = 0, 1, 8


class Slot(Protocol):
    """What a scanner tells the kernel. `ScannerSlot` does it, `stub.StubSlot` is its twin for tests."""

    @property
    def handed(self) -> int:
        """Frames that the kernel has put into the queue so far."""

    def beat(self) -> None:
        """Say: alive, and handling packets or waiting for them."""

    def take(self, frames: int) -> None:
        """Say that so many more frames were taken out of the queue."""

    def caught_up(self, handed: int | None = None) -> None:
        """Say that the queue was found empty: whatever was handed before that has been taken or was lost."""

    def dead(self) -> None:
        """Let the failure action begin now."""


class ScannerSlot:
    """The slot of one scanner. Writes `taken` without a lock: one process writes a slot."""

    def __init__(self, words: memoryview, index: int) -> None:
        self._words = words
        self._at = index * _WORDS

    @property
    def alive_ns(self) -> int:
        """CLOCK_MONOTONIC of the last beat; 0: dead, or never alive."""
        return int(self._words[self._at + _ALIVE])

    @property
    def taken(self) -> int:
        """Frames taken out of the queue so far."""
        return int(self._words[self._at + _TAKEN])

    @property
    def handed(self) -> int:
        """Frames that the kernel has put into the queue so far, those included that were lost on the way into it."""
        return int(self._words[self._at + _HANDED])

    def beat(self) -> None:
        """Say: alive, and handling packets or waiting for them. At least every 50 ms, by the thread that does it."""
        self._words[self._at + _ALIVE] = time.monotonic_ns()

    def take(self, frames: int) -> None:
        """Say that so many more frames were taken out of the queue."""
        self._words[self._at + _TAKEN] = self.taken + frames

    def caught_up(self, handed: int | None = None) -> None:
        """Say that the queue was found empty: whatever was handed before that has been taken or was lost.

        Args:
            handed: the value from before the read that found nothing. Without it that of now: frames that came
                meanwhile are then counted twice, until the next time.
        """
        self._words[self._at + _TAKEN] = self.handed if handed is None else handed

    def dead(self) -> None:
        """Let the failure action begin now: the scanner ends, or is known to have ended."""
        self._words[self._at + _ALIVE] = 0


class ScannerSlots:
    """The slots of all scanners."""

    def __init__(self, fd: int) -> None:
        """Map the map `scanners` with this descriptor, which may be closed afterwards."""
        self._memory = mmap.mmap(fd, MAX_SCANNERS * Scanner.FORMAT.size)
        self._words = memoryview(self._memory).cast("Q")

    def slot(self, index: int) -> ScannerSlot:
        """Return the slot of scanner `index`, usable until `close`."""
        if not 0 <= index < MAX_SCANNERS:
            raise ValueError(f"scanner {index}: there are {MAX_SCANNERS} slots")
        return ScannerSlot(self._words, index)

    def close(self) -> None:
        """Give the memory back."""
        self._words.release()
        self._memory.close()
