"""Checks own files and keeps a copy of each one's last good content, which is what is in force.

    own/rules/N/NAME and own/addresses/N/NAME     last good content
    own/own-DIGEST.hwdb                           database of all own addresses

A copy is taken first and the copy is checked: an editor that saves meanwhile changes nothing of what was looked at.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from hyperward.databases.contents import OwnInForce
from hyperward.databases.own.model import OwnAddresses, OwnKind, OwnProblem, OwnReport, OwnState, state_of
from hyperward.errors import HyperwardError, InputError
from hyperward.files import write_atomically
from hyperward.ips.rules.check import compile_checked
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.source import read_rules
from hyperward.policy.actions import Action
from hyperward.webscan.database.builder import build
from hyperward.webscan.database.model import Entry
from hyperward.webscan.lists.model import ReadReport
from hyperward.webscan.lists.read import read_list

MAX_BYTES: Final = 256 << 20
"""Of one own file."""
MAX_SHOWN: Final = 100
"""Problems of one file that are kept; all are counted."""
KEPT_DATABASES: Final = 2
"""Earlier databases of own addresses that stay: scanners may use one until the change is in force."""
_EVERY_CLASS: Final = CompileOptions(other=Action.IGNORE)
"""With the default options the class `other` would be left out and never be tried."""
OWN_VERSION: Final = "own"
"""What events call the version of own addresses."""


@dataclass(frozen=True, slots=True)
class OwnJob:
    """What is to be checked.

    Args:
        folder: for copies and the database.
        rules: own rule files.
        addresses: own lists.
        engine: the Suricata binary, which has the last word about rules.
    """

    folder: Path
    rules: tuple[Path, ...]
    addresses: tuple[OwnAddresses, ...]
    engine: Path


@dataclass(frozen=True, slots=True)
class OwnResult:
    """What is in force of the operator's layer, and what became of each file."""

    in_force: OwnInForce
    reports: tuple[OwnReport, ...]


def check_own(job: OwnJob) -> OwnResult:
    """Check all own files, keep what is good, and build the database of own addresses.

    Raises:
        SystemFault: the folder cannot be written; what was in force is as it was.
        OSError: the same.
        EngineFault: the engine does not work.
    """
    reports, rules, lists = [], [], []
    for number, path in enumerate(job.rules):
        kept = _Kept(job.folder / "rules" / str(number), path)
        report = _rules_report(kept, job.engine)
        reports.append(report)
        if (content := kept.settle(report)) is not None:
            rules.append(content)
    for number, one in enumerate(job.addresses):
        kept = _Kept(job.folder / "addresses" / str(number), one.path)
        report = _addresses_report(kept, one)
        reports.append(report)
        if (content := kept.settle(report)) is not None:
            lists.append(OwnAddresses(content, one.options))
    _forget(job.folder / "rules", len(job.rules))
    _forget(job.folder / "addresses", len(job.addresses))
    database = _database(job.folder, lists)
    return OwnResult(OwnInForce(tuple(rules), database), tuple(reports))


def last_good(job: OwnJob) -> OwnInForce:
    """Return what was in force last, without a look at the operator's files; nothing is written."""
    rules = [_Kept(job.folder / "rules" / str(number), path).good for number, path in enumerate(job.rules)]
    kept = [
        OwnAddresses(_Kept(job.folder / "addresses" / str(number), one.path).good, one.options)
        for number, one in enumerate(job.addresses)
    ]
    lists = [one for one in kept if one.path.is_file()]
    database = _database_path(job.folder, lists)
    return OwnInForce(tuple(path for path in rules if path.is_file()), database if database.is_file() else None)


class _Kept:
    """One own file: the operator's, the copy under test, and the last good one."""

    def __init__(self, folder: Path, original: Path) -> None:
        self.original = original
        self.good = folder / original.name
        self.trial = folder / "trial" / original.name

    def copy(self) -> str:
        """Take a copy for checking; return its SHA-256.

        Raises:
            InputError: the operator's file cannot be read, or is too large.
        """
        try:
            with self.original.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            what = f"cannot be read ({error.strerror})"
            raise InputError(what, where=str(self.original), hint="check the path") from None
        if len(content) > MAX_BYTES:
            raise InputError(f"larger than {MAX_BYTES} bytes", where=str(self.original), hint="split it")
        self.trial.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self.trial, content)
        return hashlib.sha256(content).hexdigest()

    def settle(self, report: OwnReport) -> Path | None:
        """Keep the copy when it is good; return what is in force, None for nothing."""
        if report.state is not OwnState.INVALID:
            same = self.good.is_file() and _digest(self.good) == report.digest
            if not same:
                self.trial.replace(self.good)
        shutil.rmtree(self.trial.parent, ignore_errors=True)
        return self.good if self.good.is_file() else None

    def invalid(self, kind: OwnKind, error: HyperwardError, digest: str) -> OwnReport:
        """Return the report of a file that cannot be used at all."""
        return OwnReport(
            path=str(self.original),
            kind=kind,
            state=OwnState.INVALID,
            problems=(OwnProblem(str(self.original), f"{error.what}; {error.hint}" if error.hint else error.what),),
            digest=digest,
            kept=self.good.is_file(),
        )


def _rules_report(kept: _Kept, engine: Path) -> OwnReport:
    digest = ""
    try:
        digest = kept.copy()
        found = read_rules((kept.trial,))
    except InputError as error:
        return kept.invalid(OwnKind.RULES, error, digest)
    compiled = compile_checked(found.rules, _EVERY_CLASS, engine=engine) if found.rules else None
    used = len(compiled.sources) if compiled else 0
    problems = sorted((*found.problems, *(compiled.problems if compiled else ())))
    state = state_of(used, len(problems))
    return OwnReport(
        path=str(kept.original),
        kind=OwnKind.RULES,
        state=state,
        used=used,
        refused=len(problems),
        problems=tuple(
            OwnProblem(f"{kept.original}:{one.line}" if one.line else str(kept.original), one.reason, _sid(one.sid))
            for one in problems[:MAX_SHOWN]
        ),
        digest=digest,
        kept=state is OwnState.INVALID and kept.good.is_file(),
    )


def _sid(number: int) -> str:
    return f"sid {number}" if number else ""


def _addresses_report(kept: _Kept, one: OwnAddresses) -> OwnReport:
    read, digest, used = ReadReport(str(one.path)), "", 0
    try:
        digest = kept.copy()
        used = sum(1 for _ in read_list(kept.trial, one.options, read))
    except InputError as error:
        if kept.trial.is_file() and not kept.trial.stat().st_size:
            # Nothing tells the format of an empty list, and nothing needs to.
            return OwnReport(str(one.path), OwnKind.ADDRESSES, OwnState.VALID, digest=digest)
        return kept.invalid(OwnKind.ADDRESSES, error, digest)
    state = state_of(used, read.refused)
    return OwnReport(
        path=str(one.path),
        kind=OwnKind.ADDRESSES,
        state=state,
        used=used,
        refused=read.refused,
        problems=tuple(
            OwnProblem(f"{one.path}:{line.line}", line.reason, line.text) for line in read.shown[:MAX_SHOWN]
        ),
        digest=digest,
        kept=state is OwnState.INVALID and kept.good.is_file(),
    )


def _database(folder: Path, lists: Sequence[OwnAddresses]) -> Path | None:
    path = _database_path(folder, lists)
    entries = _entries(lists)
    first = next(entries, None)
    if first is None:
        return None
    if not path.is_file():
        for old in sorted(folder.glob("own-*.hwdb"), key=lambda found: found.stat().st_mtime)[:-KEPT_DATABASES]:
            old.unlink(missing_ok=True)
        build(
            chain((first,), entries),
            path,
            version=OWN_VERSION,
            lists={one.options.list_id: str(one.path) for one in lists},
        )
    return path


def _database_path(folder: Path, lists: Sequence[OwnAddresses]) -> Path:
    wish = "\n".join(f"{_digest(one.path)} {one.options!r}" for one in lists)
    return folder / f"own-{hashlib.sha256(wish.encode()).hexdigest()[:12]}.hwdb"


def _entries(lists: Sequence[OwnAddresses]) -> Iterator[Entry]:
    for one in lists:
        if one.path.stat().st_size:
            yield from read_list(one.path, one.options, ReadReport(str(one.path)))


def _forget(folder: Path, count: int) -> None:
    """Remove copies of files that the configuration does not name any more."""
    for left in folder.glob("*"):
        if not left.name.isdecimal() or int(left.name) >= count:
            shutil.rmtree(left, ignore_errors=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
