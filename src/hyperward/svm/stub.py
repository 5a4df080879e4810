"""Twins of the engine and the rule sets for tests of what drives them."""

from pathlib import Path

from hyperward.errors import HyperwardError
from hyperward.ips.engine.apply import Applied, Refused
from hyperward.ips.engine.plan import Registered, plan
from hyperward.ips.engine.tenants import Desired
from hyperward.policy.resolve import IpsSettings
from hyperward.svm.rulesets import RuleSet, RuleSetInfo
from hyperward.svm.tenantbook import settings_key


class StubEngine:
    """Carries out plans on values. `down` defers them; a tenant in `refuses` is refused."""

    def __init__(self) -> None:
        self.registered = Registered()
        self.desired: list[Desired] = []
        self.down = False
        self.refuses: set[int] = set()

    async def apply(self, desired: Desired) -> Applied:
        """Take over what is desired, as far as the test lets it."""
        self.desired.append(desired)
        if self.down:
            return Applied(deferred=True)
        applied = Applied()
        for step in plan(self.registered, desired):
            if step.tenant in self.refuses:
                applied.refused.append(Refused(step, f"tenant {step.tenant} refused"))
            else:
                self.registered.record(step)
                applied.done += 1
        return applied


class StubRuleSets:
    """Has a rule set for every wish, or fails as told by `fails`."""

    def __init__(self) -> None:
        self.fails: dict[IpsSettings, HyperwardError] = {}
        self.asked: list[IpsSettings] = []
        self.good: dict[IpsSettings, RuleSet] = {}
        self.sources = "1"

    def version(self) -> str:
        """Return what the test says."""
        return self.sources

    async def get(self, settings: IpsSettings) -> RuleSet:
        """Return a rule set whose digest depends on settings and sources."""
        self.asked.append(settings)
        if settings in self.fails:
            raise self.fails[settings]
        digest = f"{settings_key(settings)}{self.sources}"
        return RuleSet(Path(f"/rules/{digest}.rules"), RuleSetInfo(digest, {}, (), 0))

    def last_good(self, settings: IpsSettings) -> RuleSet | None:
        """Return what the test says."""
        return self.good.get(settings)
