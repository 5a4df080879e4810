"""The parts of `svm.yaml` about application databases.

What is in force comes from three layers:

1. Rules and addresses of the active version of the databases; the starter content of the package, where there is no
   version yet or the version lacks one of the two. For experts: `rules` and `addresses` replace this layer each.
2. `own_rules` and `own_addresses`, the operator's own: always on top, whatever the first layer is. Of several rules
   with one number the one of the highest revision counts, wherever it is from, so own rules should use their own
   numbers (1000000 to 1999999 are kept free for that by the common feeds). Of equally exact addresses the own counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from hyperward.databases.own.model import OwnAddresses
from hyperward.databases.schedule import Schedule, parse_duration, parse_window
from hyperward.policy.findings import Finding
from hyperward.webscan.database.limits import name_refusal
from hyperward.webscan.imports import default_list_id
from hyperward.webscan.lists.make import CATEGORY
from hyperward.webscan.lists.model import Columns, ListFormat, ListOptions, NamesAs
from hyperward.yamlfile import FileModel

MAX_OWN = 64
"""Own rule files, and own address lists."""
_PathText = Annotated[str, Field(min_length=1, max_length=4096)]


def _duration(text: str) -> str:
    parse_duration(text)
    return text


def _category(text: str) -> str:
    if not CATEGORY.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is no category: up to 63 of a-z, 0-9, '_' and '-', a letter or digit first")
    return text


_Duration = Annotated[str, Field(max_length=20), AfterValidator(_duration)]


class ScheduleEntry(FileModel):
    """When the SVM looks for databases."""

    every: _Duration = "2h"
    """Between two looks: 30m, 2h, 1d."""
    jitter: _Duration = "10m"
    """Up to so much later, by chance."""
    window: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)] | None = None
    """Two local times of day: databases change only between them."""

    @field_validator("window")
    @classmethod
    def _times(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None:
            parse_window(*value)
        return value


class DatabasesEntry(FileModel):
    """Where databases come from."""

    source: _PathText
    """A folder, or an address (`https://host/folder`)."""
    proxy: Annotated[str, Field(max_length=4096)] = ""
    """`http://[user:password@]host:port`; empty for what the environment says, `none` for none."""
    ca_file: _PathText | None = None
    """Certificates to trust instead of the system's."""
    schedule: ScheduleEntry = ScheduleEntry()
    as_soon_as_available: bool = False
    """Look every minute, instead of `every`; the window counts all the same."""
    max_age: _Duration = "7d"
    """Databases that were not confirmed as the latest for so long are too old."""


class OwnAddressesEntry(FileModel):
    """A list of addresses of the operator."""

    file: _PathText
    category: Annotated[str, AfterValidator(_category)]
    """malicious, phishing, advertising, other, or one of your own."""
    id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """Of the list, in events; by default the file's name."""
    format: ListFormat = ListFormat.AUTO
    names: NamesAs | None = None
    folders: bool = False
    columns: dict[str, str] | None = None

    @field_validator("columns")
    @classmethod
    def _known(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        if value is not None and (unknown := set(value) - {"address", "host", "path", "id", "category"}):
            raise ValueError(f"no such column: {', '.join(sorted(unknown))}")
        return value


@dataclass(frozen=True, slots=True)
class DatabasesConfig:
    """Where databases come from, and when.

    Args:
        source: folder or address; empty when none is configured.
        proxy: of a web server, as for `HttpOptions`.
        ca_file: certificates to trust instead of the system's.
        schedule: when to look.
        max_age: after so long without a confirmation they are too old.
    """

    source: str = ""
    proxy: str = ""
    ca_file: Path | None = None
    schedule: Schedule = field(default_factory=Schedule)
    max_age: timedelta = timedelta(days=7)


def databases_of(entry: DatabasesEntry | None, folder: Path) -> DatabasesConfig:
    """Return the block with absolute paths.

    Args:
        entry: of the file; None where it has none.
        folder: where relative paths start.
    """
    if entry is None:
        return DatabasesConfig()
    when = entry.schedule
    remote = "://" in entry.source
    return DatabasesConfig(
        source=entry.source if remote else str(folder / entry.source),
        proxy=entry.proxy,
        ca_file=folder / entry.ca_file if entry.ca_file else None,
        schedule=Schedule(
            every=parse_duration(when.every),
            jitter=parse_duration(when.jitter),
            window=parse_window(*when.window) if when.window else None,
            as_soon_as_available=entry.as_soon_as_available,
        ),
        max_age=parse_duration(entry.max_age),
    )


def own_addresses_of(entry: OwnAddressesEntry, folder: Path) -> OwnAddresses:
    """Return a list of the operator with its absolute path."""
    path = folder / entry.file
    options = ListOptions(
        category=entry.category,
        list_id=entry.id if entry.id is not None else default_list_id(path),
        format=entry.format,
        names=entry.names,
        folders=entry.folders,
        columns=Columns(**entry.columns) if entry.columns is not None else None,
    )
    return OwnAddresses(path, options)


def own_findings(lists: tuple[OwnAddresses, ...]) -> Iterator[Finding]:
    """Yield what is wrong with own lists; a file that is missing is not: it may come later, and its state says so."""
    seen: dict[str, int] = {}
    for index, one in enumerate(lists):
        if why := name_refusal(one.options.list_id):
            yield Finding(("own_addresses", index, "id"), f"cannot be a list id: {why}", "write another")
        if one.options.list_id in seen:
            what = f"the id {one.options.list_id} is taken by list {seen[one.options.list_id] + 1}"
            yield Finding(("own_addresses", index), what, "give every list an id of its own")
        seen.setdefault(one.options.list_id, index)
