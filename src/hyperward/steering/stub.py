"""Twins of the kernel's port table and of a scanner's slot for tests: same behaviour, no kernel."""

from collections.abc import Sequence

from hyperward.steering.layout import Counters, Direction, Heartbeat
from hyperward.steering.limits import DEFAULT_LIMITS, WebLimits
from hyperward.steering.ports import PortSettings


class StubPorts:
    """Keeps what it is told. `calls` records the order; `fail_on` names interface indexes whose `put` fails."""

    def __init__(self) -> None:
        self.ports: dict[int, PortSettings] = {}
        self.calls: list[tuple[str, int]] = []
        self.fail_on: dict[int, Exception] = {}
        self.heartbeats = dict.fromkeys(Direction, Heartbeat())
        self.is_open = False
        self.scanner_devices: tuple[int, ...] = ()
        self.web_limits = DEFAULT_LIMITS

    def put(self, ifindex: int, settings: PortSettings) -> None:
        """Register or change the port, or fail as told."""
        self.calls.append(("put", ifindex))
        if ifindex in self.fail_on:
            raise self.fail_on[ifindex]
        self.ports[ifindex] = settings

    def remove(self, ifindex: int) -> None:
        """Forget the port."""
        self.calls.append(("remove", ifindex))
        self.ports.pop(ifindex, None)

    def registered(self) -> dict[int, PortSettings]:
        """Return what is registered."""
        return dict(self.ports)

    def is_attached(self, ifindex: int) -> bool:
        """Tell whether the port is registered."""
        return ifindex in self.ports

    def counters(self, port_id: int) -> Counters:
        """Return counters that have counted nothing."""
        del port_id
        return Counters.zero()

    def heartbeat(self, direction: Direction) -> Heartbeat:
        """Return the heartbeat that the test has set."""
        return self.heartbeats[direction]

    def engine_gone(self) -> None:
        """Clear the heartbeats."""
        self.calls.append(("engine_gone", 0))
        self.heartbeats = dict.fromkeys(Direction, Heartbeat())

    def gate(self, *, is_open: bool) -> None:
        """Remember whether the gate is open."""
        self.is_open = is_open

    def web(self, devices: Sequence[int], limits: WebLimits = DEFAULT_LIMITS) -> None:
        """Remember where the web scanners are."""
        self.scanner_devices = tuple(devices)
        self.web_limits = limits


class StubSlot:
    """A scanner's slot. `handed` is set by the test, `beats` counts."""

    def __init__(self) -> None:
        self.handed = 0
        self.taken = 0
        self.beats = 0
        self.is_alive = False

    def beat(self) -> None:
        """Count the beat."""
        self.beats += 1
        self.is_alive = True

    def take(self, frames: int) -> None:
        """Add the frames."""
        self.taken += frames

    def caught_up(self, handed: int | None = None) -> None:
        """Take what was handed as taken."""
        self.taken = self.handed if handed is None else handed

    def dead(self) -> None:
        """Remember the end."""
        self.is_alive = False
