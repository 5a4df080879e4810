"""The daemon's core with stubs at its edges, for tests of explicit changes of the policies."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from hyperward.events.model import Kind, Severity
from hyperward.events.store import EventStore
from hyperward.steering.stub import StubPorts
from hyperward.svm.apply import Applier, Outcome
from hyperward.svm.change import PolicyChanges, digest_of
from hyperward.svm.config import load_config
from hyperward.svm.eventlog import EventLog
from hyperward.svm.exclusion_sets import ExclusionSets
from hyperward.svm.scanners.link import StubScanners
from hyperward.svm.state import State
from hyperward.svm.stub import StubEngine, StubRuleSets, StubTables
from hyperward.svm.wanted import Wanted

INVENTORY = "vms:\n" + "".join(f"- {{name: vm{n}, ports: [{{interface: tap{n}}}]}}\n" for n in range(1, 5))
OLD = "policies: [{name: p, assign: {names: ['vm*']}, intrusion_prevention: {enabled: true}}]\n"
STRICT = "{enabled: true, suspicious_activity: {other: true}}"
NEW = f"""\
policies:
- {{name: p, assign: {{names: ['vm*']}}, intrusion_prevention: {{enabled: true}}}}
- {{name: q, assign: {{names: [vm1, vm2]}}, intrusion_prevention: {STRICT}}}
"""
CLOSED = f"""\
policies:
- {{name: p, assign: {{names: ['vm*']}}, intrusion_prevention: {{enabled: true}}}}
- {{name: q, assign: {{names: [vm1, vm2]}}, intrusion_prevention: {STRICT}, failure: {{down: closed}}}}
"""


class Node:
    """A daemon's core with stubs at its edges; vm1 to vm4 behind tap1 to tap4, which have the indexes 101 to 104."""

    def __init__(self, folder: Path) -> None:
        (folder / "svm.yaml").write_text(
            "policy_file: policy.yaml\ninventory_file: inventory.yaml\nstate_dir: .\nrun_dir: run\n"
            f"engine: {{binary: {sys.executable}}}\n"
        )
        self.file = folder / "policy.yaml"
        self.file.write_text(OLD)
        self.file.chmod(0o640)
        (folder / "inventory.yaml").write_text(INVENTORY)
        self.store = EventStore(folder / "events.db", svm="s")
        self.ports, self.engine, self.rule_sets = StubPorts(), StubEngine(), StubRuleSets()
        self.wanted = Wanted(load_config(folder / "svm.yaml"))
        self.applier = Applier(
            ports=self.ports,
            engine=self.engine,
            rule_sets=self.rule_sets,
            state=State(folder / "state.json"),
            exclusions=ExclusionSets(StubTables()),
            scanners=StubScanners(),
        )
        self.log = KeptLog(self.store, "s")
        self.changes = PolicyChanges(self.file, self.wanted, self.carry_out, self.log)
        self.candidate = folder / "candidate.yaml"
        asyncio.run(self.changes.again())

    async def carry_out(self) -> Outcome:
        links = {f"tap{number}": 100 + number for number in range(1, 5)}
        return await self.applier.apply(self.wanted.ports(), links, dict.fromkeys(links, 1))

    def apply(self, text: str, digest: str = "") -> dict[str, Any]:
        self.candidate.write_text(text)
        request = {"file": str(self.candidate), "digest": digest or digest_of(text)}
        return asyncio.run(self.changes.apply(request))

    def in_force(self) -> tuple[object, ...]:
        held = self.engine.registered
        rules = {ifindex: held.tenants[held.mappings[port.vid]] for ifindex, port in self.ports.ports.items()}
        return dict(self.ports.ports), rules


class KeptLog(EventLog):
    def __init__(self, store: EventStore, svm: str) -> None:
        super().__init__(store, svm)
        self.written: list[tuple[Kind, str, Severity]] = []

    def write(self, kind: Kind, message: str, *, severity: Severity = Severity.INFORMATIONAL, **fields: Any) -> None:
        self.written.append((kind, message, severity))
        super().write(kind, message, severity=severity, **fields)
