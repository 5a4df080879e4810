"""A protected port with the real engine behind it: steering, inspection pairs, engine with tenants, and a player.

Every capture gets a VLAN id of its own, so one run of the engine serves them all: flows and fragments of two captures
never meet, and an event names its capture.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyroute2 import IPRoute

from hyperward.ips.engine.nudge import FrameNudge
from hyperward.ips.engine.render import References
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.supervisor import EngineSupervisor
from hyperward.ips.engine.tenants import Desired, Tenant
from hyperward.ips.rules.data import classification_path, reference_path
from hyperward.steering.layout import Counters, Direction, Mode
from hyperward.steering.pairs import attach_pairs, ensure_pairs
from hyperward.steering.ports import KernelPorts, PortSettings
from hyperward.svm.probes import PROBE_MARK, Prober
from kernel import loaded_program, own_namespace
from replay import Played, Player, data_path
from suricata_runs import engine, events_of_file

PORT_ID = 1
DOWN_MS, BUSY_MS, PROBE_MS = 900, 600, 50
"""A machine that is busy with other tests must not look like an engine that is down."""
FAILED = ("open_down", "open_busy", "closed_down", "closed_busy", "clone_failed")


def engine_references() -> References:
    """Return the tables that ship with the package."""
    return References(classification_path(), reference_path())


class ProtectedPort:
    """A port whose packets pass the engine. Create it with `protected_port`."""

    def __init__(self, ports: KernelPorts, ifindex: int, player: Player) -> None:
        self._ports = ports
        self._ifindex = ifindex
        self._player = player

    def play(self, frames: list[bytes], vid: int) -> Played:
        """Play a capture under a VLAN id, and with it under the tenant that owns the id."""
        self._ports.put(self._ifindex, PortSettings(PORT_ID, vid, Mode.STANDARD))
        return self._player.play(frames)

    def counters(self) -> Counters:
        """Return what the kernel has counted since the port was made."""
        return self._ports.counters(PORT_ID)


@contextmanager
def protected_port(
    tenants: Mapping[int, Tenant], mappings: Mapping[int, int], eve: list[dict[str, Any]]
) -> Iterator[ProtectedPort]:
    """Build everything in a namespace of its own, start the engine, and take all down again.

    Args:
        tenants: by id.
        mappings: VLAN id to tenant id.
        eve: gets the engine's events once it has ended; it inspects what is left of open flows when it does.
    """
    with ExitStack() as stack:
        stack.enter_context(own_namespace())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="hw-")))
        program = stack.enter_context(loaded_program(folder / "bpf"))
        pairs = ensure_pairs()
        attach_pairs(pairs, program)
        player = stack.enter_context(data_path())
        ports = KernelPorts(program)
        ports.configure(pairs, down_ms=DOWN_MS, busy_ms=BUSY_MS, probe_ms=PROBE_MS)
        with _running_engine(folder, Desired(tenants, mappings), eve):
            ports.gate(is_open=True)
            wait_answered(ports)
            with IPRoute() as ip:
                ifindex = ip.link_lookup(ifname="vm1")[0]
            try:
                yield ProtectedPort(ports, ifindex, player)
            finally:
                ports.remove(ifindex)


@contextmanager
def _running_engine(folder: Path, desired: Desired, eve: list[dict[str, Any]]) -> Iterator[None]:
    settings = EngineSettings(binary=engine(), run_dir=folder / "run", log_dir=folder / "log")
    nudge = FrameNudge(("hwg0", "hwn0"), mark=PROBE_MARK)
    supervisor = EngineSupervisor(settings, engine_references(), nudge=nudge, notify=lambda _: None)
    with asyncio.Runner() as runner:
        try:
            applied = runner.run(supervisor.start(desired))
            assert applied.done, applied
            assert not applied.refused, applied.refused
            yield
        finally:
            runner.run(supervisor.stop())
    eve.extend(events_of_file(settings.eve_path))


def wait_answered(ports: KernelPorts) -> None:
    """Wait until the engine has answered a probe in both directions."""
    deadline = time.monotonic() + 10
    with Prober() as prober:
        while not all(ports.heartbeat(direction).answered_ns for direction in Direction):
            assert time.monotonic() < deadline, "the engine does not answer probes"
            prober.probe()
            time.sleep(0.01)
