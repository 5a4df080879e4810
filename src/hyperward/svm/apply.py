"""Bring the engine and the kernel from what is to what shall be.

Order, so that no VM is ever less protected than both before and after: rule sets are compiled, the ledger is saved, the
engine loads tenants and maps VLAN ids, then ports begin to use them, and what nobody needs any more goes last. What
fails for one VM leaves that VM as it was and the others go on. Shadow policies have a step of their own, after all that
acts is in force.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from hyperward.errors import HyperwardError
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
from hyperward.svm.rulesets import RuleSet, RuleSetSource
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
    """

    put: list[str] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A present port with its lane and the tenant that it shall have."""

    port: DesiredPort
    ips: IpsSettings
    ifindex: int
    segment: int
    lane: LaneEntry
    tenant: int | None


class Applier:
    """Holds what was applied last, and applies what comes next. Calls must not overlap."""

    def __init__(self, *, ports: PortTable, engine: Engine, rule_sets: RuleSetSource, state: State) -> None:
        self._ports = ports
        self._engine = engine
        self._rule_sets = rule_sets
        self._state = state
        self._desired = Desired()
        self._shadows = Desired()
        self._wishes: list[_Wish] = []
        self.ports_by_vid: dict[int, DesiredPort] = {}
        """The port behind a VLAN id as it was applied last."""
        self.versions_by_vid: dict[int, str] = {}
        """The digest of its rule set."""
        self.ports_by_id: dict[int, PortSettings] = {}
        """What is registered in the kernel, by port id."""

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
        outcome = Outcome()
        present = self._present(wanted, links, outcome)
        compiled = await self._compile({ips for _, ips in present}, present, outcome)
        wishes = self._wish(present, links, segments, compiled)
        self._state.save()
        desired = self._desire(wishes, compiled)
        self._wishes, self._shadows = wishes, self._kept_shadows(wishes)
        applied = await self._engine.apply(_joined(desired, self._shadows))
        self._desired = desired
        # In a thread: events are read and connections reset while a thousand ports change.
        await asyncio.to_thread(self._steer, wishes, applied, outcome)
        await asyncio.to_thread(self._remove, {wish.ifindex for wish in wishes}, outcome)
        for key in self._state.ledger.ports() - {_key(wish.port) for wish in wishes}:
            self._state.ledger.release(key, now=time.time())
        self.ports_by_id.clear()
        self.ports_by_id |= {settings.port_id: settings for settings in self._ports.registered().values()}
        self.ports_by_vid |= {wish.lane.vid: wish.port for wish in wishes}
        self.versions_by_vid |= {w.lane.vid: compiled[w.ips].info.digest for w in wishes if w.ips in compiled}
        self._state.save()
        return outcome

    def _present(
        self, wanted: Iterable[DesiredPort], links: Mapping[str, int], outcome: Outcome
    ) -> list[tuple[DesiredPort, IpsSettings]]:
        present = []
        for port in wanted:
            if port.ips is None:
                continue
            if port.interface in links:
                present.append((port, port.ips))
            else:
                outcome.missing.append(port.interface)
        return present

    async def _compile(
        self, needed: set[IpsSettings], present: list[tuple[DesiredPort, IpsSettings]], outcome: Outcome
    ) -> dict[IpsSettings, RuleSet]:
        compiled: dict[IpsSettings, RuleSet] = {}
        for ips in needed:
            try:
                compiled[ips] = await self._rule_sets.get(ips)
            except HyperwardError as error:
                log.error("rule_set_failed", reason=error.line())
                outcome.failed |= {port.interface: error.line() for port, wish in present if wish == ips}
        return compiled

    def _wish(
        self,
        present: list[tuple[DesiredPort, IpsSettings]],
        links: Mapping[str, int],
        segments: Mapping[str, int],
        compiled: Mapping[IpsSettings, RuleSet],
    ) -> list[_Wish]:
        users: dict[str, set[str]] = {}
        for port, ips in present:
            if ips in compiled:
                users.setdefault(settings_key(ips), set()).add(port.interface)
        kept = self._kept_by_failures([port for port, ips in present if ips not in compiled])
        kept |= {key: entry.users for key, entry in entries(self._state.tenants, of_shadows=True).items()}
        tenants = assign(self._state.tenants, {k: frozenset(v) for k, v in users.items()} | kept)
        self._state.tenants = tenants
        now = time.time()
        wishes = []
        for port, ips in present:
            lane = self._state.ledger.take(_key(port), lane_of(port), vm_name=port.vm, now=now, wanted_id=port.port_id)
            entry = tenants.get(settings_key(ips)) if ips in compiled else None
            tenant = entry.id if entry else self._desired.mappings.get(lane.vid)
            wishes.append(_Wish(port, ips, links[port.interface], segments.get(port.interface, 0), lane, tenant))
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
            name = wish.port.interface
            if not applied.deferred and held.get(wish.lane.vid) != wish.tenant:
                reasons = [refused.text for refused in applied.refused if refused.step.tenant == wish.tenant]
                outcome.failed.setdefault(name, reasons[0] if reasons else "the engine refused its rule set")
            if name in outcome.failed and wish.ifindex not in registered:
                continue
            settings = port_settings(wish.port, wish.lane, wish.segment)
            lane = self._state.ledger.lanes_of(_key(wish.port)).get(Lane.SHADOW)
            shadow_vid = still_shadowed(registered.get(wish.ifindex), lane, wanted=wish.port.shadow is not None)
            settings = replace(settings, shadow_vid=shadow_vid)
            if name in outcome.failed and wish.lane.vid != registered[wish.ifindex].vid:
                continue
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
            if vid in vids and held.mappings.get(vid) == tenant and tenant in held.tenants
        }
        return Desired({number: self._shadows.tenants[number] for number in mappings.values()}, mappings)

    async def apply_shadows(self) -> dict[str, str]:
        """Bring the shadow policies of what was applied last into force. Never raises for a shadow that cannot be.

        Apart from `apply`, because compiling and loading a shadow's rules must keep nothing that acts waiting.

        Returns:
            Interfaces whose shadow judges nothing, and why.
        """
        failed: dict[str, str] = {}
        try:
            ports = self._shadow_ports()
            compiled = await compile_shadows(self._rule_sets, ports, failed)
            ports = [port for port in ports if port.shadow.ips in compiled]
            self._state.tenants = assign_shadows(self._state.tenants, ports)
            self._state.save()
            tenants = {
                ips: tenant_of(self._state.tenants[key_of(ips)].id, ips, rule_set) for ips, rule_set in compiled.items()
            }
            in_force = await self._load_shadows(ports, desired_of(ports, tenants))
            failed |= {
                p.interface: f"{p.shadow.policy}: the engine refused its rules" for p in ports if p not in in_force
            }
            await steer_shadows(self._ports, {port.ifindex: port.vid for port in in_force}, failed)
            self.versions_by_vid |= {port.vid: compiled[port.shadow.ips].info.digest for port in in_force}
            by_interface = {wish.port.interface: wish.port for wish in self._wishes}
            self.ports_by_vid |= {port.vid: by_interface[port.interface] for port in in_force}
        except (HyperwardError, OSError) as error:
            reason = error.line() if isinstance(error, HyperwardError) else str(error)
            failed |= {wish.port.interface: reason for wish in self._wishes if wish.port.shadow is not None}
        return failed

    async def _load_shadows(self, ports: list[ShadowPort], desired: Desired) -> list[ShadowPort]:
        """Load rules of shadows; return the ports for which they are in force, or will be when the engine is back."""
        deferred = False
        if desired != self._shadows:
            deferred = (await self._engine.apply(_joined(self._desired, desired))).deferred
        self._shadows = desired
        held = self._engine.registered.mappings
        return [port for port in ports if deferred or held.get(port.vid) == desired.mappings[port.vid]]

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
