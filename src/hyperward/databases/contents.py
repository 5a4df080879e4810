"""What a version means for an SVM: rule files, and files of web addresses. Pure values and their names on disk."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hyperward.databases.manifest import EntriesFile
from hyperward.databases.stored import StoredVersion

STARTER: Final = "starter"
"""What the content of the package is called where a version number would stand."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of web addresses in the form of `entrylines`, and what a manifest says about it."""

    path: Path
    file: EntriesFile


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in force, or shall be.

    Args:
        number: of the version; 0 for the package's starter content.
        time: when it was built (`2026-01-31T12:00:00Z`); empty for the starter content.
        rules: rule files.
        entries: files of web addresses.
        demotions: a CSV file of entries that the publisher made narrower; None where there were none.
    """

    number: int
    time: str
    rules: tuple[Path, ...]
    entries: tuple[Listed, ...]
    demotions: Path | None = None

    @property
    def name(self) -> str:
        """Return what events and people call it."""
        return str(self.number) if self.number else STARTER

    @property
    def database_name(self) -> str:
        """Return the file name of its address database: the same entries under the same name have the same one."""
        parts = (f"{one.file.list_id}\0{one.file.category}\0{one.file.sha256}\n" for one in self.entries)
        return f"addresses-{self.name}-{hashlib.sha256(''.join(parts).encode()).hexdigest()[:12]}.hwdb"


def contents_of(version: StoredVersion, starter: Contents) -> Contents:
    """Return what a version of the store means.

    Args:
        version: in the store.
        starter: the package's content; what the version has none of is taken from there.
    """
    manifest = version.manifest
    rules = tuple(version.path(file.path) for file in manifest.rules)
    entries = tuple(Listed(version.path(file.path), file) for file in manifest.entries)
    demotions = next((version.path(one.path) for one in manifest.reports if one.path.endswith("demotions.csv")), None)
    return Contents(
        number=manifest.version,
        time=manifest.time,
        rules=rules or starter.rules,
        entries=entries or starter.entries,
        demotions=demotions,
    )


@dataclass(frozen=True, slots=True)
class InForce:
    """What engine and scanners use: all layers together.

    Args:
        version: name of the version below.
        rules: sources of rules.
        addresses: address databases, the operator's own first.
    """

    version: str
    rules: tuple[Path, ...]
    addresses: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class OwnInForce:
    """The operator's layer: last good copies of own rule files, and the database of own addresses, None for none."""

    rules: tuple[Path, ...] = ()
    addresses: Path | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """What the configuration puts in the place of a version: `rules` and `addresses` of `svm.yaml`."""

    rules: tuple[Path, ...] = ()
    addresses: tuple[Path, ...] = ()


def in_force(contents: Contents, database: Path | None, replaced: Replaced, own: OwnInForce) -> InForce:
    """Return all layers together.

    Args:
        contents: the version.
        database: its address database; None when it could not be made or has no entries.
        replaced: what the configuration puts in its place.
        own: the operator's layer, on top of either.
    """
    below = replaced.addresses or ((database,) if database is not None else ())
    return InForce(
        version=contents.name,
        rules=(replaced.rules or contents.rules) + own.rules,
        addresses=((own.addresses,) if own.addresses is not None else ()) + below,
    )


def rollback_target(active: int, previous: int, numbers: tuple[int, ...]) -> int | None:
    """Return the version to go back to: the one before, or the highest lower one on disk; 0 for the starter content.

    Args:
        active: as the store remembers it, 0 for none.
        previous: likewise.
        numbers: of the versions on disk.

    Returns:
        None when there is nothing to go back from.
    """
    if not active:
        return None
    if previous < active and (previous in numbers or not previous):
        return previous
    return max((number for number in numbers if number < active), default=0)
