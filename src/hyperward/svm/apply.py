"""Bring the engine and the kernel from what is to what shall be.

Order, so that no VM is ever less protected than both before and after: rule sets are compiled, the ledger is saved, the
engine loads tenants and maps VLAN ids, then ports begin to use them, and what nobody needs any more goes last. What
fails for one VM leaves that VM as it was and the others go on.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from hyperward.errors import HyperwardError
from hyperward.exclusions.scope import needs_observing
from hyperward.ips.engine.apply import Applied
from hyperward.ips.engine.plan import Registered
from hyperward.ips.engine.tenants import Desired, Tenant
from hyperward.policy.fields import FailureAction, Mode
from hyperward.policy.networks import ANY, NetworkSet
from hyperward.policy.resolve import IpsSettings, Variant
from hyperward.steering.layout import Mode as SteeringMode
from hyperward.steering.ports import PortSettings, PortTable
from hyperward.svm.desired import DesiredPort
from hyperward.svm.exclusion_sets import ExclusionSets, SetUse
from hyperward.svm.lanes import Lane, LaneEntry, PortKey
from hyperward.svm.rulesets import RuleSet, RuleSetSource
from hyperward.svm.state import State
from hyperward.svm.tenantbook import TenantEntry, assign, settings_key

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
    """A present port with its lanes and the tenants that they shall have.

    `watched` is the observe lane, for packets that an exclusion says `do_not_block` of; None where no row does and none
    did before.
    """

    port: DesiredPort
    ips: IpsSettings
    ifindex: int
    segment: int
    lane: LaneEntry
    tenant: int | None
    watched: LaneEntry | None
    watched_tenant: int | None


class Applier:
    """Holds what was applied last, and applies what comes next. Calls must not overlap."""

    def __init__(
        self, *, ports: PortTable, engine: Engine, rule_sets: RuleSetSource, state: State, exclusions: ExclusionSets
    ) -> None:
        self._ports = ports
        self._engine = engine
        self._rule_sets = rule_sets
        self._state = state
        self._exclusions = exclusions
        self._desired = Desired()
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
        watched = self._watched(present, links)
        compiled = await self._compile(present, watched, outcome)
        wishes = self._wish(present, links, segments, compiled, watched)
        self._state.save()
        desired = self._desire(wishes, compiled)
        applied = await self._engine.apply(desired)
        self._desired = desired
        # In a thread: events are read and connections reset while a thousand ports change.
        await asyncio.to_thread(self._steer, wishes, applied, outcome)
        await asyncio.to_thread(self._remove, {wish.ifindex for wish in wishes}, outcome)
        for key in self._state.ledger.ports() - {_key(wish.port) for wish in wishes}:
            self._state.ledger.release(key, now=time.time())
        self.ports_by_id.clear()
        self.ports_by_id |= {settings.port_id: settings for settings in self._ports.registered().values()}
        self.ports_by_vid |= {wish.lane.vid: wish.port for wish in wishes}
        self.ports_by_vid |= {wish.watched.vid: wish.port for wish in wishes if wish.watched}
        self.versions_by_vid |= {w.lane.vid: compiled[w.ips].info.digest for w in wishes if w.ips in compiled}
        self.versions_by_vid |= {
            w.watched.vid: compiled[_observed(w.ips)].info.digest
            for w in wishes
            if w.watched and _observed(w.ips) in compiled
        }
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

    def _watched(self, present: list[tuple[DesiredPort, IpsSettings]], links: Mapping[str, int]) -> set[str]:
        """Return the interfaces whose ports need an observe lane, or use one until this change is done."""
        registered = self._ports.registered()
        using = {ifindex for ifindex, settings in registered.items() if settings.observe_vid}
        return {
            port.interface
            for port, _ in present
            if port.mode is not Mode.MONITORING and (needs_observing(port.exclusions) or links[port.interface] in using)
        }

    async def _compile(
        self, present: list[tuple[DesiredPort, IpsSettings]], watched: set[str], outcome: Outcome
    ) -> dict[IpsSettings, RuleSet]:
        compiled: dict[IpsSettings, RuleSet] = {}
        users: dict[IpsSettings, list[str]] = {}
        for port, ips in present:
            users.setdefault(ips, []).append(port.interface)
            if port.interface in watched:
                users.setdefault(_observed(ips), []).append(port.interface)
        for ips, interfaces in users.items():
            try:
                compiled[ips] = await self._rule_sets.get(ips)
            except HyperwardError as error:
                log.error("rule_set_failed", reason=error.line())
                outcome.failed |= dict.fromkeys(interfaces, error.line())
        return compiled

    def _wish(
        self,
        present: list[tuple[DesiredPort, IpsSettings]],
        links: Mapping[str, int],
        segments: Mapping[str, int],
        compiled: Mapping[IpsSettings, RuleSet],
        watched: set[str],
    ) -> list[_Wish]:
        users: dict[str, set[str]] = {}
        for port, ips in present:
            if ips in compiled:
                users.setdefault(settings_key(ips), set()).add(port.interface)
            if port.interface in watched and _observed(ips) in compiled:
                users.setdefault(settings_key(_observed(ips)), set()).add(f"{port.interface}/{Lane.OBSERVE}")
        kept = self._kept_by_failures(
            [(port, lane_of(port)) for port, ips in present if ips not in compiled]
            + [(p, Lane.OBSERVE) for p, ips in present if p.interface in watched and _observed(ips) not in compiled]
        )
        tenants = assign(self._state.tenants, {k: frozenset(v) for k, v in users.items()} | kept)
        self._state.tenants = tenants
        now = time.time()
        wishes = []
        for port, ips in present:
            lane = self._state.ledger.take(_key(port), lane_of(port), vm_name=port.vm, now=now, wanted_id=port.port_id)
            other = None
            if port.interface in watched:
                other = self._state.ledger.take(_key(port), Lane.OBSERVE, vm_name=port.vm, now=now)
            wishes.append(
                _Wish(
                    port,
                    ips,
                    links[port.interface],
                    segments.get(port.interface, 0),
                    lane,
                    self._tenant_of(ips, lane, compiled),
                    other,
                    self._tenant_of(_observed(ips), other, compiled) if other else None,
                )
            )
        return wishes

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
            tenants[entry.id] = _tenant(entry, ips, rule_set)
        return Desired(tenants, mappings)

    def _steer(self, wishes: list[_Wish], applied: Applied, outcome: Outcome) -> None:
        registered = self._ports.registered()
        held = self._engine.registered.mappings
        prepared = self._exclusions.prepare({wish.port.interface: wish.port.exclusions for wish in wishes})
        for wish in wishes:
            name = wish.port.interface
            if not applied.deferred and held.get(wish.lane.vid) != wish.tenant:
                reasons = [one.text for one in applied.refused if one.step.tenant == wish.tenant]
                outcome.failed.setdefault(name, reasons[0] if reasons else "the engine refused its rule set")
            if name in outcome.failed and wish.ifindex not in registered:
                continue
            settings = port_settings(
                wish.port, wish.lane, wish.segment, prepared.uses.get(name) or _use_of(registered.get(wish.ifindex))
            )
            if needs_observing(wish.port.exclusions) and wish.watched is not None:
                # Without rules in the observe lane nothing would be reported: then the rules act.
                ready = applied.deferred or held.get(wish.watched.vid) == wish.watched_tenant is not None
                settings = replace(settings, observe_vid=wish.watched.vid if ready else 0)
            if name in outcome.failed and wish.lane.vid != registered[wish.ifindex].vid:
                continue
            try:
                if registered.get(wish.ifindex) != settings or not self._ports.is_attached(wish.ifindex):
                    self._ports.put(wish.ifindex, settings)
                    outcome.put.append(name)
            except HyperwardError as error:
                outcome.failed[name] = error.line()

        # A port without its exclusions is inspected more, not less: it is registered all the same.
        for name, refused in prepared.failed.items():
            outcome.failed.setdefault(name, refused.line())
        self._settle_exclusions(wishes)

    def _settle_exclusions(self, wishes: list[_Wish]) -> None:
        names = {wish.ifindex: wish.port.interface for wish in wishes}
        try:
            self._exclusions.settle(
                {names.get(ifindex, str(ifindex)): s.exclusion_set for ifindex, s in self._ports.registered().items()}
            )
        except HyperwardError as error:
            log.error("exclusions_not_cleaned", reason=error.line())

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


def port_settings(port: DesiredPort, lane: LaneEntry, segment: int, exclusions: SetUse) -> PortSettings:
    """Return what the kernel is told about a port."""
    return PortSettings(
        port_id=lane.port_id,
        vid=lane.vid,
        mode=SteeringMode.MONITORING if port.mode is Mode.MONITORING else SteeringMode.STANDARD,
        closed_down=port.failure.down is FailureAction.CLOSED,
        closed_busy=port.failure.busy is FailureAction.CLOSED,
        segment=segment,
        exclusion_set=exclusions.number,
        exclusion_version=exclusions.version,
    )


def _use_of(settings: PortSettings | None) -> SetUse:
    return SetUse(settings.exclusion_set, settings.exclusion_version) if settings else SetUse()


def _observed(ips: IpsSettings) -> IpsSettings:
    """Return the same rules, none of which acts."""
    return replace(ips, variant=Variant.OBSERVE)


def _key(port: DesiredPort) -> PortKey:
    return PortKey(port.identity.platform, port.identity.instance, port.interface)


def _tenant(entry: TenantEntry, ips: IpsSettings, rule_set: RuleSet) -> Tenant:
    home, external = _networks(ips.home_net), _networks(ips.external_net)
    version = f"{rule_set.info.digest}/{','.join(home)}/{','.join(external)}"
    return Tenant(entry.id, rule_set.path, version, home, external)


def _networks(networks: NetworkSet) -> tuple[str, ...]:
    """Return networks as the engine takes them: nothing stands for any."""
    return () if networks == ANY else networks
