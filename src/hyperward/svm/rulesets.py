"""Compiled rule sets on disk: one file for each distinct wish of the policies, built once and kept.

Reading and compiling 25,000 rules takes seconds and some hundred megabytes, so it is done in a child process: the
daemon goes on reading events, and the memory goes with the child. The name of a rule set says everything that decides
its bytes (sources by path, size and time; options; version of the package), so a restart compiles nothing.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import msgspec

from hyperward.errors import EngineFault, SystemFault
from hyperward.files import write_atomically
from hyperward.fromjson import from_json
from hyperward.ips.rules.check import compile_checked
from hyperward.ips.rules.data import class_table_path, starter_rules_path
from hyperward.ips.rules.exclusion import parse_exclusion
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.source import read_rules
from hyperward.policy.resolve import IpsSettings

_NAME = re.compile(r"[0-9a-f]{32}")
MAX_PROBLEMS_KEPT = 1000
"""Of the rules that could not be used, so many are named in the summary; the count is always complete."""
KEPT_UNUSED = 16
"""Rule sets that are kept although nobody uses them now; one of Emerging Threats takes 20 MB."""


class RuleSetInfo(msgspec.Struct, frozen=True):
    """What is known of a compiled rule set.

    Attributes:
        digest: SHA-256 of its bytes.
        counts: rules by `CLASS/ENGINE ACTION`.
        problems: `file:line: sid: reason` of rules that could not be used, the first thousand.
        problem_count: how many there are.
    """

    digest: str
    counts: dict[str, int]
    problems: tuple[str, ...]
    problem_count: int


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A compiled rule set on disk."""

    path: Path
    info: RuleSetInfo


class RuleSetSource(Protocol):
    """Where the daemon gets rule sets from. `RuleSets` compiles, `StubRuleSets` is its twin for tests."""

    def version(self) -> str:
        """Return what changes whenever the sources do."""

    async def get(self, settings: IpsSettings) -> RuleSet:
        """Return the rule set for these settings.

        Raises:
            InputError: a source cannot be used at all.
            EngineFault: the engine could not check the rules.
        """

    def last_good(self, settings: IpsSettings) -> RuleSet | None:
        """Return the last rule set that could be made for these settings, when its sources have become unusable."""


@dataclass(frozen=True, slots=True)
class _Job:
    sources: tuple[Path, ...]
    options: CompileOptions
    engine: Path
    target: Path


class RuleSets:
    """Compiles rule sets into a folder.

    Args:
        folder: where they are kept.
        sources: rule files, folders and archives; none stands for the starter rules of the package.
        engine: the engine's program, which has the last word about a rule.
    """

    def __init__(self, folder: Path, sources: tuple[Path, ...], engine: Path) -> None:
        self._folder = folder
        self._engine = engine
        self._lock = asyncio.Lock()
        self._prepared: set[Path] = set()
        self.use(sources)

    @property
    def sources(self) -> tuple[Path, ...]:
        """Where rules are taken from."""
        return self._sources

    def use(self, sources: tuple[Path, ...]) -> None:
        """Take rules from these sources from now on; none stands for the starter rules of the package."""
        self._sources = sources or (starter_rules_path(),)
        self._prepared.clear()

    def version(self) -> str:
        """Return what changes whenever a source or the compiler's table does."""
        return _version(self._sources)

    async def get(self, settings: IpsSettings) -> RuleSet:
        """Return the rule set for these settings, compiled now if it is not there yet."""
        made = await self._made(self._sources, settings)
        _point(self._pointer(options_of(settings)), made.path.stem)
        return made

    async def prepare(self, sources: tuple[Path, ...], settings: IpsSettings) -> RuleSet:
        """Return the rule set of other sources, which are not in use yet; it is kept until others are.

        Raises:
            InputError: a source cannot be used at all.
            EngineFault: the engine could not check the rules.
        """
        made = await self._made(sources or (starter_rules_path(),), settings)
        self._prepared.add(made.path)
        return made

    async def _made(self, sources: tuple[Path, ...], settings: IpsSettings) -> RuleSet:
        options = options_of(settings)
        name = hashlib.sha256(f"{_version(sources)}\n{options!r}".encode()).hexdigest()[:32]
        target = self._folder / f"{name}.rules"
        async with self._lock:
            known = _load(target)
            if known is None:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                await _in_child(_Job(sources, options, self._engine, target))
                known = _load(target)
        if known is None:
            raise SystemFault("the compiled rule set cannot be read", where=str(target), hint="check the disk")
        return known

    def last_good(self, settings: IpsSettings) -> RuleSet | None:
        """Return the last rule set that could be made for these settings, when its sources have become unusable."""
        try:
            name = self._pointer(options_of(settings)).read_text(encoding="ascii")
        except (OSError, ValueError):
            return None
        return _load(self._folder / f"{name}.rules") if _NAME.fullmatch(name) else None

    def forget_all_but(self, kept: Iterable[Path]) -> None:
        """Delete rule sets that nobody uses, but for the youngest: a policy that is changed back finds its set."""
        names = {path.stem for path in (*kept, *self._prepared)}
        unused = sorted(
            (path for path in self._folder.glob("*.rules") if path.stem not in names),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        for path in unused[KEPT_UNUSED:]:
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
        for pointer in self._folder.glob("*.last"):
            if not (self._folder / f"{pointer.read_text(encoding='ascii', errors='replace')}.rules").is_file():
                pointer.unlink(missing_ok=True)

    def _pointer(self, options: CompileOptions) -> Path:
        """Return the file that names the last good rule set for these options."""
        return self._folder / f"{hashlib.sha256(repr(options).encode()).hexdigest()[:32]}.last"


def options_of(settings: IpsSettings) -> CompileOptions:
    """Return what the compiler is asked for."""
    return CompileOptions(
        network_attack=settings.network_attacks,
        malware=settings.malware,
        adware=settings.adware,
        other=settings.other,
        info=settings.info,
        variant=settings.variant,
        excluded=tuple(parse_exclusion(text) for text in settings.excluded_rules),
    )


def _version(sources: tuple[Path, ...]) -> str:
    marks = [f"{path}:{size}:{mtime}" for path, size, mtime in _marks((*sources, class_table_path()))]
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()


def _point(pointer: Path, name: str) -> None:
    try:
        if pointer.read_text(encoding="ascii", errors="replace") == name:
            return
    except FileNotFoundError:
        pass
    write_atomically(pointer, name.encode())


def _marks(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    marks = []
    for path in paths:
        for file in [path] if not path.is_dir() else sorted(path.rglob("*.rules")):
            try:
                status = file.stat()
            except OSError:
                marks.append((str(file), -1, 0))
            else:
                marks.append((str(file), status.st_size, status.st_mtime_ns))
    return marks


async def _in_child(job: _Job) -> None:
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            await asyncio.get_running_loop().run_in_executor(pool, _build, job)
        except BrokenProcessPool:
            raise EngineFault("the rule compiler was killed", where="rules", hint="is there enough memory?") from None


def _build(job: _Job) -> None:
    """Read, compile, let the engine check, and write the file and what is known of it."""
    os.nice(5)
    sources = read_rules(job.sources)
    compiled = compile_checked(sources.rules, job.options, engine=job.engine)
    problems = sorted((*sources.problems, *compiled.problems))
    info = RuleSetInfo(
        digest=compiled.digest,
        counts={f"{rule_class}/{action}": count for (rule_class, action), count in compiled.counts.items()},
        problems=tuple(f"{p.file}:{p.line}: {p.sid or 'no sid'}: {p.reason}" for p in problems[:MAX_PROBLEMS_KEPT]),
        problem_count=len(problems),
    )
    write_atomically(job.target, compiled.text)
    write_atomically(job.target.with_suffix(".json"), msgspec.json.encode(info))


def _load(target: Path) -> RuleSet | None:
    try:
        info = from_json(target.with_suffix(".json").read_bytes(), RuleSetInfo)
    except (OSError, ValueError):
        return None
    return RuleSet(target, info) if target.is_file() else None
