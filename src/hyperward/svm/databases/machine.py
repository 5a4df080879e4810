"""What updates need of the machine that they change. The daemon has it; a machine without a daemon has less to do."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from hyperward.databases.contents import InForce
from hyperward.exclusions.scope import needs_observing
from hyperward.policy.actions import WebAction
from hyperward.policy.fields import Mode
from hyperward.policy.resolve import IpsSettings, Variant
from hyperward.svm.change import PolicyChanges
from hyperward.svm.desired import DesiredPort
from hyperward.svm.rulesets import RuleSet, RuleSets
from hyperward.svm.scanners.link import ScannerLink
from hyperward.svm.wanted import Wanted


class Machine(Protocol):
    """Where databases come into force."""

    def tenants(self) -> tuple[IpsSettings, ...]:
        """Return all distinct settings that policies ask rule sets for."""

    def web_actions(self) -> Mapping[str, Mapping[str, WebAction]]:
        """Return what the policy of each VM does with each category of addresses."""

    async def prepare(self, sources: tuple[Path, ...], settings: IpsSettings) -> RuleSet:
        """Compile rules that are not in use yet, as the engine accepts them.

        Raises:
            InputError: a source cannot be used at all.
            EngineFault: the engine could not check the rules.
        """

    async def activate(self, force: InForce, keep: Callable[[], None]) -> None:
        """Bring rules and addresses into force on all VMs, call `keep`, or leave all as it was.

        Raises:
            HyperwardError: what was in force is again.
        """


def tenants_of(ports: Iterable[DesiredPort]) -> tuple[IpsSettings, ...]:
    """Return all distinct settings that ports ask rule sets for, those of most ports first."""
    count: dict[IpsSettings, int] = {}
    for port in ports:
        if port.ips is None:
            continue
        count[port.ips] = count.get(port.ips, 0) + 1
        if port.mode is not Mode.MONITORING and needs_observing(port.exclusions):
            observed = replace(port.ips, variant=Variant.OBSERVE)
            count[observed] = count.get(observed, 0) + 1
    return tuple(sorted(count, key=lambda ips: -count[ips]))


def web_actions_of(ports: Iterable[DesiredPort]) -> dict[str, Mapping[str, WebAction]]:
    """Return what the policy of each VM does with each category of addresses."""
    return {port.vm: port.web.categories for port in ports if port.web is not None}


class DaemonMachine:
    """The machine that the daemon protects.

    Args:
        wanted: what policies and inventory say.
        rule_sets: compiled rules.
        scanners: who use the addresses.
        changes: carries everything out.
    """

    def __init__(self, wanted: Wanted, rule_sets: RuleSets, scanners: ScannerLink, changes: PolicyChanges) -> None:
        self._wanted = wanted
        self._rule_sets = rule_sets
        self._scanners = scanners
        self._changes = changes

    def tenants(self) -> tuple[IpsSettings, ...]:
        """Return all distinct settings that policies ask rule sets for."""
        return tenants_of(self._wanted.ports())

    def web_actions(self) -> Mapping[str, Mapping[str, WebAction]]:
        """Return what the policy of each VM does with each category of addresses."""
        return web_actions_of(self._wanted.ports())

    async def prepare(self, sources: tuple[Path, ...], settings: IpsSettings) -> RuleSet:
        """Compile rules that are not in use yet."""
        return await self._rule_sets.prepare(sources, settings)

    async def activate(self, force: InForce, keep: Callable[[], None]) -> None:
        """Bring rules and addresses into force on all VMs: tenants reload one by one, then the scanners switch."""
        await self._changes.exchange(lambda: self.use(force), keep)

    def use(self, force: InForce) -> Callable[[], None]:
        """Let the next change be carried out with these; return what takes that back."""
        rules, databases = self._rule_sets.sources, self._scanners.databases
        self._rule_sets.use(force.rules)
        self._scanners.use(force.addresses)

        def back() -> None:
            self._rule_sets.use(rules)
            self._scanners.use(databases)

        return back


class RestingMachine:
    """A machine on which no daemon runs: what is chosen comes into force with the next start.

    Args:
        wanted: what policies and inventory say.
        rule_sets: compiled rules, which the daemon finds ready.
    """

    def __init__(self, wanted: Wanted, rule_sets: RuleSets) -> None:
        self._wanted = wanted
        self._rule_sets = rule_sets

    def tenants(self) -> tuple[IpsSettings, ...]:
        """Return all distinct settings that policies ask rule sets for."""
        return tenants_of(self._wanted.ports())

    def web_actions(self) -> Mapping[str, Mapping[str, WebAction]]:
        """Return what the policy of each VM does with each category of addresses."""
        return web_actions_of(self._wanted.ports())

    async def prepare(self, sources: tuple[Path, ...], settings: IpsSettings) -> RuleSet:
        """Compile rules."""
        return await self._rule_sets.prepare(sources, settings)

    async def activate(self, force: InForce, keep: Callable[[], None]) -> None:
        """Only remember."""
        del force
        keep()
