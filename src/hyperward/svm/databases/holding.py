"""What is in force: the version, its address database, and the operator's layer on top. Made ready at the start."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import structlog

from hyperward.databases.addressfile import AddressJob, make_addresses
from hyperward.databases.contents import Contents, InForce, OwnInForce, Replaced, contents_of, in_force
from hyperward.databases.errors import disk_faults
from hyperward.databases.own.check import OwnJob, OwnResult, check_own, last_good
from hyperward.databases.own.model import OwnReport
from hyperward.databases.starter import starter_contents
from hyperward.databases.store import VersionStore
from hyperward.errors import HyperwardError
from hyperward.files import write_atomically
from hyperward.svm.config import SvmConfig
from hyperward.svm.databases.child import Work
from hyperward.svm.databases.place import Place

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """What is in force.

    Args:
        contents: the version.
        database: its address database; None for none.
        own: the operator's layer.
        reports: what became of the operator's files.
        problem: why this is not what the store calls active; empty when it is.
    """

    contents: Contents
    database: Path | None = None
    own: OwnInForce = field(default_factory=OwnInForce)
    reports: tuple[OwnReport, ...] = ()
    problem: str = ""

    def force(self, replaced: Replaced) -> InForce:
        """Return all layers together."""
        return in_force(self.contents, self.database, replaced, self.own)


class Preparer:
    """Makes versions and the operator's layer ready for use.

    Args:
        config: of the SVM.
        place: of its databases.
        work: where heavy work is done.
    """

    def __init__(self, config: SvmConfig, place: Place, work: Work) -> None:
        self._config = config
        self._place = place
        self._work = work
        self.replaced = Replaced(config.rules, config.addresses)
        self.starter = starter_contents(place.starter)

    async def start(self, store: VersionStore, wary: Callable[[str], None]) -> Held:
        """Return what is in force at a start. Never fails for what is on disk: rather less than nothing at all.

        Args:
            store: whose active version it is.
            wary: told what is not as it should be.
        """
        own = await self._own_at_start(wary)
        ledger = store.ledger
        problem = ""
        for number in dict.fromkeys((ledger.active, ledger.previous, 0)):
            try:
                contents = contents_of(store.version(number), self.starter) if number else self.starter
                database = await self.addresses(contents, tried=True)
            except (HyperwardError, OSError) as error:
                problem = f"version {number or 'starter'} cannot be used: {line_of(error)}"
                wary(problem)
                continue
            return Held(contents, database, own.in_force, own.reports, problem)
        return Held(replace(self.starter, entries=()), None, own.in_force, own.reports, problem)

    async def addresses(self, contents: Contents, *, tried: bool) -> Path | None:
        """Return the address database of a version; None where none is needed.

        Args:
            contents: of the version.
            tried: it was in force before: it needs no trial.

        Raises:
            InputError: it cannot be built, or must not be used.
            SystemFault: the disk refuses.
        """
        if self.replaced.addresses or not any(one.file.count for one in contents.entries):
            return None
        return await self._work(make_addresses, AddressJob(contents, self._place.built, tried))

    async def own(self) -> OwnResult:
        """Check the operator's files and return what is in force of them.

        Raises:
            HyperwardError, OSError: they could not be checked.
        """
        if not (self._config.own_rules or self._config.own_addresses):
            return OwnResult(OwnInForce(), ())
        return await self._work(check_own, self._own_job())

    async def _own_at_start(self, wary: Callable[[str], None]) -> OwnResult:
        try:
            return await self.own()
        except (HyperwardError, OSError) as error:
            wary(f"own lists and rules could not be checked, the last good ones are in force: {line_of(error)}")
            return OwnResult(last_good(self._own_job()), ())

    def _own_job(self) -> OwnJob:
        config = self._config
        return OwnJob(self._place.own, config.own_rules, config.own_addresses, config.engine_binary)


def clear(error: HyperwardError | OSError) -> HyperwardError:
    """Return an error as one that people understand."""
    if isinstance(error, HyperwardError):
        return error
    try:
        with disk_faults(Path(str(error.filename or "databases"))):
            raise error
    except HyperwardError as fault:
        return fault


def line_of(error: HyperwardError | OSError) -> str:
    """Return an error as one line."""
    return clear(error).line()


def keep_in_force(place: Place, force: InForce) -> None:
    """Write down what engine and scanners were told, for commands that look beside the daemon."""
    told: dict[str, Any] = {
        "version": force.version,
        "rules": [str(path) for path in force.rules],
        "addresses": [str(path) for path in force.addresses],
    }
    try:
        write_atomically(place.in_force, msgspec.json.encode(told), mode=0o644)
    except OSError as error:
        log.warning("in_force_not_kept", reason=str(error))
