"""The address database of a version: built out of its entries, and tried before anybody relies on it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from hyperward.databases.contents import Contents
from hyperward.databases.entrylines import parse_entries
from hyperward.errors import InputError
from hyperward.webscan.address.model import Address
from hyperward.webscan.database.builder import build
from hyperward.webscan.database.database import Database, open_database
from hyperward.webscan.database.errors import DatabaseError
from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.guard.guard import known_popular

SAMPLES: Final = 100
"""Entries of each list that are looked up."""
HARMFUL: Final = frozenset({"malicious", "phishing"})
"""Categories in which a site that most people use cannot be."""


@dataclass(frozen=True, slots=True)
class AddressJob:
    """An address database to be built, and tried unless it was before."""

    contents: Contents
    folder: Path
    tried: bool


def make_addresses(job: AddressJob) -> Path | None:
    """Return the address database of a version, built and tried; None for one without entries.

    Raises:
        InputError: it cannot be built, or must not be used.
        SystemFault: the disk refuses.
    """
    path = build_addresses(job.contents, job.folder)
    if path is not None and not job.tried:
        try_addresses(job.contents, path)
    return path


def build_addresses(contents: Contents, folder: Path) -> Path | None:
    """Return the address database of a version, built now unless it is there; None for a version without entries.

    Args:
        contents: of the version.
        folder: for databases.

    Raises:
        InputError: an entry cannot be in a database.
        SystemFault: the file cannot be written; nothing is left behind.
    """
    if not any(one.file.count for one in contents.entries):
        return None
    path = folder / contents.database_name
    if not _usable(path, contents.name):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        build(_entries(contents), path, version=contents.name)
    return path


def try_addresses(contents: Contents, path: Path) -> int:
    """Look up samples of every list, and sites that must not be listed; return how many lookups were made.

    Raises:
        InputError: an entry is not found, or a site that most people use is listed as a danger.
        DatabaseError: the file is damaged.
    """
    count = 0
    with open_database(path) as database:
        for one in contents.entries:
            step = max(1, one.file.count // SAMPLES)
            for entry in islice(parse_entries(one.path, one.file), 0, None, step):
                count += 1
                _found(database, entry, contents)
        for host in known_popular():
            count += 1
            _harmless(database, host, contents)
    return count


def address_of(entry: Entry) -> Address:
    """Return an address that an entry stands for."""
    host, slash, rest = entry.text.partition("/")
    if host.startswith("["):
        host = host[1 : host.index("]")]
    elif ":" in host:
        host = host[: host.index(":")]
    path, mark, query = rest.partition("?")
    return Address(host, f"{slash}{path}" or "/", query if mark else None)


def _found(database: Database, entry: Entry, contents: Contents) -> None:
    met = database.lookup(address_of(entry))
    if not any(match.entry.text == entry.text and match.entry.list_id == entry.list_id for match in met):
        what = f"{entry.text} of the list {entry.list_id} is not found in the database that was built"
        raise InputError(what, where=f"version {contents.name}", hint="tell the publisher; what is in force stays")


def _harmless(database: Database, host: str, contents: Contents) -> None:
    for match in database.lookup(Address(host, "/")):
        if match.entry.category in HARMFUL and match.entry.kind in {EntryKind.DOMAIN, EntryKind.HOST}:
            what = f"the list {match.entry.list_id} calls {host} {match.entry.category}, a site that most people use"
            raise InputError(what, where=f"version {contents.name}", hint="tell the publisher; what is in force stays")


def _entries(contents: Contents) -> Iterator[Entry]:
    for one in contents.entries:
        yield from parse_entries(one.path, one.file)


def _usable(path: Path, version: str) -> bool:
    """Tell whether a database is there and whole; one that is not is built again."""
    if not os.path.lexists(path):
        return False
    try:
        with open_database(path) as database:
            return database.version == version
    except DatabaseError:
        return False
