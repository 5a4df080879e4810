"""The TAP device through which the kernel hands frames to a scanner, and gets them back."""

import os
import time
from typing import Final

from hyperward.steering.taps import MAX_FRAME, DeviceBusy, open_tap

TAKE_OVER: Final = 20.0
"""Seconds that a scanner waits for the one whose place it takes: the daemon ends that one when this one is ready."""
_PAUSE: Final = 0.001


class Tap:
    """The device of a scanner, opened without blocking.

    Args:
        index: of the scanner.
        patience: seconds to wait while another process has it open.

    Raises:
        SystemFault: the device is not there, or another process keeps it open.
    """

    def __init__(self, index: int, *, patience: float = TAKE_OVER) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                self.fd = open_tap(index)
            except DeviceBusy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
            else:
                return

    def read(self) -> bytes | None:
        """Return the next frame; None where none waits.

        Raises:
            OSError: the device is gone.
        """
        try:
            return os.read(self.fd, MAX_FRAME)
        except BlockingIOError:
            return None

    def write(self, frame: bytes) -> bool:
        """Send a frame; False where the kernel did not take it."""
        try:
            os.write(self.fd, frame)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the device; it stays, for it is persistent."""
        os.close(self.fd)
