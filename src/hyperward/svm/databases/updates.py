"""Carries a change of databases out: fetch, take in, test, activate, commit. Whatever fails, nothing active changes.

One change at a time; the caller sees to that. The store's ledger is the truth about which version is active: it is
written when the machine uses the version on every VM, and after a crash before that the start brings all back.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol

import msgspec
import structlog

from hyperward.databases.changes.html import html
from hyperward.databases.changes.model import ChangeReport
from hyperward.databases.changes.report import ChangesJob, report_changes
from hyperward.databases.client.fetch import FetchedVersion, fetch_version
from hyperward.databases.client.http import HttpOptions
from hyperward.databases.contents import Contents, InForce, contents_of, rollback_target
from hyperward.databases.errors import disk_faults
from hyperward.databases.manifest import content_id
from hyperward.databases.samples.run import SampleJob, SampleResult, run_samples
from hyperward.databases.store import VersionStore
from hyperward.errors import HyperwardError, InputError
from hyperward.files import write_atomically
from hyperward.fromjson import from_json
from hyperward.ips.engine.settings import EngineSettings
from hyperward.policy.actions import Action
from hyperward.policy.networks import ANY
from hyperward.policy.resolve import IpsSettings, Variant
from hyperward.svm.config import SvmConfig
from hyperward.svm.databases.child import Work, in_child
from hyperward.svm.databases.holding import Held, Preparer, clear, keep_in_force, line_of
from hyperward.svm.databases.machine import Machine
from hyperward.svm.databases.memory import Memory, keep_memory, load_memory, passed_over
from hyperward.svm.databases.place import Place
from hyperward.svm.databases.thread import in_thread
from hyperward.svm.rulesets import RuleSet

KEPT_REPORTS: Final = 20
USUAL: Final = IpsSettings(
    network_attacks=Action.TERMINATE_AND_BLOCK,
    malware=Action.TERMINATE,
    adware=Action.TERMINATE,
    other=None,
    excluded_rules=(),
    home_net=ANY,
    external_net=ANY,
    variant=Variant.ENFORCE,
)
"""What a policy asks for that says nothing; samples are tried with it."""
log = structlog.get_logger(__name__)
Progress = Callable[[str, float | None], None]
"""Told what is done now, and the part of it that is, where that is known."""


class Fetch(Protocol):
    """`fetch_version`, or its twin in tests."""

    def __call__(self, source: str, progress: Callable[[str, int, int | None], None]) -> FetchedVersion:
        """Fetch what a source offers, as `fetch_version`."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a change.

    Args:
        result: `updated`, `rolled back`, `current` (the active version is the latest) or `passed over`.
        before, after: names of versions; equal when nothing changed.
        text: for people.
        report: what changed; None where none was made.
        test_seconds: how long the version was tested.
        activation_seconds: how long it took to bring it into force on all VMs.
    """

    result: str
    before: str
    after: str
    text: str
    report: ChangeReport | None = None
    test_seconds: float = 0.0
    activation_seconds: float = 0.0


class Updates:
    """The databases of an SVM, and changes of them. Call `start` first.

    Args:
        config: of the SVM.
        place: of its databases.
        store: of its versions; used by nobody else.
        machine: where databases come into force.
        engine: settings of the node's engine.
        work: where heavy work is done.
        clock: the time, UTC.
    """

    def __init__(
        self,
        config: SvmConfig,
        place: Place,
        store: VersionStore,
        machine: Machine,
        engine: EngineSettings,
        *,
        work: Work = in_child,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config = config
        self._place = place
        self._store = store
        self._machine = machine
        self._engine = engine
        self._work = work
        self._clock = clock
        self._preparer = Preparer(config, place, work)
        self.held = Held(self._preparer.starter)
        self.memory: Memory = load_memory(place.memory)

    @property
    def store(self) -> VersionStore:
        """The versions."""
        return self._store

    @property
    def replaced(self) -> tuple[bool, bool]:
        """Whether the configuration takes the place of rules, and of addresses, of every version."""
        return bool(self._preparer.replaced.rules), bool(self._preparer.replaced.addresses)

    async def start(self, wary: Callable[[str], None]) -> InForce:
        """Make ready what is in force at a start, whatever happened before.

        Args:
            wary: told what is not as it should be.
        """
        self.held = await self._preparer.start(self._store, wary)
        force = self.force()
        keep_in_force(self._place, force)
        return force

    def force(self) -> InForce:
        """Return what is in force: all layers together."""
        return self.held.force(self._preparer.replaced)

    async def update(
        self,
        source: str,
        *,
        who: str,
        automatic: bool = False,
        progress: Progress = lambda _, __: None,
        http: HttpOptions | None = None,
        fetch: Fetch | None = None,
    ) -> Done:
        """Bring what a source offers into force, if it is another version.

        Args:
            source: folder or address.
            who: asked for it.
            automatic: versions that were rolled back from, or refused a moment ago, are left alone.
            progress: told on the way.
            http: how to reach a web server.
            fetch: how to fetch.

        Raises:
            HyperwardError: nothing active changed.
        """
        self._remember(looked=self._clock(), source=shown(source), failed="")
        digest = ""
        try:
            self._tidy()
            fetched = await self._fetched(source, progress, http, fetch)
            digest = content_id(fetched.raw)
            return await self._take(fetched, digest, who=who, automatic=automatic, progress=progress)
        except (HyperwardError, OSError) as error:
            self._remember(failed=line_of(error), refused=digest, refused_at=self._clock() if digest else None)
            raise clear(error) from error

    async def rollback(self, *, who: str, progress: Progress = lambda _, __: None) -> Done:
        """Bring the version before into force again; the schedule then leaves the one alone that it was.

        Raises:
            HyperwardError: nothing active changed.
        """
        self._tidy()
        ledger = self._store.ledger
        target = rollback_target(ledger.active, ledger.previous, tuple(self._store.numbers()))
        if target is None:
            raise InputError(
                "there is nothing to roll back from: the starter content is in force",
                hint="update first: hyperward db update",
            )
        try:
            done = await self._change(target, who=who, action="rollback", progress=progress)
        except (HyperwardError, OSError) as error:
            raise clear(error) from error
        self._remember(skip=max(self.memory.skip, ledger.active), confirmed=None)
        return done

    async def own(self) -> Held:
        """Check the operator's own files again and bring what is good of them into force.

        Raises:
            HyperwardError: what was in force still is.
        """
        try:
            result = await self._preparer.own()
            held = replace(self.held, own=result.in_force, reports=result.reports)
            force = held.force(self._preparer.replaced)
            changed = _digests(held) != _digests(self.held) or force != self.force()
            if changed:
                await self._machine.activate(force, lambda: None)
        except (HyperwardError, OSError) as error:
            raise clear(error) from error
        self.held = held
        keep_in_force(self._place, force)
        return held

    async def _fetched(
        self, source: str, progress: Progress, http: HttpOptions | None, fetch: Fetch | None
    ) -> FetchedVersion:
        active = None
        try:
            active = self._store.active()
        except InputError as error:
            log.warning("active_version_damaged", reason=error.line())

        def told(what: str, done: int, whole: int | None) -> None:
            progress(f"fetching {what}", done / whole if whole else None)

        if fetch is not None:
            return fetch(source, told)
        databases = self._config.databases
        get = partial(
            fetch_version,
            self._place.trust,
            source,
            self._place.cache,
            held=active.held() if active is not None else None,
            progress=told,
            options=http or HttpOptions(proxy=databases.proxy, ca_file=databases.ca_file),
        )
        return await in_thread(get, "databases-fetch")

    async def _take(
        self, fetched: FetchedVersion, digest: str, *, who: str, automatic: bool, progress: Progress
    ) -> Done:
        number, active = fetched.manifest.version, self._store.ledger.active
        name = self.held.contents.name
        if number == active and not self.held.problem:
            self._remember(confirmed=self._clock(), refused="", refused_at=None)
            return Done("current", name, name, f"version {number} is active and the latest that the source has")
        if automatic and (why := passed_over(self.memory, number, digest, self._clock())):
            return Done("passed over", name, name, why)
        progress(f"taking version {number} in", None)
        await in_thread(partial(self._store.add, fetched.manifest, fetched.files), "databases-store")
        done = await self._change(number, who=who, action="update", progress=progress)
        self._remember(confirmed=self._clock(), refused="", refused_at=None, skip=0)
        return done

    async def _change(self, number: int, *, who: str, action: str, progress: Progress) -> Done:
        began = time.monotonic()
        if number:
            stored = await in_thread(partial(self._store.begin, number, who=who, action=action), "databases-store")
            contents = contents_of(stored, self._preparer.starter)
        else:
            self._store.begin_none(who=who, action=action)
            contents = self._preparer.starter
        try:
            held, report = await self._tested(contents, action, progress)
            self._store.activating()
            activating = time.monotonic()
            progress(f"bringing version {contents.name} into force", None)
            await self._machine.activate(held.force(self._preparer.replaced), partial(self._commit, number))
            activated = time.monotonic()
        except (HyperwardError, OSError) as error:
            self._refuse(line_of(error))
            raise
        before, self.held = self.held.contents, held
        keep_in_force(self._place, self.force())
        await in_thread(self._clean, "databases-clean")
        return Done(
            result="updated" if action == "update" else "rolled back",
            before=before.name,
            after=contents.name,
            text=report.summary() if report is not None else "",
            report=report,
            test_seconds=activating - began,
            activation_seconds=activated - activating,
        )

    async def _tested(self, contents: Contents, action: str, progress: Progress) -> tuple[Held, ChangeReport | None]:
        """Return what would be in force, once everything was tried beside what is."""
        back = action != "update"
        progress("building and trying the address database", None)
        database = await self._preparer.addresses(contents, tried=back)
        held = replace(self.held, contents=contents, database=database, problem="")
        samples_before, samples = None, None
        if not self._preparer.replaced.rules:
            await self._try_tenants(held.force(self._preparer.replaced), progress)
            if not back:
                progress("trying the built-in samples", None)
                samples_before = await self._samples_of(self.held.contents)
                samples = await self._try_samples(contents)
        if back:
            return held, None
        progress("comparing with what is in force", None)
        return held, await self._report(held, samples_before, samples)

    async def _try_tenants(self, force: InForce, progress: Progress) -> None:
        wishes = self._machine.tenants()
        for number, ips in enumerate(wishes):
            progress(f"compiling rules ({number + 1} of {len(wishes)} rule sets)", number / len(wishes))
            _not_spoilt(await self._machine.prepare(force.rules, ips), force.version)

    async def _try_samples(self, contents: Contents) -> SampleResult:
        rule_set = await self._machine.prepare(contents.rules, USUAL)
        _not_spoilt(rule_set, contents.name)
        result = await self._work(run_samples, SampleJob(rule_set.path, self._engine))
        if result.harmed:
            sample, rule = next(iter(result.harmed.items()))
            raise InputError(
                f"version {contents.name} stops harmless traffic: the sample '{sample}' by the rule {rule}",
                hint="tell the publisher; what is in force stays",
            )
        self._keep(f"samples-{contents.name}.json", msgspec.json.encode(result))
        return result

    async def _samples_of(self, contents: Contents) -> SampleResult | None:
        """Return what became of the samples under a version; None when nobody knows."""
        try:
            return from_json(self._place.samples(contents.name).read_bytes(), SampleResult)
        except (OSError, ValueError):
            pass
        try:
            return await self._try_samples(contents)
        except HyperwardError as error:
            log.info("samples_of_before_unknown", version=contents.name, reason=error.line())
            return None

    async def _report(self, held: Held, before: SampleResult | None, after: SampleResult | None) -> ChangeReport:
        old, fresh = self.held, held
        names = (old.contents.name, fresh.contents.name)
        file = self._place.report(*names)
        job = ChangesJob(
            before=old.contents,
            after=fresh.contents,
            now=self._clock(),
            databases_before=old.force(self._preparer.replaced).addresses,
            databases_after=fresh.force(self._preparer.replaced).addresses,
            events=self._config.state_dir / "events.db",
            actions=self._machine.web_actions(),
            samples_before=before,
            samples_after=after,
            full_list=file.with_suffix(".csv.gz"),
        )
        report = await self._work(report_changes, job)
        self._keep(file.name, msgspec.json.encode(report))
        self._keep(file.with_suffix(".html").name, html(report).encode())
        return report

    def _commit(self, number: int) -> None:
        """Make it the active version, for good."""
        try:
            self._store.commit()
        except HyperwardError as error:
            # The ledger was written, only the line of the history was not: the next start of the store writes it.
            if self._store.ledger.attempt is None and self._store.ledger.active == number:
                log.warning("history_incomplete", reason=error.line())
                return
            raise

    def _refuse(self, reason: str) -> None:
        try:
            self._store.refuse(reason)
        except HyperwardError as error:
            log.error("refusal_not_noted", reason=error.line())

    def _tidy(self) -> None:
        """End a change that an earlier fault left open: nothing of it is in force."""
        if self._store.ledger.attempt is not None:
            self._store.refuse("it was left open by a fault before")

    def _clean(self) -> None:
        """Remove versions, databases and reports that nobody needs any more."""
        try:
            self._store.prune()
            kept = {str(number) for number in self._store.numbers()} | {"starter"}
            using = {path.name for path in self.force().addresses}
            for path in self._place.built.glob("addresses-*.hwdb"):
                if path.name.split("-")[1] not in kept and path.name not in using:
                    path.unlink(missing_ok=True)
            reports = sorted(self._place.reports.glob("changes-*.json"), key=lambda path: path.stat().st_mtime)
            for path in reports[:-KEPT_REPORTS]:
                for suffix in (".json", ".html", ".csv.gz"):
                    path.with_suffix(suffix).unlink(missing_ok=True)
        except (HyperwardError, OSError) as error:
            log.warning("databases_not_cleaned", reason=line_of(error))

    def _keep(self, name: str, content: bytes) -> None:
        path = self._place.reports / name
        with disk_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content, mode=0o644)

    def _remember(self, **changes: object) -> None:
        self.memory = msgspec.structs.replace(self.memory, **changes)
        keep_memory(self._place.memory, self.memory)


def _not_spoilt(rule_set: RuleSet, version: str) -> None:
    """Refuse a version of whose rules most cannot be used: it is for another engine, or damaged by its publisher."""
    used = sum(rule_set.info.counts.values())
    if rule_set.info.problem_count > used:
        first = rule_set.info.problems[0] if rule_set.info.problems else ""
        raise InputError(
            f"version {version}: {used} rules can be used, {rule_set.info.problem_count} cannot ({first})",
            hint="tell the publisher; what is in force stays",
        )


def _digests(held: Held) -> list[tuple[str, str]]:
    return [(one.path, one.digest) for one in held.reports]


def shown(source: str) -> str:
    """Return a source without user and password."""
    scheme, mark, rest = source.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else source
