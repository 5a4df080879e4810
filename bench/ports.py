"""How long many ports take: `python bench/ports.py [NUMBER]`, as root; 1,000 by default.

Through the daemon's own applier, with the real steering program on real interfaces and the real engine, which inspects
one port already. Prints the times of registering and removing and their ratio to the limit of 5 s for 1,000 ports, and
what a change costs that gives ten VMs another policy: with a rule set to be compiled and loaded, and back.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hyperward.inventory.models import Inventory, Port, Vm
from hyperward.ips.engine.notices import EngineNotice
from hyperward.ips.engine.nudge import FrameNudge
from hyperward.ips.engine.render import References
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.supervisor import EngineSupervisor
from hyperward.ips.rules.data import classification_path, reference_path
from hyperward.lab.netns import NetNs
from hyperward.steering.pairs import attach_pairs, ensure_pairs, remove_pairs
from hyperward.steering.ports import KernelPorts, PortSettings
from hyperward.steering.program import object_bytes, open_program
from hyperward.svm.apply import Applier, Outcome
from hyperward.svm.desired import DesiredPort, desired_ports
from hyperward.svm.exclusion_sets import ExclusionSets
from hyperward.svm.first_start import StartedByFirstChange
from hyperward.svm.links import interfaces
from hyperward.svm.pins import pin_folder, remove_pins
from hyperward.svm.policy_file import parse_policies
from hyperward.svm.probes import PROBE_MARK
from hyperward.svm.rulesets import RuleSets
from hyperward.svm.scanners.link import StubScanners
from hyperward.svm.state import State
from hyperward.svm.stub import StubTables

COUNT = 1_000
LIMIT_S_PER_PORT = 5.0 / 1_000
POLICY = """
policies:
  - {name: all, assign: {names: ['vm*']}, intrusion_prevention: {enabled: true}}
  - name: other
    state: %s
    assign: {names: [vm0, vm1, vm2, vm3, vm4, vm5, vm6, vm7, vm8, vm9]}
    intrusion_prevention: {enabled: true, suspicious_activity: {other: true}}
"""


@dataclass(frozen=True, slots=True)
class Step:
    """What a change came to: its seconds, its outcome, and what kernel and engine hold after it."""

    seconds: float
    outcome: Outcome
    ports: dict[int, PortSettings]
    mappings: dict[int, int]
    tenants: int
    qdiscs: str


@dataclass(frozen=True, slots=True)
class Measured:
    """The steps: so many ports more, ten of them under another policy and back, and all but one removed."""

    added: Step
    changed: Step
    back: Step
    removed: Step


def measure(number: int) -> Measured:
    """Protect one port, then register, change and remove so many more; in a namespace of its own."""
    namespace = NetNs(f"hw-ports-{time.monotonic_ns() % 1_000_000:06d}")
    namespace.create()
    try:
        with tempfile.TemporaryDirectory(prefix="hw-ports-") as folder:
            return namespace.call(lambda: _inside(Path(folder), number))
    finally:
        namespace.delete()


def _inside(folder: Path, number: int) -> Measured:
    batch = "".join(f"link add p{n} type veth peer name q{n}\n" for n in range(number + 1))
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
    program = open_program(pin_folder(folder), object_bytes())
    try:
        pairs = ensure_pairs()
        ports = KernelPorts(program)
        ports.configure(pairs, down_ms=900, busy_ms=600, probe_ms=150)
        attach_pairs(pairs, program)
        return asyncio.run(_change(folder, ports, number))
    finally:
        program.close()
        remove_pairs()
        remove_pins(folder)


async def _change(folder: Path, ports: KernelPorts, number: int) -> Measured:
    settings = EngineSettings(run_dir=folder / "engine", log_dir=folder / "log")
    references = References(classification_path(), reference_path())
    nudge = FrameNudge(("hwg0", "hwn0"), mark=PROBE_MARK)
    engine = EngineSupervisor(settings, references, nudge=nudge, notify=_ignore)
    rule_sets = RuleSets(folder / "rules", (), settings.binary)
    state = State(folder / "state.json")
    applier = Applier(
        ports=ports,
        engine=StartedByFirstChange(engine),
        rule_sets=rule_sets,
        state=state,
        exclusions=ExclusionSets(StubTables()),
        scanners=StubScanners(),
    )

    async def apply(count: int, *, other: bool = False) -> Step:
        wanted = _wanted(count, other=other)
        begun = time.monotonic()
        outcome = await applier.apply(wanted, interfaces(), {})
        seconds = time.monotonic() - begun
        qdiscs = subprocess.run(["tc", "qdisc"], capture_output=True, text=True, check=True).stdout  # noqa: ASYNC221
        held = engine.registered
        return Step(seconds, outcome, ports.registered(), dict(held.mappings), len(held.tenants), qdiscs)

    try:
        await apply(1)
        every = number + 1
        return Measured(await apply(every), await apply(every, other=True), await apply(every), await apply(1))
    finally:
        await engine.stop()


def _wanted(number: int, *, other: bool) -> tuple[DesiredPort, ...]:
    vms = tuple(Vm(f"vm{n}", f"vm{n}", "static", ports=(Port(f"p{n}"),)) for n in range(number))
    policies = parse_policies(POLICY % ("active" if other else "inactive"), "policy.yaml")
    return desired_ports(policies, Inventory(vms), now=datetime.now(UTC))


def _ignore(notice: EngineNotice) -> None:
    del notice


def main() -> None:
    """Measure and print."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    measured = measure(number)
    added, removed = measured.added.seconds, measured.removed.seconds
    both = added + removed
    print(f"{number} ports: registered in {added:.2f} s, removed in {removed:.2f} s")
    print(f"together {both:.2f} s, {both / (LIMIT_S_PER_PORT * number):.0%} of the limit")
    print(f"ten VMs to another rule set: {measured.changed.seconds:.2f} s; back: {measured.back.seconds:.2f} s")


if __name__ == "__main__":
    main()
