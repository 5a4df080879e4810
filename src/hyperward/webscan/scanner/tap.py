"""The TAP device through which the kernel hands frames to a scanner, and gets them back."""

import errno
import fcntl
import os
import struct
from typing import Final

from hyperward.errors import SystemFault

_TUNSETIFF: Final = 0x400454CA
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_IFREQ: Final = struct.Struct("16sH22x")
_LONGEST: Final = 65_535 + 64


class Tap:
    """An existing TAP device, opened without blocking.

    Args:
        name: of the device.

    Raises:
        SystemFault: it is not there, or somebody else has it open.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(self.fd, _TUNSETIFF, _IFREQ.pack(name.encode("ascii"), _IFF_TAP | _IFF_NO_PI))
        except OSError as error:
            os.close(self.fd)
            hint = "another scanner is still running" if error.errno == errno.EBUSY else "is the SVM daemon running?"
            raise SystemFault(f"cannot be opened: {error.strerror}", where=f"interface {name}", hint=hint) from None

    def read(self) -> bytes | None:
        """Return the next frame; None where none waits.

        Raises:
            OSError: the device is gone.
        """
        try:
            return os.read(self.fd, _LONGEST)
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
