"""Frames that the steering program turns into probes: sent by the daemon when no traffic carries any."""

import socket
from contextlib import suppress
from typing import Self

from hyperward.steering.layout import MARK_MAGIC, MARK_PROBE

PROBE_MARK = MARK_MAGIC | MARK_PROBE
_FRAME = b"\xff" * 6 + bytes.fromhex("020000000001") + b"\x88\xb5" + bytes(46)


class Prober:
    """Sends one probe into each pair when asked. Create it in the SVM's network namespace."""

    def __init__(self, interfaces: tuple[str, ...] = ("hwg0", "hwn0")) -> None:
        self._sockets = []
        for name in interfaces:
            channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            channel.settimeout(0)
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, PROBE_MARK)
            channel.bind((name, 0))
            self._sockets.append(channel)

    def probe(self) -> None:
        """Send; a full queue is an answer by itself, since nothing will come back."""
        for channel in self._sockets:
            with suppress(OSError):
                channel.send(_FRAME)

    def close(self) -> None:
        """Close the sockets."""
        for channel in self._sockets:
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
