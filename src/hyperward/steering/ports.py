"""Register ports with the kernel: attach the program to an interface and tell it what to do with the packets.

The order of writes is such that a packet always finds a complete entry: who owns a VLAN id before a port uses it, the
port before the filter, and the reverse when a port leaves. An old VLAN id keeps its owner until it is given to somebody
else, so packets that are still with the engine come home.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hyperward.steering import attach as tc
from hyperward.steering.attach import Hook
from hyperward.steering.layout import (
    LAYOUT_VERSION,
    MAX_SCANNERS,
    Counters,
    Direction,
    Heartbeat,
    Mode,
    Port,
    PortFlag,
    Settings,
    VidOwner,
    Web,
)
from hyperward.steering.limits import DEFAULT_LIMITS, WebLimits
from hyperward.steering.pairs import Pairs
from hyperward.steering.program import Program


@dataclass(frozen=True, slots=True)
class PortSettings:
    """What the kernel shall do with the packets of one port.

    Args:
        port_id: 1 to 2047.
        vid: VLAN id under which its packets go to the engine; decides the rule set. 0 for none: no packet goes there.
        mode: pass, standard or monitoring.
        closed_down: drop instead of pass while the engine is down.
        closed_busy: drop instead of pass while the engine cannot keep up.
        segment: number of the broadcast domain, for source blocks.
        observe_vid: VLAN id of packets that an exclusion says `do_not_block` of; 0 for none.
        exclusion_set: number of its set of exclusions; 0 for none.
        exclusion_version: what the set's content is; another number whenever it changed.
        shadow_vid: VLAN id of copies for a shadow policy; 0 for none.
        web: which requests the web scanners look at.
    """

    port_id: int
    vid: int
    mode: Mode
    closed_down: bool = False
    closed_busy: bool = False
    segment: int = 0
    observe_vid: int = 0
    exclusion_set: int = 0
    exclusion_version: int = 0
    shadow_vid: int = 0
    web: Web = Web.NONE


class PortTable(Protocol):
    """What the daemon needs of steering. `KernelPorts` acts on the kernel, `stub.StubPorts` is its twin."""

    def put(self, ifindex: int, settings: PortSettings) -> None:
        """Register the port, or change a registered one without losing a packet."""

    def remove(self, ifindex: int) -> None:
        """Take the port out; the interface is as it was found."""

    def registered(self) -> dict[int, PortSettings]:
        """Return what is registered, by interface index: also what an earlier daemon left."""

    def is_attached(self, ifindex: int) -> bool:
        """Tell whether both filters are on the interface."""

    def counters(self, port_id: int) -> Counters:
        """Return the port's counters since it was registered."""

    def heartbeat(self, direction: Direction) -> Heartbeat:
        """Return when the engine answered last."""

    def engine_gone(self) -> None:
        """Let the failure action begin now: the engine is known to be gone, nobody needs to wait for its silence."""

    def gate(self, *, is_open: bool) -> None:
        """Open or close the way to the engine."""

    def web(self, devices: Sequence[int], limits: WebLimits = DEFAULT_LIMITS) -> None:
        """Say where the web scanners are: the interface indexes of their devices, by scanner index."""


class KernelPorts:
    """The ports in the kernel of this network namespace."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._maps = program.maps
        self._pairs = Pairs(0, 0, 0)
        self._settings = Settings()

    def configure(self, pairs: Pairs, *, down_ms: int, busy_ms: int, probe_ms: int) -> None:
        """Write the settings that hold for all ports. The gate to the engine stays as it is, closed at first."""
        before = self._maps.settings.get(0) or Settings()
        is_open = before.guest_ifindex != 0
        self._pairs = pairs
        self._settings = replace(
            before,
            guest_ifindex=0,
            network_ifindex=0,
            layout_version=LAYOUT_VERSION,
            max_frame=pairs.max_frame,
            down_ns=down_ms * 1_000_000,
            busy_ns=busy_ms * 1_000_000,
            probe_ns=probe_ms * 1_000_000,
        )
        self.gate(is_open=is_open)

    def gate(self, *, is_open: bool) -> None:
        """Open or close the way to the engine. While it is closed the failure action for `down` holds.

        An engine that runs but has not loaded its rules yet forwards everything: it must count as down.
        """
        if is_open:
            self._maps.settings.set(
                0, replace(self._settings, guest_ifindex=self._pairs.guest, network_ifindex=self._pairs.network)
            )
        else:
            self._maps.settings.set(0, self._settings)

    def web(self, devices: Sequence[int], limits: WebLimits = DEFAULT_LIMITS) -> None:
        """Say where the web scanners are: the interface indexes of their devices, by scanner index.

        Flows move to other scanners when the number changes. Without any, a port with web scan gets the failure action
        `down`.
        """
        before = self._maps.settings.get(0) or Settings()
        after = replace(
            before,
            scanners=len(devices),
            web_queue=limits.queue,
            web_rate=limits.rate,
            web_burst=limits.burst,
        )
        self._settings = replace(after, guest_ifindex=0, network_ifindex=0)
        # A scanner's device is known before a packet is meant for it, and forgotten after the last one was.
        for index, ifindex in enumerate(devices):
            self._maps.scanner_devices.set(index, ifindex)
        self._maps.settings.set(0, after)
        for index in range(len(devices), MAX_SCANNERS):
            self._maps.scanner_devices.set(index, 0)

    def put(self, ifindex: int, settings: PortSettings) -> None:
        """Register the port, or change a registered one without losing a packet."""
        maps = self._maps
        before = maps.ports.get(ifindex)
        if before is None or before.id != settings.port_id:
            maps.port_counters.set(settings.port_id, Counters.zero())
        if settings.vid:
            copies = int(settings.mode is Mode.MONITORING)
            maps.vids.set(settings.vid, VidOwner(ifindex, settings.port_id, copies))
        if settings.observe_vid:
            maps.vids.set(settings.observe_vid, VidOwner(ifindex, settings.port_id))
        if settings.shadow_vid:
            maps.vids.set(settings.shadow_vid, VidOwner(ifindex, settings.port_id, copies=1))
        maps.port_devices.set(settings.port_id, ifindex)
        owned = tc.ensure_qdisc(ifindex) or bool(before and before.flags & PortFlag.OWNS_QDISC)
        flags = PortFlag.OWNS_QDISC if owned else PortFlag.NONE
        if settings.closed_down:
            flags |= PortFlag.CLOSED_DOWN
        if settings.closed_busy:
            flags |= PortFlag.CLOSED_BUSY
        port = Port(
            settings.port_id,
            settings.vid,
            settings.mode,
            flags,
            segment=settings.segment,
            observe_vid=settings.observe_vid,
            shadow_vid=settings.shadow_vid,
            exclusion_set=settings.exclusion_set,
            exclusion_version=settings.exclusion_version,
            web=settings.web,
        )
        if port != before:
            maps.ports.set(ifindex, port)
        self.ensure_attached(ifindex)

    def ensure_attached(self, ifindex: int) -> None:
        """Attach the current program to a registered port; an older one of ours is exchanged atomically."""
        tc.attach(ifindex, Hook.INGRESS, self._program.fds["from_vm"])
        tc.attach(ifindex, Hook.EGRESS, self._program.fds["to_vm"])

    def remove(self, ifindex: int) -> None:
        """Take the port out; the interface is as it was found."""
        before = self._maps.ports.get(ifindex)
        if before is not None:
            self._maps.ports.set(ifindex, replace(before, mode=Mode.PASS))
        tc.detach(ifindex, Hook.INGRESS)
        tc.detach(ifindex, Hook.EGRESS)
        if before is not None and before.flags & PortFlag.OWNS_QDISC and not tc.others(ifindex):
            tc.remove_qdisc(ifindex)
        if before is not None and self._maps.port_devices.get(before.id) == ifindex:
            self._maps.port_devices.set(before.id, 0)
        self._maps.ports.delete(ifindex)

    def registered(self) -> dict[int, PortSettings]:
        """Return what is registered, by interface index."""
        return {
            ifindex: PortSettings(
                port.id,
                port.vid,
                Mode(port.mode),
                closed_down=bool(port.flags & PortFlag.CLOSED_DOWN),
                closed_busy=bool(port.flags & PortFlag.CLOSED_BUSY),
                segment=port.segment,
                observe_vid=port.observe_vid,
                exclusion_set=port.exclusion_set,
                exclusion_version=port.exclusion_version,
                shadow_vid=port.shadow_vid,
                web=Web(port.web),
            )
            for ifindex, port in self._maps.ports.items()
        }

    def is_attached(self, ifindex: int) -> bool:
        """Tell whether both filters are on the interface."""
        return tc.attached(ifindex, Hook.INGRESS) is not None and tc.attached(ifindex, Hook.EGRESS) is not None

    def counters(self, port_id: int) -> Counters:
        """Return the port's counters since it was registered."""
        return self._maps.port_counters.get(port_id) or Counters.zero()

    def heartbeat(self, direction: Direction) -> Heartbeat:
        """Return when the engine answered last."""
        return self._maps.heartbeats.get(direction) or Heartbeat()

    def engine_gone(self) -> None:
        """Let the failure action begin now; the first answered probe ends it."""
        for direction in Direction:
            self._maps.heartbeats.set(direction, Heartbeat())
