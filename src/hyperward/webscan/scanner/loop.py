"""The loop of a scanner process: frames from the device to the scanner, a sign of life each time round."""

import select
import time
from collections.abc import Callable
from typing import Final, Protocol

from hyperward.webscan.scanner.scanner import Scanner

BATCH: Final = 64
POLL_MS: Final = 20
"""The kernel takes a scanner for dead that gave no sign of life for some hundred milliseconds; 50 is promised."""
FOLLOW_SECONDS: Final = 0.25


class Slot(Protocol):
    """What a scanner and the kernel tell each other about its queue."""

    def alive(self, now_ns: int) -> None:
        """Say that packets are being handled; CLOCK_MONOTONIC."""

    def handed(self) -> int:
        """Return how many frames the kernel has put into the queue."""

    def took(self, count: int) -> None:
        """Say that so many more frames were taken out of the queue."""

    def emptied(self, handed: int) -> None:
        """Say that the queue was found empty after `handed` frames."""


class Device(Protocol):
    """Where frames come from."""

    fd: int

    def read(self) -> bytes | None:
        """Return the next frame; None where none waits."""


class Loop:
    """Runs until it is told to stop.

    Args:
        device: where frames come from.
        slot: of this scanner.
        scanner: what handles them.
        follow: looks for other settings; called a few times a second.
    """

    def __init__(self, device: Device, slot: Slot, scanner: Scanner, follow: Callable[[], None]) -> None:
        self._device = device
        self._slot = slot
        self._scanner = scanner
        self._follow = follow
        self._stopping = False

    def stop(self) -> None:
        """End after the frame at hand; may be called from a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Handle frames.

        Raises:
            OSError: the device is gone.
        """
        waiter = select.poll()
        waiter.register(self._device.fd, select.POLLIN)
        following = 0.0
        while not self._stopping:
            now = time.monotonic_ns()
            self._slot.alive(now)
            if now / 1e9 >= following:
                following = now / 1e9 + FOLLOW_SECONDS
                self._follow()
            self._scanner.tick()
            waiter.poll(POLL_MS)
            self._batch()

    def _batch(self) -> None:
        read, handle = self._device.read, self._scanner.frame
        handed = self._slot.handed()
        for count in range(BATCH):
            frame = read()
            if frame is None:
                self._slot.emptied(handed)
                return
            handle(frame)
            if count == BATCH - 1:
                self._slot.took(BATCH)
