"""VMs and a server in namespaces, the real data path between them, and a scanner that the test tells what to do."""

import os
import select
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyroute2 import netns

from hyperward.steering.layout import Direction, FlowKey, Heartbeat, Mode, Web, WebFlow
from hyperward.steering.limits import DEFAULT_LIMITS, WebLimits
from hyperward.steering.pairs import attach_pairs, ensure_pairs
from hyperward.steering.ports import KernelPorts, PortSettings
from hyperward.steering.program import Program
from hyperward.steering.scanners import ScannerMaps, attach_scanners, open_maps
from hyperward.steering.taps import MAX_FRAME, ensure_taps, open_tap
from kernel import loaded_program, own_namespace
from vlan_guest import speak_tagged

SERVER4, SERVER6 = "10.66.0.100", "fd66::100"
FIRST_PORT_ID = 5


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True, capture_output=True)


@dataclass
class Seen:
    """One frame that a scanner read."""

    priority: int
    port_id: int
    frame: bytes
    """Without our tag."""

    def tcp(self) -> tuple[int, bytes]:
        """Return sequence number and payload of a plain IPv4 segment."""
        head = 14 + (self.frame[14] & 15) * 4
        length = int.from_bytes(self.frame[16:18], "big")
        data = head + (self.frame[head + 12] >> 4) * 4
        return int.from_bytes(self.frame[head + 4 : head + 8], "big"), self.frame[data : 14 + length]

    def key(self) -> FlowKey:
        """Return the flow's key of a plain IPv4 packet with ports."""
        mapped = b"\0" * 10 + b"\xff\xff"
        addresses = mapped + self.frame[26:30], mapped + self.frame[30:34]
        return FlowKey(*addresses, self.port_id, self.frame[34:36], self.frame[36:38], 0, self.frame[23])


Decide = Callable[["Scanner", Seen], bool | None]


def echo(_scanner: "Scanner", _seen: Seen) -> None:
    """Decide nothing."""


@dataclass
class Scanner:
    """Reads its device in a thread of its own, writes frames back as they were, and keeps what it saw.

    Args:
        index: of the scanner.
        maps: of the kernel.
        decide: called for each frame; the frame is written back unless it says False.
        reads, beats: whether it does; a test may stop either.
    """

    index: int
    maps: ScannerMaps
    decide: Decide = echo
    reads: bool = True
    beats: bool = True
    seen: list[Seen] = field(default_factory=list)
    _ended: bool = False

    def start(self) -> None:
        """Open the device and begin; returns when it has said that it lives."""
        self._fd = open_tap(self.index)
        self.slot = self.maps.slots.slot(self.index)
        self.slot.caught_up()
        self.slot.beat()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def stop(self) -> None:
        """End; what waits in its queue is lost."""
        self._ended = True
        self._thread.join()
        self.slot.dead()
        os.close(self._fd)

    def write(self, frame: bytes, port_id: int, priority: int) -> None:
        """Write a frame under our tag."""
        os.write(self._fd, frame[:12] + struct.pack("!HH", 0x8100, priority << 13 | port_id) + frame[12:])

    def settle(self, seen: Seen, known: WebFlow) -> None:
        """Write a decision on the flow of a packet."""
        flow = self.maps.flows.get(seen.key())
        self.maps.web_flows.set(seen.key(), replace(known, began_ns=flow.began_ns if flow else 0))

    def _work(self) -> None:
        while not self._ended:
            if self.beats:
                self.slot.beat()
            ready, _, _ = select.select([self._fd] if self.reads else [], [], [], 0.02)
            if ready:
                self._drain()

    def _drain(self) -> None:
        while self.reads and not self._ended:
            handed = self.slot.handed
            try:
                raw = os.read(self._fd, MAX_FRAME)
            except BlockingIOError:
                self.slot.caught_up(handed)
                return
            self.slot.take(1)
            if self.beats:
                self.slot.beat()
            tci = int.from_bytes(raw[14:16], "big")
            seen = Seen(tci >> 13, tci & 0xFFF, raw[:12] + raw[16:])
            self.seen.append(seen)
            if self.decide(self, seen) is not False:
                os.write(self._fd, raw)


class WebLab:
    """The data path. Create it with `web_lab`."""

    def __init__(self, name: str, program: Program, pins: Path, vms: int) -> None:
        self._name = name
        self.maps = program.maps
        self._pins = pins
        self.ports = KernelPorts(program)
        self._program = program
        self.interfaces: list[int] = []
        run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        run("ip", "link", "set", "br0", "up")
        for index in range(vms):
            self._guest(f"vm{index}", index + 1)
            self.interfaces.append(socket.if_nametoindex(f"vm{index}"))
        self._guest("net", 100)

    def _guest(self, name: str, host: int) -> None:
        space = f"{self._name}-{name}"
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", space)
        run("ip", "link", "set", name, "master", "br0", "up")
        for end in (name, "br0"):
            Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
        for command in (
            "link set lo up",
            "link set eth0 up",
            f"addr add 10.66.0.{host}/24 dev eth0",
            f"addr add fd66::{host}/64 dev eth0 nodad",
        ):
            run("ip", "-n", space, *command.split())

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Let this thread make sockets in the namespace of `vm0`, `vm1` or `net`."""
        netns.pushns(f"{self._name}-{name}")
        try:
            yield
        finally:
            netns.popns()

    def protect(self, *, vm: int = 0, **settings: Any) -> None:
        """Register the port of a VM, with web scan of everything and without IPS unless told otherwise."""
        wanted = {"vid": 0, "mode": Mode.STANDARD, "web": Web.TCP | Web.QUIC | Web.DNS} | settings
        self.ports.put(self.interfaces[vm], PortSettings(FIRST_PORT_ID + vm, **wanted))

    def with_vlan(self, vid: int) -> None:
        """Let the first VM and the server speak in a VLAN."""
        for name in ("vm0", "net"):
            with self.inside(name):
                speak_tagged("eth0", vid)

    def with_engine(self) -> None:
        """Put a bridge where the engine would be, and say that it answers."""
        pairs = ensure_pairs()
        attach_pairs(pairs, self._program)
        self.ports.configure(pairs, down_ms=300, busy_ms=200, probe_ms=100_000)
        run("ip", "link", "add", "br1", "type", "bridge", "mcast_snooping", "0")
        for end in ("hwg1", "hwn1"):
            run("ip", "link", "set", end, "master", "br1")
            run("bridge", "link", "set", "dev", end, "learning", "off")
        run("ip", "link", "set", "br1", "up")
        for direction in Direction:
            self.maps.heartbeats.set(direction, Heartbeat(0, 1 << 62, 1 << 62, 1 << 62))
        self.ports.gate(is_open=True)

    def devices(self, count: int, limits: WebLimits = DEFAULT_LIMITS) -> None:
        """Create scanners' devices and tell the kernel."""
        found = ensure_taps(count)
        attach_scanners(found, self._program)
        self.ports.web(found, limits)

    @contextmanager
    def scanner(self, decide: Decide = echo, *, index: int = 0) -> Iterator[Scanner]:
        """Run a scanner, as another process would: over the pinned maps."""
        maps = open_maps(self._pins)
        made = Scanner(index, maps, decide)
        made.start()
        try:
            yield made
        finally:
            made.stop()
            maps.close()

    def counted(self, vm: int = 0) -> dict[str, int]:
        """Return the web scan's counters of a VM's port that are not 0."""
        found = self.ports.counters(FIRST_PORT_ID + vm)
        sides = {"from": found.from_vm, "to": found.to_vm}
        named = {f"{side}_{name}": value for side, values in sides.items() for name, value in values.items()}
        return {name: value for name, value in named.items() if value and "_web_" in name}


@contextmanager
def web_lab(folder: Path, vms: int = 1) -> Iterator[WebLab]:
    """Build everything in namespaces of its own, and take all down again."""
    with ExitStack() as stack:
        name = stack.enter_context(own_namespace())
        for guest in [*(f"vm{index}" for index in range(vms)), "net"]:
            netns.create(f"{name}-{guest}")
            stack.callback(netns.remove, f"{name}-{guest}")
        program = stack.enter_context(loaded_program(folder / "bpf"))
        made = WebLab(name, program, folder / "bpf", vms)
        made.ports.configure(ensure_pairs(), down_ms=300, busy_ms=200, probe_ms=50)
        made.devices(1)
        try:
            yield made
        finally:
            for ifindex in made.interfaces:
                made.ports.remove(ifindex)
