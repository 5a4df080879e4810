"""Twins of the engine, the rule sets and the tables of exclusions for tests of what drives them."""

from collections.abc import Iterable
from pathlib import Path

from hyperward.errors import HyperwardError
from hyperward.exclusions.image import Delta, Entry
from hyperward.exclusions.prefixes import Prefix
from hyperward.ips.engine.apply import Applied, Refused
from hyperward.ips.engine.plan import Registered, plan
from hyperward.ips.engine.tenants import Desired
from hyperward.policy.resolve import IpsSettings
from hyperward.steering.layout import ExclusionHits
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


class StubTables:
    """Holds sets of exclusions by number, or refuses the numbers in `full`. `written` counts entries."""

    def __init__(self) -> None:
        self.sets: dict[int, dict[tuple[int, Prefix], Entry]] = {}
        self.counted: dict[int, ExclusionHits] = {}
        self.full: dict[int, HyperwardError] = {}
        self.written = 0

    def apply(self, number: int, delta: Delta) -> None:
        """Take over a change, or fail as told."""
        if number in self.full:
            raise self.full[number]
        self.written += delta.size
        held = self.sets.setdefault(number, {})
        for version, entries in delta.put.items():
            held |= {(version, key): entry for key, entry in entries.items()}
            for key in delta.gone[version]:
                del held[version, key]
        if not held:
            del self.sets[number]

    def clean(self) -> None:
        """Nothing is left over here."""

    def drop_all_but(self, kept: Iterable[int]) -> None:
        """Forget the other sets."""
        numbers = set(kept)
        self.sets = {number: held for number, held in self.sets.items() if number in numbers}

    def hits(self) -> dict[int, ExclusionHits]:
        """Return what the test says."""
        return dict(self.counted)

    def forget_hits(self, kept: Iterable[int]) -> None:
        """Forget the other rows."""
        rows = set(kept)
        self.counted = {row: hits for row, hits in self.counted.items() if row in rows}
