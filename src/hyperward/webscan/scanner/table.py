"""All flows of a scanner, in bounded memory, so that no port can use up what is there for all. Pure.

A flow that has nothing undecided can be forgotten at any time: its next packet is the start of a request, and it is
known to be in order by what the other end has acknowledged. Flows that wait for the rest of something are kept longer,
and give up what they hold by the failure action when there are too many of them.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from hyperward.webscan.scanner.copyflow import CopyFlow
from hyperward.webscan.scanner.tcpflow import TcpFlow
from hyperward.webscan.scanner.udpflow import QuicFlow

Flow = TcpFlow | CopyFlow | QuicFlow


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a table.

    Args:
        flows: of all ports.
        port_flows: of one port.
        bytes: held and kept, of all ports.
        port_bytes: of one port.
        idle_seconds: after which a flow is forgotten that has nothing undecided.
        waiting_seconds: after which any other is, or one whose parser knows what cannot be learned again.
    """

    flows: int = 65_536
    port_flows: int = 16_384
    bytes: int = 64 << 20
    port_bytes: int = 16 << 20
    idle_seconds: float = 60.0
    waiting_seconds: float = 300.0


class PortFlows:
    """The flows of one port, those that wait apart from the others, each in the order of their last packets."""

    __slots__ = ("bytes", "idle", "waiting")

    def __init__(self) -> None:
        self.idle: OrderedDict[bytes, Flow] = OrderedDict()
        self.waiting: OrderedDict[bytes, Flow] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        """Return how many flows there are."""
        return len(self.idle) + len(self.waiting)

    def get(self, key: bytes) -> Flow | None:
        """Return a flow."""
        return self.idle.get(key) or self.waiting.get(key)


class FlowTable:
    """Flows by port and key."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._ports: dict[int, PortFlows] = {}
        self._count = 0
        self.bytes = 0

    def __len__(self) -> int:
        """Return how many flows there are."""
        return self._count

    def get(self, port: int, key: bytes) -> Flow | None:
        """Return a flow, None where it is not known."""
        flows = self._ports.get(port)
        return None if flows is None else flows.get(key)

    def touch(self, port: int, flow: Flow, now: float) -> list[tuple[int, Flow]]:
        """Put a flow where it belongs after a packet; return flows that had to make room.

        Args:
            port: port id.
            flow: also one that is not in the table yet.
            now: seconds, of any clock that only goes forward.
        """
        flows = self._ports.get(port)
        if flows is None:
            flows = self._ports[port] = PortFlows()
        flow.seen = now
        key = flow.key
        here, there = flows.idle, flows.waiting
        if flow.waiting or flow.stateful:
            here, there = there, here
        if key in here:
            here.move_to_end(key)
        else:
            if there.pop(key, None) is None:
                self._count += 1
            here[key] = flow
        grown = flow.size - flow.counted
        flow.counted = flow.size
        flows.bytes += grown
        self.bytes += grown
        limits = self.limits
        if (
            self._count <= limits.flows
            and self.bytes <= limits.bytes
            and flows.bytes <= limits.port_bytes
            and len(here) + len(there) <= limits.port_flows
        ):
            return []
        return list(self._make_room(port, flows))

    def forget(self, port: int, key: bytes) -> Flow | None:
        """Take a flow out."""
        flows = self._ports.get(port)
        if flows is None:
            return None
        flow = flows.idle.pop(key, None) or flows.waiting.pop(key, None)
        if flow is not None:
            self._left(port, flows, flow)
        return flow

    def expire(self, now: float) -> None:
        """Forget flows that were quiet for too long; a sender that lives would have sent again what they hold."""
        for port, flows in list(self._ports.items()):
            for kind, seconds in ((flows.idle, self.limits.idle_seconds), (flows.waiting, self.limits.waiting_seconds)):
                while kind:
                    key, flow = next(iter(kind.items()))
                    if now - flow.seen < seconds:
                        break
                    del kind[key]
                    self._left(port, flows, flow)

    def _make_room(self, port: int, flows: PortFlows) -> Iterator[tuple[int, Flow]]:
        limits = self.limits
        while flows.bytes > limits.port_bytes or len(flows) > limits.port_flows:
            yield port, self._oldest(port, flows)
        while self._count > limits.flows or self.bytes > limits.bytes:
            by_bytes = self.bytes > limits.bytes
            busiest = max(self._ports, key=lambda one: self._ports[one].bytes if by_bytes else len(self._ports[one]))
            yield busiest, self._oldest(busiest, self._ports[busiest])

    def _oldest(self, port: int, flows: PortFlows) -> Flow:
        kind = flows.idle or flows.waiting
        _, flow = kind.popitem(last=False)
        self._left(port, flows, flow)
        return flow

    def _left(self, port: int, flows: PortFlows, flow: Flow) -> None:
        self._count -= 1
        self.bytes -= flow.counted
        flows.bytes -= flow.counted
        if not flows.idle and not flows.waiting:
            self._ports.pop(port, None)
