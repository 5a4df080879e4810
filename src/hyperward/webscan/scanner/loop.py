"""The loop of a scanner process: frames from the device to the scanner, a sign of life each time round."""

import gc
import select
import time
from collections.abc import Callable
from typing import Final, Protocol

from hyperward.steering.slots import Slot
from hyperward.webscan.scanner.scanner import Scanner

BATCH: Final = 64
POLL_MS: Final = 20
"""The kernel takes a scanner for dead that gave no sign of life for some hundred milliseconds; 50 is promised."""
FOLLOW_SECONDS: Final = 0.25
COLLECT_SECONDS: Final = 10.0


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
        # Flows hold no cycles, so that counting references frees them; looking for cycles among all of them would keep
        # packets waiting for a tenth of a second. What little there is of other cycles is looked for while idle.
        gc.collect()
        gc.freeze()
        gc.disable()
        collected = 0.0
        waiter = select.poll()
        waiter.register(self._device.fd, select.POLLIN)
        following = 0.0
        while not self._stopping:
            self._slot.beat()
            now = time.monotonic()
            if now >= following:
                following = now + FOLLOW_SECONDS
                self._follow()
            self._scanner.tick()
            if not waiter.poll(POLL_MS) and now - collected > COLLECT_SECONDS:
                collected = now
                gc.collect(1)
            self._batch()
        self._slot.dead()
        gc.enable()

    def _batch(self) -> None:
        read, handle = self._device.read, self._scanner.frame
        handed = self._slot.handed
        for _ in range(BATCH):
            frame = read()
            if frame is None:
                self._slot.caught_up(handed)
                return
            handle(frame)
        self._slot.take(BATCH)
