from dataclasses import replace
from pathlib import Path

import pytest

from hyperward.databases.addressfile import address_of, build_addresses, try_addresses
from hyperward.databases.contents import Contents, Listed
from hyperward.databases.entrylines import print_entries
from hyperward.databases.manifest import EntriesFile, content_id
from hyperward.errors import InputError
from hyperward.webscan.database.database import open_database
from hyperward.webscan.database.model import Entry, EntryKind


def contents(folder: Path, *entries: Entry, category: str = "malicious") -> Contents:
    text = print_entries(entries)
    path = folder / "a.addresses"
    path.write_bytes(text)
    file = EntriesFile("a.addresses", content_id(text), len(text), category, "a", len(entries), "own", "CC0-1.0")
    return Contents(3, "2026-01-31T12:00:00Z", (), (Listed(path, file),))


EVERY_KIND = (
    Entry(EntryKind.DOMAIN, "bad.example", "malicious", "a"),
    Entry(EntryKind.HOST, "one.bad.example", "malicious", "a"),
    Entry(EntryKind.PREFIX, "shop.example/evil/", "malicious", "a"),
    Entry(EntryKind.EXACT, "shop.example/a.exe?x=1", "malicious", "a"),
    Entry(EntryKind.EXACT, "[2001:db8::1]/a", "malicious", "a"),
    Entry(EntryKind.HOST, "203.0.113.7", "malicious", "a"),
)


def test_every_entry_is_found_in_what_is_built(tmp_path: Path) -> None:
    made = contents(tmp_path, *EVERY_KIND)
    path = build_addresses(made, tmp_path / "built")
    assert path is not None
    assert try_addresses(made, path) > len(EVERY_KIND)
    with open_database(path) as database:
        assert (database.version, database.count) == ("3", len(EVERY_KIND))
        for entry in EVERY_KIND:
            assert entry in [match.entry for match in database.lookup(address_of(entry))]


def test_it_is_built_once_and_again_when_it_is_damaged(tmp_path: Path) -> None:
    made = contents(tmp_path, *EVERY_KIND)
    path = build_addresses(made, tmp_path)
    assert path is not None
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert build_addresses(made, tmp_path) == path
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    path.write_bytes(path.read_bytes()[:100])
    assert build_addresses(made, tmp_path) == path
    assert try_addresses(made, path)


def test_nothing_is_built_of_nothing(tmp_path: Path) -> None:
    assert build_addresses(replace(contents(tmp_path), entries=()), tmp_path) is None


def test_a_database_of_other_entries_is_refused(tmp_path: Path) -> None:
    made = contents(tmp_path, *EVERY_KIND)
    path = build_addresses(made, tmp_path)
    assert path is not None
    other = contents(tmp_path, Entry(EntryKind.DOMAIN, "other.example", "malicious", "a"))
    with pytest.raises(InputError, match="is not found"):
        try_addresses(other, path)


def test_a_site_that_most_people_use_cannot_be_malicious(tmp_path: Path) -> None:
    made = contents(tmp_path, Entry(EntryKind.DOMAIN, "bing.com", "malicious", "a"))
    path = build_addresses(made, tmp_path)
    assert path is not None
    with pytest.raises(InputError, match=r"calls bing\.com malicious"):
        try_addresses(made, path)
