"""Bring the engine and the kernel from what is to what shall be.

Order, so that no VM is ever less protected than both before and after: rule sets are compiled, the ledger is saved, the
engine loads tenants and maps VLAN ids, then ports begin to use them, and what nobody needs any more goes last. What
fails for one VM leaves that VM as it was and the others go on.

A port whose interface is not there (a VM that is off, or restarts) keeps its VLAN id, and its rules stay loaded: it is
protected again in the moment in which the interface is back. Shadow policies have a step of their own, after all that
acts is in force.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from hyperward.errors import HyperwardError, SystemFault
from hyperward.ips.engine.apply import Applied
from hyperward.ips.engine.plan import Registered
from hyperward.ips.engine.tenants import Desired, Tenant
from hyperward.policy.fields import FailureAction, Mode
from hyperward.policy.networks import ANY, NetworkSet
from hyperward.policy.resolve import IpsSettings
from hyperward.steering.layout import Mode as SteeringMode
from hyperward.steering.ports import PortSettings, PortTable
from hyperward.svm.desired import DesiredPort
from hyperward.svm.lanes import Lane, LaneEntry, PortKey
from hyperward.svm.rulesets import RuleSet, RuleSetInfo, RuleSetSource
from hyperward.svm.shadows import (
    ShadowPort,
    assign_shadows,
    compile_shadows,
    desired_of,
    entries,
    key_of,
    steer_shadows,
    still_shadowed,
)
from hyperward.svm.state import State
from hyperward.svm.tenantbook import assign, settings_key

log = structlog.get_logger(__name__)


class Engine(Protocol):
    """What is needed of the engine's supervisor."""

    @property
    def registered(self) -> Registered:
        """What the running engine holds."""

    async def apply(self, desired: Desired) -> Applied:
        """Bring the engine to another state; kept for later while it is down."""


@dataclass(slots=True)
class Outcome:
    """What came of a change.

    Args:
        put: interfaces registered or changed.
        removed: interface indexes taken out.
        failed: interfaces left as they were, and why.
        missing: interfaces that a policy covers and that do not exist now.
        deferred: the engine is down and gets its part when it runs again.
        problems: rules that could not be used, by the digest of a rule set that is in force for the first time.
    """

    put: list[str] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    deferred: bool = False
    problems: dict[str, RuleSetInfo] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A port with its lane and the tenant that it shall have; `ifindex` is None while its interface is not there."""

    port: DesiredPort
    ips: IpsSettings
    ifindex: int | None
    segment: int
    lane: LaneEntry
    tenant: int | None


class Applier:
    """Holds what was applied last, and applies what comes next."""

    def __init__(self, *, ports: PortTable, engine: Engine, rule_sets: RuleSetSource, state: State) -> None:
        self._ports = ports
        self._engine = engine
        self._rule_sets = rule_sets
        self._state = state
        self._desired = Desired()
        self._shadows = Desired()
        self._wishes: list[_Wish] = []
        self._lock = asyncio.Lock()
        self.ports_by_vid: dict[int, DesiredPort] = {}
        """The port behind a VLAN id as it was applied last."""
        self.versions_by_vid: dict[int, str] = {}
        """The digest of its rule set."""
        self.ports_by_id: dict[int, PortSettings] = {}
        """What is registered in the kernel, by port id."""
        self._told: set[str] = set()

    async def apply(
        self, wanted: Iterable[DesiredPort], links: Mapping[str, int], segments: Mapping[str, int]
    ) -> Outcome:
        """Apply what is wanted to the interfaces that there are.

        Args:
            wanted: the ports that an active policy covers.
            links: index of every interface by name.
            segments: number of the broadcast domain of every interface by name.

        Raises:
            OSError: the daemon's state cannot be saved; nothing was changed.
            SystemFault: the engine's files cannot be written; nothing was changed.
        """
        async with self._lock:
            return await self._apply(wanted, links, segments)

    async def _apply(
        self, wanted: Iterable[DesiredPort], links: Mapping[str, int], segments: Mapping[str, int]
    ) -> Outcome:
        outcome = Outcome()
        covered = [(port, port.ips) for port in wanted if port.ips is not None]
        outcome.missing += [port.interface for port, _ in covered if port.interface not in links]
        compiled = await self._compile(covered, outcome)
        wishes = self._wish(covered, links, segments, compiled, outcome)
        self._state.save()
        desired = self._desire(wishes, compiled)
        self._wishes, self._shadows = wishes, self._kept_shadows(wishes)
        applied = await self._engine.apply(_joined(desired, self._shadows))
        self._desired = desired
        outcome.deferred = applied.deferred
        # In a thread: events are read and connections reset while a thousand ports change.
        await asyncio.to_thread(self._steer, wishes, applied, outcome)
        present = {wish.ifindex for wish in wishes if wish.ifindex is not None}
        await asyncio.to_thread(self._remove, present, outcome)
        for key in self._state.ledger.ports() - {_key(wish.port) for wish in wishes}:
            self._state.ledger.release(key, now=time.time())
        self.ports_by_id.clear()
        self.ports_by_id |= {settings.port_id: settings for settings in self._ports.registered().values()}
        self.ports_by_vid |= {wish.lane.vid: wish.port for wish in wishes}
        self.versions_by_vid |= {w.lane.vid: compiled[w.ips].info.digest for w in wishes if w.ips in compiled}
        self._state.save()
        return outcome

    async def _compile(
        self, covered: list[tuple[DesiredPort, IpsSettings]], outcome: Outcome
    ) -> dict[IpsSettings, RuleSet]:
        compiled: dict[IpsSettings, RuleSet] = {}
        for ips in {ips for _, ips in covered}:
            try:
                compiled[ips] = await self._rule_sets.get(ips)
            except HyperwardError as error:
                log.error("rule_set_failed", reason=error.line())
                outcome.failed |= {port.interface: error.line() for port, wish in covered if wish == ips}
                last_good = self._rule_sets.last_good(ips)
                if last_good is not None:
                    compiled[ips] = last_good
        for rule_set in compiled.values():
            if rule_set.info.problem_count and rule_set.info.digest not in self._told:
                self._told.add(rule_set.info.digest)
                outcome.problems[rule_set.info.digest] = rule_set.info
        return compiled

    def _wish(
        self,
        covered: list[tuple[DesiredPort, IpsSettings]],
        links: Mapping[str, int],
        segments: Mapping[str, int],
        compiled: Mapping[IpsSettings, RuleSet],
        outcome: Outcome,
    ) -> list[_Wish]:
        users: dict[str, set[str]] = {}
        for port, ips in covered:
            if ips in compiled:
                users.setdefault(settings_key(ips), set()).add(port.interface)
        kept = self._kept_by_failures([port for port, ips in covered if ips not in compiled])
        kept |= {key: entry.users for key, entry in entries(self._state.tenants, of_shadows=True).items()}
        tenants = assign(self._state.tenants, {k: frozenset(v) for k, v in users.items()} | kept)
        self._state.tenants = tenants
        now = time.time()
        wishes = []
        for port, ips in covered:
            try:
                lane = self._state.ledger.take(
                    _key(port), lane_of(port), vm_name=port.vm, now=now, wanted_id=port.port_id
                )
            except SystemFault as error:
                outcome.failed[port.interface] = error.line()
                continue
            entry = tenants.get(settings_key(ips)) if ips in compiled else None
            tenant = entry.id if entry else self._desired.mappings.get(lane.vid)
            wishes.append(_Wish(port, ips, links.get(port.interface), segments.get(port.interface, 0), lane, tenant))
        return wishes

    def _kept_by_failures(self, failed: list[DesiredPort]) -> dict[str, frozenset[str]]:
        """Return the entries whose tenants must stay because a port keeps its old rules."""
        kept_ids = set()
        for port in failed:
            lane = self._state.ledger.lanes_of(_key(port)).get(lane_of(port))
            if lane is not None:
                kept_ids.add(self._desired.mappings.get(lane.vid))
        return {key: entry.users for key, entry in self._state.tenants.items() if entry.id in kept_ids}

    def _desire(self, wishes: list[_Wish], compiled: Mapping[IpsSettings, RuleSet]) -> Desired:
        mappings = {wish.lane.vid: wish.tenant for wish in wishes if wish.tenant is not None}
        tenants = {
            number: self._desired.tenants[number] for number in mappings.values() if number in self._desired.tenants
        }
        for ips, rule_set in compiled.items():
            entry = self._state.tenants[settings_key(ips)]
            tenants[entry.id] = tenant_of(entry.id, ips, rule_set)
        return Desired(tenants, mappings)

    def _steer(self, wishes: list[_Wish], applied: Applied, outcome: Outcome) -> None:
        registered = self._ports.registered()
        held = self._engine.registered.mappings
        for wish in wishes:
            if wish.ifindex is None:
                continue
            name = wish.port.interface
            if not applied.deferred and (wish.tenant is None or held.get(wish.lane.vid) != wish.tenant):
                reasons = [refused.text for refused in applied.refused if refused.step.tenant == wish.tenant]
                outcome.failed.setdefault(name, reasons[0] if reasons else "the engine refused its rule set")
                before = registered.get(wish.ifindex)
                if before is None or before.vid != wish.lane.vid:
                    continue
            settings = port_settings(wish.port, wish.lane, wish.segment)
            lane = self._state.ledger.lanes_of(_key(wish.port)).get(Lane.SHADOW)
            shadow_vid = still_shadowed(registered.get(wish.ifindex), lane, wanted=wish.port.shadow is not None)
            settings = replace(settings, shadow_vid=shadow_vid)
            try:
                if registered.get(wish.ifindex) != settings or not self._ports.is_attached(wish.ifindex):
                    self._ports.put(wish.ifindex, settings)
                    outcome.put.append(name)
            except HyperwardError as error:
                outcome.failed[name] = error.line()

    def _kept_shadows(self, wishes: list[_Wish]) -> Desired:
        """Return what the engine holds for shadows and is still wanted: it must not go and come again."""
        lanes = [self._state.ledger.lanes_of(_key(wish.port)) for wish in wishes if wish.port.shadow is not None]
        vids = {lane[Lane.SHADOW].vid for lane in lanes if Lane.SHADOW in lane}
        held = self._engine.registered
        mappings = {
            vid: tenant
            for vid, tenant in self._shadows.mappings.items()
            if vid in vids and _holds(held, self._shadows, vid)
        }
        return Desired({number: self._shadows.tenants[number] for number in mappings.values()}, mappings)

    async def apply_shadows(self) -> dict[str, str]:
        """Bring the shadow policies of what was applied last into force. Never raises for a shadow that cannot be.

        Apart from `apply`, which may be called meanwhile: no change of what acts waits while a shadow is compiled.

        Returns:
            Interfaces whose shadow judges nothing, and why.
        """
        while True:
            wishes, failed = self._wishes, dict[str, str]()
            shadows = [(wish.port.interface, wish.port.shadow) for wish in wishes if wish.port.shadow is not None]
            compiled = await compile_shadows(self._rule_sets, shadows, failed)
            async with self._lock:
                if self._wishes is not wishes:
                    continue
                try:
                    await self._bring_shadows(compiled, failed)
                except (HyperwardError, OSError) as error:
                    reason = error.line() if isinstance(error, HyperwardError) else str(error)
                    failed |= {interface: reason for interface, _ in shadows}
                return failed

    async def _bring_shadows(self, compiled: Mapping[IpsSettings, RuleSet], failed: dict[str, str]) -> None:
        ports = [port for port in self._shadow_ports() if port.shadow.ips in compiled]
        self._state.tenants = assign_shadows(self._state.tenants, ports)
        self._state.save()
        tenants = {
            ips: tenant_of(self._state.tenants[key_of(ips)].id, ips, rule_set) for ips, rule_set in compiled.items()
        }
        in_force = await self._load_shadows(ports, desired_of(ports, tenants))
        failed |= {
            port.interface: f"{port.shadow.policy}: the engine refused its rules"
            for port in ports
            if port not in in_force
        }
        wanted = {port.ifindex: port.vid for port in in_force if port.ifindex is not None}
        await steer_shadows(self._ports, wanted, failed)
        self.versions_by_vid |= {port.vid: compiled[port.shadow.ips].info.digest for port in in_force}
        by_interface = {wish.port.interface: wish.port for wish in self._wishes}
        self.ports_by_vid |= {port.vid: by_interface[port.interface] for port in in_force}

    async def _load_shadows(self, ports: list[ShadowPort], desired: Desired) -> list[ShadowPort]:
        """Load rules of shadows; return the ports for which they are in force, or will be when the engine is back."""
        deferred = False
        if desired != self._shadows:
            deferred = (await self._engine.apply(_joined(self._desired, desired))).deferred
        self._shadows = desired
        held = self._engine.registered
        return [port for port in ports if deferred or _holds(held, desired, port.vid)]

    def _shadow_ports(self) -> list[ShadowPort]:
        ports = []
        for wish in self._wishes:
            if wish.port.shadow is not None:
                lane = self._state.ledger.take(_key(wish.port), Lane.SHADOW, vm_name=wish.port.vm, now=time.time())
                ports.append(ShadowPort(wish.port.interface, wish.ifindex, lane.vid, wish.port.shadow))
        return ports

    def _remove(self, kept: set[int], outcome: Outcome) -> None:
        for ifindex in self._ports.registered().keys() - kept:
            try:
                self._ports.remove(ifindex)
                outcome.removed.append(ifindex)
            except HyperwardError as error:
                outcome.failed[str(ifindex)] = error.line()


def lane_of(port: DesiredPort) -> Lane:
    """Return the lane that the port's packets take: copies in monitoring mode."""
    return Lane.COPY if port.mode is Mode.MONITORING else Lane.ENFORCE


def port_settings(port: DesiredPort, lane: LaneEntry, segment: int) -> PortSettings:
    """Return what the kernel is told about a port."""
    return PortSettings(
        port_id=lane.port_id,
        vid=lane.vid,
        mode=SteeringMode.MONITORING if port.mode is Mode.MONITORING else SteeringMode.STANDARD,
        closed_down=port.failure.down is FailureAction.CLOSED,
        closed_busy=port.failure.busy is FailureAction.CLOSED,
        segment=segment,
    )


def _holds(held: Registered, desired: Desired, vid: int) -> bool:
    """Tell whether the engine has the desired rules, and not older ones, behind a VLAN id."""
    tenant = desired.mappings[vid]
    return held.mappings.get(vid) == tenant and held.tenants.get(tenant) == desired.tenants[tenant].version


def _joined(active: Desired, shadows: Desired) -> Desired:
    """Return what the engine shall hold: what acts first, because it is loaded in this order."""
    return Desired({**active.tenants, **shadows.tenants}, {**active.mappings, **shadows.mappings})


def _key(port: DesiredPort) -> PortKey:
    return PortKey(port.identity.platform, port.identity.instance, port.interface)


def tenant_of(number: int, ips: IpsSettings, rule_set: RuleSet) -> Tenant:
    """Return a compiled rule set with its networks, as the engine loads it."""
    home, external = _networks(ips.home_net), _networks(ips.external_net)
    version = f"{rule_set.info.digest}/{','.join(home)}/{','.join(external)}"
    return Tenant(number, rule_set.path, version, home, external)


def _networks(networks: NetworkSet) -> tuple[str, ...]:
    """Return networks as the engine takes them: nothing stands for any."""
    return () if networks == ANY else networks
