"""What the daemon tells about itself and about every VM."""

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from hyperward.events.model import Feature
from hyperward.inventory.models import Port, Vm
from hyperward.ips.engine.supervisor import EngineSupervisor
from hyperward.policy.resolve import EffectiveSettings, ips_plan
from hyperward.steering.layout import Direction, Web
from hyperward.steering.ports import PortSettings, PortTable
from hyperward.svm.apply import Applier
from hyperward.svm.conditions import (
    DatabaseFacts,
    EngineFacts,
    Fact,
    Facts,
    PortFacts,
    ScannerFacts,
    protection,
    status,
)
from hyperward.svm.config import SvmConfig
from hyperward.svm.failures import FailureWatch
from hyperward.svm.lanes import Ledger
from hyperward.svm.links import interfaces
from hyperward.svm.scanners.link import ScannerLink
from hyperward.svm.wanted import Wanted
from hyperward.webscan.plan import web_plan

FRESH_SECONDS = 2.5
"""The daemon probes once a second; two lost ones make the engine silent for people."""


class StatusReport:
    """Answers of the control socket, made from what the parts know now."""

    def __init__(
        self,
        *,
        config: SvmConfig,
        wanted: Wanted,
        engine: EngineSupervisor,
        ports: PortTable,
        ledger: Ledger,
        applier: Applier,
        failures: FailureWatch,
        scanners: ScannerLink,
    ) -> None:
        self._config = config
        self._wanted = wanted
        self._engine = engine
        self._ports = ports
        self._ledger = ledger
        self._applier = applier
        self._failures = failures
        self._scanners = scanners
        self._since = datetime.now(UTC)
        self.databases: Callable[[], tuple[bool, str] | None] = lambda: None
        """Whether databases are there and not too old, and what to do if not; None when nobody asked for updates."""
        self.database_version: Callable[[], str] = lambda: ""
        """Name of the version in force."""

    async def status(self, _: Mapping[str, str]) -> dict[str, Any]:
        """Return the state of the SVM."""
        registered = self._ports.registered()
        held = self._engine.registered
        return {
            "svm": self._config.name,
            "pid": os.getpid(),
            "since": self._since.isoformat(timespec="seconds"),
            "engine": {
                "pid": self._engine.pid,
                "answers": self._answers(),
                "tenants": len(held.tenants),
                "vlan_ids": len(held.mappings),
            },
            "ports": {"protected": len(registered), "ids": sorted(p.port_id for p in registered.values())},
            "vms": {"known": len(self._wanted.inventory.vms)},
            "policies": {
                "known": len(self._wanted.policies),
                "since": self._wanted.since.isoformat(timespec="seconds"),
            },
            "rule_sets": sorted(set(self._applier.versions_by_vid.values())),
            "databases": {"version": self.database_version(), "problem": _advice(self.databases())},
            "scanners": self._scanners.status(),
            "failures": [
                {
                    "port": f.port_id,
                    "vm": self.vm_of_port(f.port_id),
                    "component": f.component,
                    "why": f.why,
                    "passed": f.passed,
                    "dropped": f.dropped,
                }
                for f in self._failures.active()
            ],
        }

    async def vms(self, _: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return every VM of the inventory with its conditions for protection."""
        links, registered = interfaces(), self._ports.registered()
        return [
            self._vm(vm, self._wanted.resolver.effective(vm), links, registered) for vm in self._wanted.inventory.vms
        ]

    def vm_of_port(self, port_id: int) -> str:
        """Return the name of the VM that has the port, or nothing."""
        lane = self._ledger.holder(port_id) if port_id in self._applier.ports_by_id else None
        return lane.vm_name if lane else ""

    def _answers(self) -> bool:
        now = time.monotonic_ns()
        ages = [now - self._ports.heartbeat(direction).alive_ns for direction in Direction]
        return self._engine.pid is not None and max(ages) < FRESH_SECONDS * 1e9

    def _vm(
        self, vm: Vm, settings: EffectiveSettings | None, links: dict[str, int], registered: dict[int, PortSettings]
    ) -> dict[str, Any]:
        mode = settings.mode if settings else None
        now = datetime.now(UTC)
        inspected, scanned = ips_plan(settings, now=now) is not None, web_plan(settings, now=now) is not None
        fresh = self.databases()
        known = [registered[links[p.interface]] for p in vm.ports if links.get(p.interface) in registered]
        facts = Facts(
            policy=settings.policy if settings else None,
            covered=Fact(inspected or scanned, self._wanted.since),
            mode=mode,
            engine=self._engine_facts(known) if inspected else None,
            scanners=self._scanner_facts(known) if scanned else None,
            ports=tuple(self._port(port, links, registered) for port in vm.ports),
            databases=DatabaseFacts(Fact(fresh[0]), fresh[1]) if fresh is not None else None,
        )
        conditions = protection(vm, facts)
        return {
            "name": vm.name,
            "id": vm.id,
            "status": status(conditions, mode),
            "policy": facts.policy,
            "mode": mode,
            "features": [
                feature
                for feature, on in ((Feature.INTRUSION_PREVENTION, inspected), (Feature.WEB_ADDRESSES, scanned))
                if on
            ],
            "ports": [self._port_detail(port, links, registered) for port in vm.ports],
            "conditions": [
                {
                    "name": c.name,
                    "ok": c.ok,
                    "since": c.since.isoformat(timespec="seconds") if c.since else None,
                    "what_to_do": c.what_to_do,
                }
                for c in conditions
            ],
        }

    def _engine_facts(self, ports: list[PortSettings]) -> EngineFacts:
        held = self._engine.registered
        vids = [port.vid for port in ports]
        return EngineFacts(
            runs=Fact(self._engine.pid is not None),
            answers=Fact(self._answers()),
            rules=Fact(bool(vids) and all(held.mappings.get(vid) in held.tenants for vid in vids)),
        )

    def _scanner_facts(self, ports: list[PortSettings]) -> ScannerFacts:
        state = self._scanners.state()
        told = self._scanners.told()
        return ScannerFacts(
            run=Fact(state.all_run),
            answer=Fact(state.all_answer),
            follow=Fact(state.all_follow and bool(ports) and all(port.web and port.port_id in told for port in ports)),
            databases=Fact(state.all_have_databases),
        )

    def _port(self, port: Port, links: dict[str, int], registered: dict[int, PortSettings]) -> PortFacts:
        ifindex = links.get(port.interface)
        settings = registered.get(ifindex) if ifindex is not None else None
        attached = settings is not None and ifindex is not None and self._ports.is_attached(ifindex)
        seen = False
        if settings is not None:
            counters = self._ports.counters(settings.port_id)
            seen = counters.from_vm["seen_packets"] + counters.to_vm["seen_packets"] > 0
        return PortFacts(port.interface, Fact(ifindex is not None), Fact(attached), Fact(seen))

    def _shadow(self, settings: PortSettings) -> str | None:
        """Return the name of the shadow policy that gets copies of a port's packets."""
        port = self._applier.ports_by_vid.get(settings.shadow_vid) if settings.shadow_vid else None
        return port.shadow.policy if port and port.shadow else None

    def _port_detail(self, port: Port, links: dict[str, int], registered: dict[int, PortSettings]) -> dict[str, Any]:
        settings = registered.get(links.get(port.interface, 0))
        detail: dict[str, Any] = {"interface": port.interface, "id": None, "counters": None, "shadow": None, "web": []}
        if settings is not None:
            counters = self._ports.counters(settings.port_id)
            detail |= {"id": settings.port_id, "counters": {"from_vm": counters.from_vm, "to_vm": counters.to_vm}}
            detail["shadow"] = self._shadow(settings)
            detail["web"] = [part.name.lower() for part in Web if part in settings.web and part.name]
        return detail


def _advice(fresh: tuple[bool, str] | None) -> str:
    """Return what to do about databases; empty when they are as they should be."""
    return fresh[1] if fresh is not None and not fresh[0] else ""
