from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

import address_oracle
from hyperward.webscan.address import Address, canonical, expressions
from hyperward.webscan.database import Database, build, keys, open_database
from hyperward.webscan.database.model import Entry, EntryKind, Match

DOMAIN, HOST, PREFIX, EXACT = EntryKind

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a random name in it; fsync costs nothing there

WEAK = {
    "constant": lambda data, seed: 0,  # noqa: ARG005 - the signature of the hash
    "ones": lambda data, seed: (1 << 64) - 1,  # noqa: ARG005
    "length": lambda data, seed: len(data) % 3,  # noqa: ARG005
    "only high": lambda data, seed: len(data) % 32 << 59,  # noqa: ARG005
    "only low": lambda data, seed: sum(data) % 5 + seed % 2,
    "unaligned": lambda data, seed: 0x01010101 if len(data) % 2 else 0x01010100,  # noqa: ARG005
}
"""Hashes under which nearly every address meets the records of others."""


def entry(kind: EntryKind, text: str, entry_id: str = "", category: str = "malicious", list_id: str = "l") -> Entry:
    return Entry(kind, text, category, list_id, entry_id)


@pytest.fixture
def folder() -> Iterable[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def database_of(folder: Path, *entries: Entry) -> Database:
    build(entries, folder / "a.hwa", version="7")
    return open_database(folder / "a.hwa")


def texts(database: Database, url: str) -> list[str]:
    return [match.entry.text for match in database.lookup(canonical(url))]


@given(st.data())
def test_finds_what_the_plain_meaning_says(data: st.DataObject) -> None:
    entries = data.draw(address_oracle.LISTS)
    with TemporaryDirectory(dir=MEMORY) as name, database_of(Path(name), *entries) as database:
        for address in data.draw(st.lists(address_oracle.addresses_near(entries), max_size=30)):
            expected = tuple(Match(one, "7") for one in address_oracle.find(entries, address))
            assert database.lookup(address) == expected
            assert database.may_list(address.host) or not expected


@pytest.mark.parametrize("weak", WEAK.values(), ids=WEAK)
@given(st.data())
def test_no_verdict_rests_on_a_hash(weak: Callable[[bytes, int], int], data: st.DataObject) -> None:
    entries = data.draw(address_oracle.LISTS)
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory(dir=MEMORY) as name:
        patch.setattr(keys, "hash64", weak)
        with database_of(Path(name), *entries) as database:
            assert set(database.entries()) == set(entries)
            for address in data.draw(st.lists(address_oracle.addresses_near(entries), max_size=20)):
                expected = tuple(Match(one, "7") for one in address_oracle.find(entries, address))
                assert database.lookup(address) == expected


@given(address_oracle.ADDRESSES)
def test_every_expression_of_safe_browsing_is_looked_up(address: Address) -> None:
    entries = {entry(PREFIX, expression) for expression in expressions(address)}
    with TemporaryDirectory(dir=MEMORY) as name, database_of(Path(name), *entries) as database:
        assert {match.entry for match in database.lookup(address)} == entries


@given(address_oracle.LISTS)
def test_entries_come_back_out(entries: list[Entry]) -> None:
    with TemporaryDirectory(dir=MEMORY) as name, database_of(Path(name), *entries) as database:
        found = list(database.entries())
        assert database.count == len(found)
        assert set(found) == set(entries)


def test_a_domain_stands_for_all_below_it_however_deep(folder: Path) -> None:
    with database_of(folder, entry(DOMAIN, "bad.example"), entry(DOMAIN, "a.b.c.d.e.f.g.example")) as database:
        assert texts(database, "http://bad.example/x") == ["bad.example"]
        assert texts(database, "http://1.2.3.4.5.6.7.8.bad.example/") == ["bad.example"]
        assert texts(database, "http://notbad.example/") == []
        assert texts(database, "http://example/") == []
        assert texts(database, "http://z.y.a.b.c.d.e.f.g.example/") == ["a.b.c.d.e.f.g.example"]


def test_nearly_all_hosts_without_entries_are_known_as_such(folder: Path) -> None:
    with database_of(folder, *(entry(PREFIX, f"h{number}.test/a/") for number in range(100))) as database:
        assert all(database.may_list(f"h{number}.test") for number in range(100))
        assert database.may_list("below.h7.test")
        assert sum(database.may_list(f"x{number}.example") for number in range(1000)) < 300
    with pytest.raises(ValueError, match="closed"):
        database.may_list("h1.test")


def test_a_whole_top_level_domain(folder: Path) -> None:
    with database_of(folder, entry(DOMAIN, "zip")) as database:
        assert texts(database, "http://anything.zip/") == ["zip"]


def test_a_host_stands_for_itself_only(folder: Path) -> None:
    with database_of(folder, entry(HOST, "bad.example")) as database:
        assert texts(database, "http://bad.example/any/path?q") == ["bad.example"]
        assert texts(database, "http://www.bad.example/") == []


def test_a_folder_stands_for_all_in_it_at_any_depth(folder: Path) -> None:
    deep = "h.example/1/2/3/4/5/6/"
    with database_of(folder, entry(PREFIX, deep), entry(PREFIX, "h.example/f/")) as database:
        assert texts(database, f"http://{deep}7/8/x.exe?q") == [deep]
        assert texts(database, f"http://sub.{deep}") == [deep]
        assert texts(database, "http://h.example/f") == []
        assert texts(database, "http://h.example/f/") == ["h.example/f/"]
        assert texts(database, "http://h.example/g/f/") == []


def test_a_prefix_without_slash_is_this_path_with_any_query(folder: Path) -> None:
    with database_of(folder, entry(PREFIX, "h.example/bad")) as database:
        assert texts(database, "http://h.example/bad") == ["h.example/bad"]
        assert texts(database, "http://h.example/bad?x") == ["h.example/bad"]
        assert texts(database, "http://h.example/bad/x") == []
        assert texts(database, "http://h.example/badger") == []


def test_an_exact_entry_with_a_query_needs_it(folder: Path) -> None:
    with database_of(folder, entry(EXACT, "h.example/a?x=1"), entry(EXACT, "h.example/b")) as database:
        assert texts(database, "http://h.example/a?x=1") == ["h.example/a?x=1"]
        assert texts(database, "http://h.example/a?x=2") == []
        assert texts(database, "http://h.example/a") == []
        assert texts(database, "http://h.example/b?x=1") == ["h.example/b"]
        assert texts(database, "http://sub.h.example/b") == []


def test_a_port_is_no_part_of_what_is_looked_up(folder: Path) -> None:
    with database_of(folder, entry(EXACT, "1.2.3.4:8080/x"), entry(EXACT, "[::1]:81/x")) as database:
        assert texts(database, "http://1.2.3.4:8080/x") == ["1.2.3.4:8080/x"]
        assert texts(database, "http://1.2.3.4/x") == ["1.2.3.4:8080/x"]
        assert texts(database, "http://[::1]/x") == ["[::1]:81/x"]


def test_an_ip_address_has_nothing_above_it(folder: Path) -> None:
    with database_of(folder, entry(DOMAIN, "3.4"), entry(PREFIX, "3.4/a/"), entry(DOMAIN, "1.2.3.4")) as database:
        assert texts(database, "http://1.2.3.4/a/") == ["1.2.3.4"]


def test_an_address_without_path_meets_hosts_only(folder: Path) -> None:
    entries = [entry(PREFIX, "h.example/"), entry(EXACT, "h.example/"), entry(HOST, "h.example")]
    with database_of(folder, *entries) as database:
        assert [match.entry for match in database.lookup(Address("h.example", ""))] == entries[2:]


def test_the_most_exact_comes_first(folder: Path) -> None:
    ordered = [
        entry(EXACT, "a.h.example/f/x?q"),
        entry(EXACT, "a.h.example/f/x"),
        entry(PREFIX, "a.h.example/f/x"),
        entry(PREFIX, "a.h.example/f/"),
        entry(PREFIX, "a.h.example/"),
        entry(PREFIX, "h.example/f/x?q"),
        entry(HOST, "a.h.example", category="a"),
        entry(HOST, "a.h.example", category="b", list_id="l1"),
        entry(HOST, "a.h.example", category="b", list_id="l2"),
        entry(DOMAIN, "a.h.example", "1"),
        entry(DOMAIN, "a.h.example", "2"),
        entry(DOMAIN, "h.example"),
    ]
    with database_of(folder, *reversed(ordered)) as database:
        assert [match.entry for match in database.lookup(canonical("http://a.h.example/f/x?q"))] == ordered


def test_a_match_has_the_whole_entry_and_the_version(folder: Path) -> None:
    one = Entry(HOST, "h.example", "our own", "list ü", "№ 7")
    with database_of(folder, one) as database:
        assert database.lookup(Address("h.example")) == (Match(one, "7"),)


@pytest.mark.parametrize(
    "address",
    [
        Address(""),
        Address("ä.example"),
        Address("\ud800"),
        Address("h.example", "/ä"),
        Address("h.example", "/\ud800", "\ud800"),
        Address("h.example", "/a", "ä"),
        Address("h.example", "/" * 65_536),
        Address("h.example", "/a" * 30_000 + "/", "x" * 60_000),
        Address("." * 300),
        Address("a." * 200 + "a"),
        Address("h.example", "a"),
        Address("h.example", "?"),
    ],
    ids=range(12),
)
def test_what_is_not_canonical_does_no_harm(folder: Path, address: Address) -> None:
    with database_of(folder, entry(PREFIX, "h.example/a/b/"), entry(EXACT, "h.example/x"), entry(DOMAIN, "q")) as found:
        assert found.lookup(address) == ()


def test_an_empty_database_finds_nothing(folder: Path) -> None:
    with database_of(folder) as database:
        assert database.count == 0
        assert list(database.entries()) == []
        assert texts(database, "http://h.example/") == []
