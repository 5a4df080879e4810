"""Put frames onto the inspection pairs, as if the engine had forwarded them."""

import socket
from typing import Protocol, Self

from hyperward.errors import SystemFault


class Injector(Protocol):
    """Sends finished frames that carry a port's tag. `StubInjector` is its twin for tests."""

    def to_vm(self, frame: bytes) -> None:
        """Send towards the VM that owns the frame's tag."""

    def to_network(self, frame: bytes) -> None:
        """Send out of the VM that owns the frame's tag, into its network."""


class PairInjector:
    """Sends on the engine's ends of the pairs; the steering program brings the frames home."""

    def __init__(self, guest_end: str = "hwg1", network_end: str = "hwn1") -> None:
        self._guest = _packet_socket(guest_end)
        try:
            self._network = _packet_socket(network_end)
        except SystemFault:
            self._guest.close()
            raise

    def to_vm(self, frame: bytes) -> None:
        """Send towards the VM; a full queue loses the frame, as a wire would."""
        _send(self._guest, frame)

    def to_network(self, frame: bytes) -> None:
        """Send into the VM's network; a full queue loses the frame, as a wire would."""
        _send(self._network, frame)

    def close(self) -> None:
        """Close the sockets."""
        self._guest.close()
        self._network.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StubInjector:
    """Keeps the frames it was given."""

    def __init__(self) -> None:
        self.vm: list[bytes] = []
        self.network: list[bytes] = []

    def to_vm(self, frame: bytes) -> None:
        """Keep the frame."""
        self.vm.append(frame)

    def to_network(self, frame: bytes) -> None:
        """Keep the frame."""
        self.network.append(frame)


def _packet_socket(interface: str) -> socket.socket:
    # protocol 0: send only, nothing is ever delivered to this socket
    channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        channel.settimeout(0)
        channel.bind((interface, 0))
    except OSError as error:
        channel.close()
        raise SystemFault(f"cannot send: {error.strerror}", where=f"interface {interface}") from error
    return channel


def _send(channel: socket.socket, frame: bytes) -> None:
    try:
        channel.send(frame)
    except OSError:
        return
