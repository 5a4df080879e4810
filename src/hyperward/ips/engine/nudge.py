"""Frames that wake the engine's packet threads.

A change of tenants is over when every packet thread has run one packet with it. A thread that sees no packet within one
millisecond costs the command a pause of 250 ms, in which a VLAN id being moved stays without inspection. So while such
a command runs, both inspection pairs get a harmless frame every half millisecond.
"""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final, Protocol

import structlog

PROBE_ETHERTYPE: Final = 0x88B5
"""IEEE 802 local experimental ethertype 1."""
PROBE_VID: Final = 4094
INTERVAL: Final = 0.0005
"""Seconds between two frames on one interface."""
BURST: Final = 1.0
"""Seconds after which the command must be one that loads many rules."""
SLOW: Final = 0.01
"""Seconds between two frames from then on: such a command holds no VLAN id without inspection and needs the cores."""
LOCAL_MAC: Final = bytes.fromhex("020000000001")

log = structlog.get_logger(__name__)


class Nudge(Protocol):
    """Something that keeps packets coming to every packet thread."""

    def active(self) -> AbstractContextManager[None]:
        """Return a context in which packets come."""


class NoNudge:
    """For an engine without packets: commands take their 250 ms."""

    @contextmanager
    def active(self) -> Iterator[None]:
        """Do nothing."""
        yield


class FrameNudge:
    """Sends probe frames from the outer ends of the inspection pairs.

    Contexts may be nested: the outermost opens and closes. Closing a packet socket waits for the kernel, 10 ms and
    more, so whoever has many commands opens one context around all of them.

    The engine forwards them like any frame, so what stands at the outer ends has to drop ethertype 0x88B5.

    Args:
        interfaces: the outer ends, in the network namespace of the calling thread.
        interval: seconds between two frames on one interface.
        mark: socket mark of the frames, where what stands at the outer ends asks for one.
    """

    def __init__(self, interfaces: Sequence[str], *, interval: float = INTERVAL, mark: int = 0) -> None:
        self._interfaces = tuple(interfaces)
        self._interval = interval
        self._mark = mark
        self._depth = 0
        self._begun = 0.0

    @contextmanager
    def active(self) -> Iterator[None]:
        """Send while the context is open. An interface that cannot be used is left out and logged."""
        self._depth += 1
        self._begun = time.monotonic()  # each command has a burst of its own
        try:
            if self._depth > 1:
                yield
            else:
                with self._sending():
                    yield
        finally:
            self._depth -= 1

    @contextmanager
    def _sending(self) -> Iterator[None]:
        with ExitStack() as stack:
            sockets = []
            for name in self._interfaces:
                try:
                    sockets.append(stack.enter_context(_sender(name, self._mark)))
                except OSError as exc:
                    log.warning("no probe frames", interface=name, reason=str(exc))
            done = threading.Event()
            thread = threading.Thread(target=self._send, args=(sockets, done), name="engine-nudge", daemon=True)
            thread.start()
            try:
                yield
            finally:
                done.set()
                thread.join()

    def _send(self, sockets: list[socket.socket], done: threading.Event) -> None:
        frame = probe_frame()
        while not done.wait(self._interval if time.monotonic() - self._begun < BURST else SLOW):
            for sender in sockets:
                try:
                    sender.send(frame)
                except OSError:
                    continue  # a full queue means that packets come anyway


def probe_frame() -> bytes:
    """Return a tagged frame without IP that every engine forwards and no VM is ever sent."""
    tag = (0x8100).to_bytes(2, "big") + PROBE_VID.to_bytes(2, "big")
    return b"\xff" * 6 + LOCAL_MAC + tag + PROBE_ETHERTYPE.to_bytes(2, "big") + bytes(46)


def _sender(interface: str, mark: int) -> socket.socket:
    # Protocol 0: the socket sends and never receives.
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        if mark:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        sender.bind((interface, 0))
        sender.setblocking(False)  # noqa: FBT003 - the signature of the standard library
    except OSError:
        sender.close()
        raise
    return sender
