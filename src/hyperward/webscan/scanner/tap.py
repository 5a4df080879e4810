"""The TAP device through which the kernel hands frames to a scanner, and gets them back."""

import os

from hyperward.steering.taps import MAX_FRAME, open_tap


class Tap:
    """The device of a scanner, opened without blocking.

    Args:
        index: of the scanner.

    Raises:
        SystemFault: the device is not there, or another process has it open.
    """

    def __init__(self, index: int) -> None:
        self.fd = open_tap(index)

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
