"""Bring the engine and the kernel from what is to what shall be.

Order, so that no VM is ever less protected than both before and after: rule sets are compiled, the ledger is saved, the
engine loads tenants and maps VLAN ids, then ports begin to use them, and what nobody needs any more goes last. What
fails for one VM leaves that VM as it was and the others go on.

The web scanners are told what to follow before a port is switched to them, and forget a port after it was switched off.

A port whose interface is not there (a VM that is off, or restarts) keeps its VLAN id, and its rules stay loaded: it is
protected again in the moment in which the interface is back. Shadow policies have a step of their own, after all that
acts is in force.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import structlog

from hyperward.errors import HyperwardError, SystemFault
from hyperward.exclusions.scope import needs_observing
from hyperward.ips.engine.apply import Applied
from hyperward.ips.engine.plan import Registered
from hyperward.ips.engine.tenants import Desired, Tenant
from hyperward.policy.fields import FailureAction, Mode
from hyperward.policy.networks import ANY, NetworkSet
from hyperward.policy.resolve import IpsSettings, Variant
from hyperward.steering.layout import Mode as SteeringMode
from hyperward.steering.layout import Web
from hyperward.steering.ports import PortSettings, PortTable
from hyperward.svm.desired import DesiredPort
from hyperward.svm.exclusion_sets import ExclusionSets, Prepared, SetUse
from hyperward.svm.lanes import Lane, LaneEntry, PortKey
from hyperward.svm.rulesets import RuleSet, RuleSetInfo, RuleSetSource
from hyperward.svm.scanners.link import Scanners
from hyperward.svm.scanners.settings import ScannedPort
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
from hyperward.svm.webscan import WebSteps, web_parts

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
    """A port with its lanes and the tenants that they shall have; `ifindex` is None while its interface is not there.

    A port without Intrusion Prevention has its lane all the same, because that holds the port's id.

    `watched` is the observe lane, for packets that an exclusion says `do_not_block` of; None where no row does and none
    did before.
    """

    port: DesiredPort
    ips: IpsSettings | None
    ifindex: int | None
    segment: int
    lane: LaneEntry
    tenant: int | None
    watched: LaneEntry | None
    watched_tenant: int | None


class Applier:
    """Holds what was applied last, and applies what comes next."""

    def __init__(
        self,
        *,
        ports: PortTable,
        engine: Engine,
        rule_sets: RuleSetSource,
        state: State,
        exclusions: ExclusionSets,
        scanners: Scanners,
    ) -> None:
        self._ports = ports
        self._engine = engine
        self._rule_sets = rule_sets
        self._state = state
        self._exclusions = exclusions
        self._web = WebSteps(ports, scanners)
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
        self.applied_by_id: dict[int, DesiredPort] = {}
        """The port with a port id as it was applied last."""
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
        covered = [port for port in wanted if port.ips is not None or port.web is not None]
        inspected = [(port, port.ips) for port in covered if port.ips is not None]
        outcome.missing += [port.interface for port in covered if port.interface not in links]
        watched = self._watched(inspected, links)
        compiled = await self._compile(inspected, watched, outcome)
        wishes = self._wish(covered, links, segments, compiled, watched=watched, outcome=outcome)
        self._state.save()
        desired = self._desire(wishes, compiled)
        self._wishes, self._shadows = wishes, self._kept_shadows(wishes)
        applied = await self._engine.apply(_joined(desired, self._shadows))
        self._desired = desired
        outcome.deferred = applied.deferred
        scanned = {
            wish.lane.port_id: ScannedPort(wish.port.vm, wish.port.policy, wish.port.web)
            for wish in wishes
            if wish.port.web is not None
        }
        refused = await self._web.before(scanned)
        # In a thread: events are read and connections reset while a thousand ports change.
        await asyncio.to_thread(self._steer, wishes, applied, outcome, refused)
        present = {wish.ifindex for wish in wishes if wish.ifindex is not None}
        await asyncio.to_thread(self._remove, present, outcome)
        await self._web.after(scanned)
        await asyncio.to_thread(self._settle, wishes)
        for key in self._state.ledger.ports() - {_key(wish.port) for wish in wishes}:
            self._state.ledger.release(key, now=time.time())
        self.ports_by_id.clear()
        self.ports_by_id |= {settings.port_id: settings for settings in self._ports.registered().values()}
        self.ports_by_vid |= {wish.lane.vid: wish.port for wish in wishes}
        self.applied_by_id |= {wish.lane.port_id: wish.port for wish in wishes}
        for wish in wishes:
            if wish.ips in compiled:
                self.versions_by_vid[wish.lane.vid] = compiled[wish.ips].info.digest
            if wish.watched is not None and wish.ips is not None:
                self.ports_by_vid[wish.watched.vid] = wish.port
                if _observed(wish.ips) in compiled:
                    self.versions_by_vid[wish.watched.vid] = compiled[_observed(wish.ips)].info.digest
        self._state.save()
        return outcome

    def _watched(self, covered: list[tuple[DesiredPort, IpsSettings]], links: Mapping[str, int]) -> set[str]:
        """Return the interfaces whose ports need an observe lane, or use one until this change is done."""
        registered = self._ports.registered()
        using = {ifindex for ifindex, settings in registered.items() if settings.observe_vid}
        return {
            port.interface
            for port, _ in covered
            if port.mode is not Mode.MONITORING
            and (needs_observing(port.exclusions) or links.get(port.interface) in using)
        }

    def rule_files(self) -> set[Path]:
        """Return the rule files that the engine holds, or shall hold when it is back."""
        return {tenant.rules_path for held in (self._desired, self._shadows) for tenant in held.tenants.values()}

    async def _compile(
        self, covered: list[tuple[DesiredPort, IpsSettings]], watched: set[str], outcome: Outcome
    ) -> dict[IpsSettings, RuleSet]:
        compiled: dict[IpsSettings, RuleSet] = {}
        users: dict[IpsSettings, list[str]] = {}
        for port, ips in covered:
            users.setdefault(ips, []).append(port.interface)
            if port.interface in watched:
                users.setdefault(_observed(ips), []).append(port.interface)
        for ips, interfaces in users.items():
            try:
                compiled[ips] = await self._rule_sets.get(ips)
            except HyperwardError as error:
                log.error("rule_set_failed", reason=error.line())
                outcome.failed |= dict.fromkeys(interfaces, error.line())
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
        covered: list[DesiredPort],
        links: Mapping[str, int],
        segments: Mapping[str, int],
        compiled: Mapping[IpsSettings, RuleSet],
        *,
        watched: set[str],
        outcome: Outcome,
    ) -> list[_Wish]:
        users: dict[str, set[str]] = {}
        inspected = [(port, port.ips) for port in covered if port.ips is not None]
        for port, ips in inspected:
            if ips in compiled:
                users.setdefault(settings_key(ips), set()).add(port.interface)
            if port.interface in watched and _observed(ips) in compiled:
                users.setdefault(settings_key(_observed(ips)), set()).add(f"{port.interface}/{Lane.OBSERVE}")
        kept = self._kept_by_failures(
            [(port, lane_of(port)) for port, ips in inspected if ips not in compiled]
            + [(p, Lane.OBSERVE) for p, ips in inspected if p.interface in watched and _observed(ips) not in compiled]
        )
        kept |= {key: entry.users for key, entry in entries(self._state.tenants, of_shadows=True).items()}
        tenants = assign(self._state.tenants, {k: frozenset(v) for k, v in users.items()} | kept)
        self._state.tenants = tenants
        now = time.time()
        wishes = []
        for port in covered:
            lane = self._take(port, lane_of(port), now, outcome)
            if lane is None:
                continue
            other = self._take(port, Lane.OBSERVE, now, outcome) if port.interface in watched else None
            observed = _observed(port.ips) if port.ips and other else None
            wishes.append(
                _Wish(
                    port=port,
                    ips=port.ips,
                    ifindex=links.get(port.interface),
                    segment=segments.get(port.interface, 0),
                    lane=lane,
                    tenant=self._tenant_of(port.ips, lane, compiled) if port.ips else None,
                    watched=other,
                    watched_tenant=self._tenant_of(observed, other, compiled) if observed and other else None,
                )
            )
        return wishes

    def _take(self, port: DesiredPort, lane: Lane, now: float, outcome: Outcome) -> LaneEntry | None:
        try:
            return self._state.ledger.take(_key(port), lane, vm_name=port.vm, now=now, wanted_id=port.port_id)
        except SystemFault as error:
            outcome.failed[port.interface] = error.line()
            return None

    def _tenant_of(self, ips: IpsSettings, lane: LaneEntry, compiled: Mapping[IpsSettings, RuleSet]) -> int | None:
        """Return the tenant of a lane: for the settings wanted, or the one that it has where those have no rule set."""
        entry = self._state.tenants.get(settings_key(ips)) if ips in compiled else None
        return entry.id if entry else self._desired.mappings.get(lane.vid)

    def _kept_by_failures(self, failed: list[tuple[DesiredPort, Lane]]) -> dict[str, frozenset[str]]:
        """Return the entries whose tenants must stay because a port keeps its old rules."""
        kept_ids = set()
        for port, which in failed:
            lane = self._state.ledger.lanes_of(_key(port)).get(which)
            if lane is not None:
                kept_ids.add(self._desired.mappings.get(lane.vid))
        return {key: entry.users for key, entry in self._state.tenants.items() if entry.id in kept_ids}

    def _desire(self, wishes: list[_Wish], compiled: Mapping[IpsSettings, RuleSet]) -> Desired:
        mappings = {wish.lane.vid: wish.tenant for wish in wishes if wish.tenant is not None}
        mappings |= {
            wish.watched.vid: wish.watched_tenant
            for wish in wishes
            if wish.watched is not None and wish.watched_tenant is not None
        }
        tenants = {
            number: self._desired.tenants[number] for number in mappings.values() if number in self._desired.tenants
        }
        for ips, rule_set in compiled.items():
            entry = self._state.tenants[settings_key(ips)]
            tenants[entry.id] = tenant_of(entry.id, ips, rule_set)
        return Desired(tenants, mappings)

    def _steer(self, wishes: list[_Wish], applied: Applied, outcome: Outcome, no_scan: str) -> None:
        registered = self._ports.registered()
        prepared = self._exclusions.prepare(
            {wish.port.interface: wish.port.exclusions for wish in wishes if wish.ifindex is not None}
        )
        for wish in wishes:
            if wish.ifindex is None:
                continue
            name, before = wish.port.interface, registered.get(wish.ifindex)
            vid = self._vid(wish, before, applied, outcome)
            web = _web(wish, before, no_scan, outcome)
            if vid is None or not (vid or web):
                continue
            settings = replace(self._settings(wish, prepared, before, applied), vid=vid, web=web)
            lane = self._state.ledger.lanes_of(_key(wish.port)).get(Lane.SHADOW)
            shadow_vid = still_shadowed(before, lane, wanted=wish.port.shadow is not None)
            settings = replace(settings, shadow_vid=shadow_vid)
            try:
                if before != settings or not self._ports.is_attached(wish.ifindex):
                    self._ports.put(wish.ifindex, settings)
                    outcome.put.append(name)
            except HyperwardError as error:
                outcome.failed[name] = error.line()

        # A port without its exclusions is inspected more, not less: it is registered all the same.
        for name, refused in prepared.failed.items():
            outcome.failed.setdefault(name, refused.line())

    def _vid(self, wish: _Wish, before: PortSettings | None, applied: Applied, outcome: Outcome) -> int | None:
        """Return the VLAN id under which a port's packets go to the engine, 0 for none; None: it stays as it is."""
        vid = wish.lane.vid
        if wish.ips is None:
            return 0
        if applied.deferred or _holds(self._engine.registered, self._desired, vid):
            return vid
        reasons = [one.text for one in applied.refused if one.step.tenant == wish.tenant]
        outcome.failed.setdefault(wish.port.interface, reasons[0] if reasons else "the engine refused its rule set")
        if before is None or before.vid == 0:
            # What one feature lacks does not keep the other from its work.
            return 0
        return vid if before.vid == vid else None

    def _settings(self, wish: _Wish, prepared: Prepared, before: PortSettings | None, applied: Applied) -> PortSettings:
        use = prepared.uses.get(wish.port.interface)
        if use is None:
            use = SetUse(before.exclusion_set, before.exclusion_version) if before else SetUse()
        observe = 0
        if wish.watched is not None and wish.watched_tenant is not None and needs_observing(wish.port.exclusions):
            # Without rules in the observe lane nothing would be reported: then the rules act.
            held = self._engine.registered.mappings.get(wish.watched.vid)
            observe = wish.watched.vid if applied.deferred or held == wish.watched_tenant else 0
        return port_settings(wish.port, wish.lane, wish.segment, use, observe)

    def _settle(self, wishes: list[_Wish]) -> None:
        names = {wish.ifindex: wish.port.interface for wish in wishes}
        try:
            self._exclusions.settle(
                {names.get(ifindex, str(ifindex)): s.exclusion_set for ifindex, s in self._ports.registered().items()}
            )
        except HyperwardError as error:
            log.error("exclusions_not_cleaned", reason=error.line())

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


def _web(wish: _Wish, before: PortSettings | None, no_scan: str, outcome: Outcome) -> Web:
    """Return which packets of a port go to the scanners; where these do not follow, as many as before."""
    if wish.port.web is None or not no_scan:
        return web_parts(wish.port.web)
    outcome.failed.setdefault(wish.port.interface, no_scan)
    return before.web if before is not None else Web.NONE


def lane_of(port: DesiredPort) -> Lane:
    """Return the lane that the port's packets take: copies in monitoring mode."""
    return Lane.COPY if port.mode is Mode.MONITORING else Lane.ENFORCE


def port_settings(
    port: DesiredPort, lane: LaneEntry, segment: int, exclusions: SetUse, observe_vid: int
) -> PortSettings:
    """Return what the kernel is told about a port."""
    return PortSettings(
        port_id=lane.port_id,
        vid=lane.vid,
        mode=SteeringMode.MONITORING if port.mode is Mode.MONITORING else SteeringMode.STANDARD,
        closed_down=port.failure.down is FailureAction.CLOSED,
        closed_busy=port.failure.busy is FailureAction.CLOSED,
        segment=segment,
        observe_vid=observe_vid,
        exclusion_set=exclusions.number,
        exclusion_version=exclusions.version,
    )


def _observed(ips: IpsSettings) -> IpsSettings:
    """Return the same rules, none of which acts."""
    return replace(ips, variant=Variant.OBSERVE)


def _holds(held: Registered, desired: Desired, vid: int) -> bool:
    """Tell whether the engine has the desired rules, and not older ones, behind a VLAN id."""
    tenant = desired.mappings.get(vid)
    if tenant is None or tenant not in desired.tenants:
        return False
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
