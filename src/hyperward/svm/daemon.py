"""The SVM daemon: brings kernel and engine to what policies and inventory say, and stays to do it again.

This module only wires the parts together; what decides is in the parts. When the daemon ends, or is killed, traffic
goes on under the last state: programs and maps are the kernel's, the engine is a process of its own. The next daemon
adopts both.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

import structlog

from hyperward.databases.ledger import Attempt
from hyperward.databases.store import VersionStore, open_store
from hyperward.errors import HyperwardError, InputError, SystemFault
from hyperward.events.collect import EveCollector
from hyperward.events.collectweb import WebCollector
from hyperward.events.model import Kind
from hyperward.events.notices import event_of_notice
from hyperward.events.store import EventStore
from hyperward.ips.engine.notices import EngineNotice, NoticeKind
from hyperward.ips.engine.nudge import FrameNudge
from hyperward.ips.engine.process import find
from hyperward.ips.engine.render import References
from hyperward.ips.engine.rotate import file_size
from hyperward.ips.engine.supervisor import EngineSupervisor
from hyperward.ips.rules.data import classification_path, reference_path
from hyperward.response.blocks import Block, Blocks
from hyperward.response.inject import PairInjector
from hyperward.response.terminate import Terminator
from hyperward.steering.layout import Direction
from hyperward.steering.pairs import attach_pairs, ensure_pairs
from hyperward.steering.ports import KernelPorts
from hyperward.steering.program import Program, object_bytes, open_program
from hyperward.steering.scanners import attach_scanners
from hyperward.steering.slots import ScannerSlots
from hyperward.steering.taps import ensure_taps, remove_taps
from hyperward.svm.apply import Applier, Outcome
from hyperward.svm.change import PolicyChanges
from hyperward.svm.config import SvmConfig
from hyperward.svm.control import ControlServer
from hyperward.svm.databases.machine import DaemonMachine
from hyperward.svm.databases.place import Place
from hyperward.svm.databases.service import DatabaseService
from hyperward.svm.databases.telling import DatabaseTeller
from hyperward.svm.databases.updates import Updates
from hyperward.svm.engine_settings import engine_settings
from hyperward.svm.eventlog import EventLog
from hyperward.svm.exclusion_report import exclusion_report
from hyperward.svm.exclusion_sets import ExclusionSets, SetUse
from hyperward.svm.exclusion_tables import ExclusionTables
from hyperward.svm.failures import FailureMemory, FailureWatch
from hyperward.svm.first_start import StartedByFirstChange
from hyperward.svm.instance import only_instance, require_root
from hyperward.svm.links import LinkWatch, interfaces, segments
from hyperward.svm.neverblock import never_block_set
from hyperward.svm.pins import pin_folder
from hyperward.svm.probes import PROBE_MARK, Prober
from hyperward.svm.responder import Responder
from hyperward.svm.rulesets import RuleSets
from hyperward.svm.scanners.link import ScannerLink
from hyperward.svm.scanners.notices import ScannerNotice
from hyperward.svm.scanners.notices import event_of_notice as event_of_scanner
from hyperward.svm.scanners.paths import ScannerPaths
from hyperward.svm.scanners.process import ScannerProcesses
from hyperward.svm.scanners.slots import MappedSlots
from hyperward.svm.scanners.supervisor import ScannerSupervisor
from hyperward.svm.scanners.unusable import UnusableMemory, UnusableWatch
from hyperward.svm.state import State
from hyperward.svm.status import StatusReport
from hyperward.svm.telling import Teller
from hyperward.svm.views import LedgerViews
from hyperward.svm.wanted import Wanted
from hyperward.svm.watch import LOOK_SECONDS, FileWatch

COLLECT_SECONDS = 0.02
"""Pause of the reader of detections when it has caught up: the longest that a reset waits."""
COLLECT_WEB_SECONDS = 0.1
"""The same of the scanners' records, for which no reset waits."""
HOUSEKEEPING_SECONDS = 1.0
ANSWER_SECONDS = 2.0
FAILURES = "failures"
"""Name under which the store keeps what the watch for failures knows."""
UNUSABLE = "unusable address databases"
"""The same of the watch for address databases."""

log = structlog.get_logger(__name__)


class Daemon:
    """One SVM in the network namespace of the calling process."""

    def __init__(self, config: SvmConfig) -> None:
        self._config = config
        self._wanted = Wanted(config)
        self._dirty = asyncio.Event()
        self._shadows_due = asyncio.Event()
        self._told_since: datetime | None = None

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Protect until SIGTERM or SIGINT.

        Args:
            ready: called once everything wanted is in force.

        Raises:
            HyperwardError: the SVM cannot start; nothing that ran was stopped.
        """
        require_root()
        for folder in (self._config.run_dir, self._config.state_dir):
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            stack.enter_context(only_instance(self._config.run_dir))
            await self._start(stack)
            await self._work(ready)

    async def _start(self, stack: AsyncExitStack) -> None:
        config, settings = self._config, engine_settings(self._config)
        program = open_program(pin_folder(config.run_dir), object_bytes())
        stack.callback(program.close)
        pairs = await asyncio.to_thread(ensure_pairs, config.engine.mtu)
        self._ports = KernelPorts(program)
        self._ports.configure(
            pairs, down_ms=config.heartbeat_ms, busy_ms=config.heartbeat_ms * 2 // 3, probe_ms=config.heartbeat_ms // 6
        )
        await asyncio.to_thread(self._place_scanners, program)
        attach_pairs(pairs, program)
        for ifindex in self._ports.registered():
            self._reattach(ifindex)
        self._store = stack.enter_context(EventStore(config.state_dir / "events.db", svm=config.name))
        self._log = EventLog(self._store, config.name)
        self._failures = FailureWatch(self._store.position(FAILURES, FailureMemory))
        self._unusable = UnusableWatch(map(str, config.addresses), self._store.position(UNUSABLE, UnusableMemory))
        self._remembered = self._memories()
        self._state = State(config.state_dir / "state.json")
        if not self._state.ledger.ports():
            # Without a memory: the packets of the ports that an earlier daemon left must not come out of others.
            left = self._ports.registered().values()
            self._state.ledger.begin_after((port.vid for port in left), (port.port_id for port in left))
        self._rule_sets = RuleSets(config.state_dir / "rules", config.rules, settings.binary)
        store, interrupted = await asyncio.to_thread(open_store, Place.of(config.state_dir).folder)
        references = References(classification_path(), reference_path())
        nudge = FrameNudge(("hwg0", "hwn0"), mark=PROBE_MARK)
        self._engine = EngineSupervisor(settings, references, nudge=nudge, notify=self._notice)
        stack.push_async_callback(self._engine.detach)
        self._start_scanners(stack, program)
        in_use = [SetUse(port.exclusion_set, port.exclusion_version) for port in self._ports.registered().values()]
        self._exclusions = ExclusionSets(ExclusionTables(program.maps), in_use)
        self._applier = Applier(
            ports=self._ports,
            engine=StartedByFirstChange(self._engine),
            rule_sets=self._rule_sets,
            state=self._state,
            exclusions=self._exclusions,
            scanners=self._scanners,
        )
        views = LedgerViews(
            self._state.ledger, self._applier.ports_by_vid, self._applier.versions_by_vid, self._applier.applied_by_id
        )
        self._collector = EveCollector(settings, self._store, views, svm=config.name)
        self._web_collector = WebCollector(self._scanner_paths.records_dir, self._store, views, svm=config.name)
        terminator = Terminator(program.maps.flows, stack.enter_context(PairInjector()))
        stack.callback(terminator.close)
        self._responder = Responder(
            ports=self._applier.ports_by_id,
            flows=program.maps.flows,
            terminator=terminator,
            blocks=Blocks(program.maps.blocked, config.state_dir / "blocks.json"),
            wanted=self._wanted,
            log=self._log,
        )
        self._prober = stack.enter_context(Prober())
        self._status = StatusReport(
            config=config,
            wanted=self._wanted,
            engine=self._engine,
            ports=self._ports,
            ledger=self._state.ledger,
            applier=self._applier,
            failures=self._failures,
            scanners=self._scanners,
        )
        self._tell = Teller(self._log, self._status.vm_of_port)
        self._changes = PolicyChanges(config.policy_file, self._wanted, self._apply, self._log)
        await self._start_databases(store, interrupted)
        control = ControlServer(
            config.run_dir / "svm.sock",
            {
                "status": self._status.status,
                "vms": self._status.vms,
                "blocked": self._blocked,
                "unblock": self._unblock,
                "policies": self._changes.policies,
                "apply": self._changes.apply,
                "exclusions": self._exclusion_rows,
                **self._databases.handlers(),
            },
        )
        await control.start()
        stack.push_async_callback(control.stop)
        stack.enter_context(LinkWatch(self._dirty.set))
        if find(settings) is None:
            # It may take the old engine's place before it has any rules: it must not count as up.
            self._ports.gate(is_open=False)

    async def _start_databases(self, store: VersionStore, interrupted: Attempt | None) -> None:
        """Let the first change be carried out with the databases that the store calls active, whatever ran before."""
        config = self._config
        machine = DaemonMachine(self._wanted, self._rule_sets, self._scanners, self._changes)
        updates = Updates(config, Place.of(config.state_dir), store, machine, engine_settings(config))
        tell = DatabaseTeller(self._log)
        if interrupted is not None:
            tell.interrupted(interrupted, store.ledger.active)
        machine.use(await updates.start(tell.wary))
        tell.own(updates.held.reports, quiet=True)
        self._databases = DatabaseService(config, updates, tell)
        self._status.databases = self._databases.fresh
        self._status.database_version = lambda: updates.held.contents.name

    def _place_scanners(self, program: Program) -> None:
        """Have a device for every scanner, and none for more."""
        devices = ensure_taps(self._config.scanners, mtu=self._config.engine.mtu)
        attach_scanners(devices, program)
        self._ports.web(devices)
        remove_taps(keep=len(devices))

    def _start_scanners(self, stack: AsyncExitStack, program: Program) -> None:
        config = self._config
        slots = ScannerSlots(program.map_fds["scanners"])
        stack.callback(slots.close)
        self._scanner_paths = ScannerPaths(config.run_dir, config.state_dir, pin_folder(config.run_dir))
        supervisor = ScannerSupervisor(
            config.scanners, ScannerProcesses(self._scanner_paths), MappedSlots(slots), self._scanner_notice
        )
        stack.push_async_callback(supervisor.detach)
        self._scanners = ScannerLink(self._scanner_paths, config.name, config.addresses, supervisor)

    def _reattach(self, ifindex: int) -> None:
        """Exchange the program of an earlier daemon for ours; an interface that is gone is noticed later."""
        try:
            self._ports.ensure_attached(ifindex)
        except HyperwardError as error:
            log.warning("port_not_reattached", ifindex=ifindex, reason=error.line())

    async def _work(self, ready: Callable[[], None]) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._wanted.look_again)
        self._log.write(Kind.SVM_STARTED, "the daemon starts")
        for warning in self._wanted.warnings:
            log.warning("configuration", message=str(warning))
        await self._changes.again()
        await self._until_answering()
        self._ports.gate(is_open=self._engine.pid is not None)
        ready()
        async with asyncio.TaskGroup() as tasks:
            jobs = [
                tasks.create_task(job(), name=name)
                for name, job in (
                    ("engine", self._engine.run),
                    ("files", self._watch_files),
                    ("apply", self._keep_applied),
                    ("shadows", self._keep_shadows),
                    ("events", self._collect),
                    ("web events", self._collect_web),
                    ("databases", self._databases.run),
                    ("housekeeping", self._housekeeping),
                )
            ]
            await stop.wait()
            for job in jobs:
                job.cancel()
        self._log.write(Kind.SVM_STOPPED, "the daemon ends; traffic goes on under the last state")

    async def _until_answering(self) -> None:
        """Wait, within bounds, until the engine is known to answer: what a VM opens before that passes uninspected."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while self._engine.pid is not None and time.monotonic() < deadline:
            if all(self._ports.heartbeat(direction).answered_ns for direction in Direction):
                return
            self._prober.probe()
            await asyncio.sleep(COLLECT_SECONDS)

    def _reload(self) -> None:
        result = self._wanted.reload()
        self._tell.refused_files(result)
        for warning in result.warnings:
            log.warning("configuration", message=str(warning))
        if result.ok:
            self._dirty.set()

    async def _watch_files(self) -> None:
        rules, addresses = self._rule_sets.version(), FileWatch(self._config.addresses)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._changes.busy and self._wanted.changed():
                self._reload()
            version = self._rule_sets.version()
            if version != rules:
                rules = version
                self._dirty.set()
            if addresses.changed():
                self._dirty.set()

    async def _keep_applied(self) -> None:
        while True:
            await self._until_something_changes()
            self._dirty.clear()
            try:
                await self._changes.again()
            except (HyperwardError, OSError) as error:
                text = error.line() if isinstance(error, HyperwardError) else str(error)
                self._tell.not_applied(f"not applied: {text}")

    async def _until_something_changes(self) -> None:
        expires = self._wanted.expires()
        seconds = None if expires is None else max(0.0, (expires - datetime.now(UTC)).total_seconds())
        try:
            async with asyncio.timeout(seconds):
                await self._dirty.wait()
        except TimeoutError:
            return

    async def _apply(self) -> Outcome:
        found = segments()
        self._responder.learn(found, never_block_set(ip_network(text) for text in self._config.never_block))
        indexes = {name: segment.index for name, segment in found.items()}
        since = self._wanted.since
        outcome = await self._applier.apply(self._wanted.ports(), interfaces(), indexes)
        self._rule_sets.forget_all_but(self._applier.rule_files())
        self._shadows_due.set()
        # A change of what the daemon does itself, such as blocking sources, changes no port: it is told all the same.
        self._tell.outcome(outcome, even_without_ports=since != self._told_since)
        self._told_since = since
        return outcome

    async def _keep_shadows(self) -> None:
        told: dict[str, str] = {}
        while True:
            await self._shadows_due.wait()
            self._shadows_due.clear()
            failed = await self._applier.apply_shadows()
            fresh = {interface: why for interface, why in failed.items() if told.get(interface) != why}
            self._tell.idle_shadows(fresh)
            told = failed

    def _notice(self, notice: EngineNotice) -> None:
        if notice.kind in {NoticeKind.CRASHED, NoticeKind.HUNG, NoticeKind.STOPPED}:
            self._ports.gate(is_open=False)
            self._ports.engine_gone()
        elif notice.kind is NoticeKind.STARTED:
            # It answers while it loads its rules, so that it counts as up from the first packet after that.
            self._prober.probe()
        elif notice.kind in {NoticeKind.LOADED, NoticeKind.REFUSED}:
            self._ports.gate(is_open=True)
        self._log.add(event_of_notice(notice, time=datetime.now(UTC), svm=self._config.name))

    async def _collect(self) -> None:
        stuck = ""
        written = FileWatch((engine_settings(self._config).eve_path,))
        looked, caught_up = 0.0, False
        while True:
            # One stat call while nothing happens; a full look once a second whatever the file says.
            if caught_up and not written.changed() and time.monotonic() - looked < HOUSEKEEPING_SECONDS:
                await asyncio.sleep(COLLECT_SECONDS)
                continue
            looked = time.monotonic()
            try:
                collected = self._collector.collect(self._responder.respond)
            except SystemFault as error:
                if error.line() != stuck:
                    log.error("detections_wait", reason=error.line())
                stuck = error.line()
                await asyncio.sleep(HOUSEKEEPING_SECONDS)
                continue
            stuck, caught_up = "", collected.caught_up
            await asyncio.sleep(COLLECT_SECONDS if caught_up else 0)

    def _scanner_notice(self, notice: ScannerNotice) -> None:
        self._log.add(event_of_scanner(notice, time=datetime.now(UTC), svm=self._config.name))

    async def _collect_web(self) -> None:
        """Store what the scanners found; nothing waits for it but people."""
        stuck = ""
        while True:
            try:
                collected = self._web_collector.collect()
            except SystemFault as error:
                if error.line() != stuck:
                    log.error("web_records_wait", reason=error.line())
                stuck = error.line()
                await asyncio.sleep(HOUSEKEEPING_SECONDS)
                continue
            stuck = ""
            await asyncio.sleep(COLLECT_WEB_SECONDS if collected.caught_up else 0)

    async def _blocked(self, _: Mapping[str, str]) -> list[Block]:
        return self._responder.blocked()

    async def _unblock(self, request: Mapping[str, str]) -> list[Block]:
        try:
            address = ip_address(request.get("address", ""))
        except ValueError:
            raise InputError("not an IP address", where=request.get("address", "")) from None
        return self._responder.unblock(address)

    async def _exclusion_rows(self, _: Mapping[str, str]) -> list[dict[str, Any]]:
        return exclusion_report(self._wanted.policies, self._exclusions, now=datetime.now(UTC))

    async def _housekeeping(self) -> None:
        settings = engine_settings(self._config)
        while True:
            self._prober.probe()
            counters = {port_id: self._ports.counters(port_id) for port_id in self._applier.ports_by_id}
            for failure in self._failures.look(counters, time.monotonic()):
                self._tell.failure(failure)
            for notice in self._unusable.look(self._scanners.reports().values()):
                self._scanner_notice(notice)
            self._log.flush()
            self._remember()
            self._responder.expire()
            if file_size(settings.eve_path) > settings.eve_rotate_bytes:
                try:
                    await self._engine.rotate()
                except HyperwardError as error:
                    log.warning("eve_not_rotated", reason=error.line())
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    def _memories(self) -> dict[str, FailureMemory | UnusableMemory]:
        """Return what the next daemon shall know, by the name under which the store keeps it."""
        return {FAILURES: self._failures.memory, UNUSABLE: self._unusable.memory}

    def _remember(self) -> None:
        for name, memory in self._memories().items():
            if memory == self._remembered[name]:
                continue
            try:
                self._store.append([], tail=name, position=memory)
            except SystemFault as error:
                log.debug("not_remembered", what=name, reason=error.line())
            else:
                self._remembered[name] = memory
