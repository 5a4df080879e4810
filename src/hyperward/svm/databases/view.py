"""Databases as they are on disk, for commands beside the daemon: nothing is changed."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from hyperward.databases.changes.model import ChangeReport, decode_report
from hyperward.databases.changes.report import ChangesJob, report_changes
from hyperward.databases.contents import STARTER, Contents, contents_of
from hyperward.databases.ledger import Ledger, load
from hyperward.databases.starter import starter_contents
from hyperward.databases.stored import read_version
from hyperward.errors import InputError, SystemFault
from hyperward.fromjson import from_json
from hyperward.svm.config import SvmConfig
from hyperward.svm.databases.place import Place


class _InForce(msgspec.Struct):
    version: str
    rules: tuple[str, ...]
    addresses: tuple[str, ...]


def addresses_in_force(config: SvmConfig) -> tuple[Path, ...]:
    """Return the address databases that scanners were told last, the operator's own first; empty for none."""
    found = _in_force(config)
    return tuple(Path(path) for path in found.addresses) if found is not None else config.addresses


def rules_in_force(config: SvmConfig) -> tuple[Path, ...]:
    """Return the sources of rules that were used last; empty for the starter rules of the package."""
    found = _in_force(config)
    return tuple(Path(path) for path in found.rules) if found is not None else config.rules


def read_ledger(place: Place) -> Ledger:
    """Return what the store remembers.

    Raises:
        InputError: it cannot be read.
    """
    path = place.folder / "ledger.json"
    try:
        return load(path.read_bytes())
    except FileNotFoundError:
        return Ledger()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", where=str(path)) from None


def changes_between(config: SvmConfig, before: str | None, after: str | None) -> ChangeReport:
    """Return the report of two versions: as it was made at the update, or made now, without traffic.

    Args:
        config: of the SVM.
        before: number or `starter`; None for the version before the active one.
        after: number or `starter`; None for the active version.

    Raises:
        InputError: there is no such version, or it is damaged.
        SystemFault: the starter content cannot be made ready.
    """
    place = Place.of(config.state_dir)
    ledger = read_ledger(place)
    after = after if after is not None else _name(ledger.active)
    before = before if before is not None else _name(ledger.previous)
    if before == after:
        raise InputError(f"both are version {after}", hint="name two versions: hyperward db diff A B")
    try:
        return decode_report(place.report(before, after).read_bytes())
    except (OSError, ValueError):
        pass
    try:
        old, fresh = (_contents(place, name) for name in (before, after))
        return report_changes(ChangesJob(before=old, after=fresh, now=datetime.now(UTC)))
    except OSError as error:
        raise SystemFault(f"cannot be read or written ({error.strerror})", where=str(error.filename)) from None


def _contents(place: Place, name: str) -> Contents:
    starter = starter_contents(place.starter)
    if name == STARTER:
        return starter
    if not name.isdecimal():
        raise InputError(f"{name[:40]!r} is no version", hint=f"write a number, or {STARTER}")
    number = int(name)
    return contents_of(read_version(place.folder / "versions" / str(number), number, verify=True), starter)


def _name(number: int) -> str:
    return str(number) if number else STARTER


def _in_force(config: SvmConfig) -> _InForce | None:
    try:
        found = from_json(Place.of(config.state_dir).in_force.read_bytes(), _InForce)
    except (OSError, ValueError):
        return None
    return found
