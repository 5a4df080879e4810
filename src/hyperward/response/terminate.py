"""Terminate a detected connection: reset both ends, again a little later in case they had moved on meanwhile."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import structlog

from hyperward.response.inject import Injector
from hyperward.response.reset import reset_frames
from hyperward.steering.layout import Flow, FlowKey
from hyperward.steering.maps import Table

AGAIN_SECONDS = (0.1, 0.4)
"""An end that had data on its way expects another number than it last said; what it says then is used here."""
_TCP = 6

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP connection of a VM, from the VM's view.

    Args:
        port_id: the port.
        vid: a VLAN id of the port on the inspection pairs.
        local: the VM's address.
        local_port: the VM's TCP port.
        remote: the other end's address.
        remote_port: the other end's TCP port.
        vlan: the guest's own VLAN id, 0 without one.
    """

    port_id: int
    vid: int
    local: IPv4Address | IPv6Address
    local_port: int
    remote: IPv4Address | IPv6Address
    remote_port: int
    vlan: int = 0

    def key(self) -> FlowKey:
        """Return the key under which steering knows it."""
        return FlowKey(
            mapped(self.local),
            mapped(self.remote),
            self.port_id,
            self.local_port.to_bytes(2, "big"),
            self.remote_port.to_bytes(2, "big"),
            self.vlan,
            _TCP,
        )


class Terminator:
    """Resets connections. Must be used inside a running event loop.

    Args:
        flows: what steering knows of connections.
        injector: how frames get onto the pairs.
    """

    def __init__(self, flows: Table[FlowKey, Flow], injector: Injector) -> None:
        self._flows = flows
        self._injector = injector
        self._pending: set[asyncio.TimerHandle] = set()

    def terminate(self, connection: Connection) -> bool:
        """Reset both ends now and twice again; False when steering does not know the connection."""
        known = self._reset(connection)
        if known:
            loop = asyncio.get_running_loop()
            for seconds in AGAIN_SECONDS:
                self._later(loop, seconds, lambda: self._reset(connection))
        return known

    def close(self) -> None:
        """Forget what was to be done later."""
        for handle in self._pending:
            handle.cancel()
        self._pending.clear()

    def _later(self, loop: asyncio.AbstractEventLoop, seconds: float, action: Callable[[], object]) -> None:
        def run() -> None:
            self._pending.discard(handle)
            action()

        handle = loop.call_later(seconds, run)
        self._pending.add(handle)

    def _reset(self, connection: Connection) -> bool:
        key = connection.key()
        flow = self._flows.get(key)
        if flow is None:
            log.info("nothing_to_reset", port=connection.port_id, remote=str(connection.remote))
            return False
        resets = reset_frames(key, flow, connection.vid)
        if resets.to_vm:
            self._injector.to_vm(resets.to_vm)
        if resets.to_peer:
            self._injector.to_network(resets.to_peer)
        return True


def mapped(address: IPv4Address | IPv6Address) -> bytes:
    """Return an address as steering keeps it: 16 bytes, IPv4 mapped into IPv6."""
    return address.packed if isinstance(address, IPv6Address) else b"\0" * 10 + b"\xff\xff" + address.packed
