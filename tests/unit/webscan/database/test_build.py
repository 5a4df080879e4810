import errno
import os
import random
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from hyperward.errors import InputError, SystemFault
from hyperward.webscan.address import Address
from hyperward.webscan.database import build, keys, open_database
from hyperward.webscan.database.arrange import CROWDED
from hyperward.webscan.database.layout import HEADER, unpack_header
from hyperward.webscan.database.limits import (
    MAX_ABOUT,
    MAX_CATEGORIES,
    MAX_DEPTH,
    MAX_ENTRY_ID,
    MAX_NAME,
    MAX_SAME_KEY,
    MAX_TEXT,
    refusal,
)
from hyperward.webscan.database.model import Entry, EntryKind, Match

DOMAIN, HOST, PREFIX, EXACT = EntryKind
LONG_HOST = "a." * 126 + "b"


def entry(kind: EntryKind, text: str, entry_id: str = "", category: str = "malicious", list_id: str = "l") -> Entry:
    return Entry(kind, text, category, list_id, entry_id)


def many(number: int) -> list[Entry]:
    paths = ("", "", "/f/", "/f/x?q")
    return [
        Entry(kind := EntryKind(n % 4), f"h{n // 3}.example{paths[kind]}", f"c{n % 5}", f"l{n % 7}", str(n % 11))
        for n in range(number)
    ]


def test_the_same_entries_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    entries = many(5000)
    build(entries, tmp_path / "a", version="1", lists={"l1": "x", "l2": "y"})
    entries += entries[:100]
    random.Random(1).shuffle(entries)  # noqa: S311 - the same order each time
    build(iter(entries), tmp_path / "b", version="1", lists={"l2": "y", "l1": "x"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_another_version_has_the_common_entries_in_the_same_order(tmp_path: Path) -> None:
    entries = many(3000)
    gone = set(entries[::50])
    build(entries, tmp_path / "a", version="1")
    build([one for one in entries if one not in gone], tmp_path / "b", version="2")
    with open_database(tmp_path / "a") as old, open_database(tmp_path / "b") as new:
        assert [one for one in old.entries() if one not in gone] == list(new.entries())


def test_the_report_counts(tmp_path: Path) -> None:
    entries = [
        entry(DOMAIN, "a.example"),
        entry(HOST, "a.example"),
        entry(DOMAIN, "b.example"),
        entry(HOST, "a.example"),
    ]
    report = build(entries, tmp_path / "a", version="1")
    assert (report.version, report.count, report.duplicates, report.hosts) == ("1", 3, 1, 2)
    assert report.size == (tmp_path / "a").stat().st_size
    assert report.mapped < report.size


def test_the_same_address_in_several_lists_is_kept_for_each(tmp_path: Path) -> None:
    entries = [entry(EXACT, "a.example/x", entry_id=str(n % 3), list_id=f"l{n}") for n in range(50)]
    build(entries, tmp_path / "a", version="1")
    with open_database(tmp_path / "a") as database:
        assert {match.entry for match in database.lookup(Address("a.example", "/x"))} == set(entries)


def test_nobody_may_write_to_the_file(tmp_path: Path) -> None:
    build([], tmp_path / "a", version="1")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o444


def test_names_and_what_is_said_about_lists_are_kept(tmp_path: Path) -> None:
    build(
        [entry(HOST, "a.example", category="z"), entry(HOST, "b.example", category="a")],
        tmp_path / "a",
        version="2026-01-01",
        lists={"l": "of Monday"},
    )
    with open_database(tmp_path / "a") as database:
        assert database.version == "2026-01-01"
        assert database.categories == ("a", "z")
        assert database.list_ids == ("l",)
        assert database.lists == {"l": "of Monday"}


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (entry(DOMAIN, ""), "canonical"),
        (entry(DOMAIN, "."), "canonical"),
        (entry(DOMAIN, ".example"), "canonical"),
        (entry(DOMAIN, "example."), "canonical"),
        (entry(DOMAIN, "a..example"), "canonical"),
        (entry(DOMAIN, "A.example"), "canonical"),
        (entry(DOMAIN, "ä.example"), "canonical"),
        (entry(DOMAIN, "a.example/"), "canonical"),
        (entry(HOST, "a.example:80"), "canonical"),
        (entry(HOST, "a example"), "canonical"),
        (entry(HOST, "a.example\n"), "canonical"),
        (entry(HOST, "%zz.example"), "canonical"),
        (entry(HOST, "[::1"), "canonical"),
        (entry(HOST, "\ud800"), "canonical"),
        (entry(PREFIX, "a.example"), "canonical"),
        (entry(PREFIX, "/a"), "canonical"),
        (entry(EXACT, "a.example/ä"), "canonical"),
        (entry(EXACT, "a.example/a b"), "canonical"),
        (entry(EXACT, "::1/x"), "canonical"),
        (entry(EXACT, "a.example:http/x"), "canonical"),
        (entry(EXACT, "a.example/" + "x" * MAX_TEXT), "characters"),
        (entry(HOST, LONG_HOST + "c"), "characters"),
        (entry(PREFIX, "a.example/" + "x/" * MAX_DEPTH), "folders deep"),
        (entry(HOST, "a.example", "x" * (MAX_ENTRY_ID + 1)), "entry id"),
        (entry(HOST, "a.example", "ä" * MAX_ENTRY_ID), "entry id"),
        (entry(HOST, "a.example", "\n"), "entry id"),
        (entry(HOST, "a.example", "\ud800"), "entry id"),
        (entry(HOST, "a.example", category=""), "name"),
        (entry(HOST, "a.example", category="a\tb"), "name"),
        (entry(HOST, "a.example", list_id="x" * (MAX_NAME + 1)), "name"),
    ],
    ids=count(),
)
def test_an_entry_that_cannot_be_in_is_refused_by_name(tmp_path: Path, one: Entry, why: str) -> None:
    assert why in refusal(one)
    with pytest.raises(InputError, match=why) as caught:
        build([entry(HOST, "fine.example"), one], tmp_path / "a", version="1")
    assert repr(one.text[:80]) in caught.value.what
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "one",
    [
        entry(HOST, LONG_HOST),
        entry(HOST, "%01%80.example"),
        entry(HOST, "[2001:db8::1]"),
        entry(DOMAIN, "2001:db8::1"),
        entry(EXACT, "a.example/" + "x" * (MAX_TEXT - len("a.example/"))),
        entry(PREFIX, "a.example/" + "x/" * (MAX_DEPTH - 1)),
        entry(HOST, "a.example", "x" * MAX_ENTRY_ID),
    ],
    ids=count(),
)
def test_the_longest_and_oddest_are_found(tmp_path: Path, one: Entry) -> None:
    assert refusal(one) == ""
    build([one], tmp_path / "a", version="1")
    host, slash, path = one.text.partition("/")
    with open_database(tmp_path / "a") as database:
        assert database.lookup(Address(host.strip("[]"), slash + path)) == (Match(one, "1"),)
        assert list(database.entries()) == [one]


def test_too_many_categories(tmp_path: Path) -> None:
    fine = [entry(HOST, "a.example", category=f"c{n}") for n in range(MAX_CATEGORIES)]
    build(fine, tmp_path / "a", version="1")
    with pytest.raises(InputError, match="categories"):
        build([*fine, entry(HOST, "a.example", category="one more")], tmp_path / "b", version="1")


def test_too_many_entries_for_one_address(tmp_path: Path) -> None:
    fine = [entry(HOST, "a.example", entry_id=str(n)) for n in range(MAX_SAME_KEY)]
    build(fine, tmp_path / "a", version="1")
    with open_database(tmp_path / "a") as database:
        assert len(database.lookup(Address("a.example"))) == MAX_SAME_KEY
    with pytest.raises(InputError, match=r"'a\.example' has 1001 entries"):
        build([*fine, entry(DOMAIN, "a.example")], tmp_path / "b", version="1")


@pytest.mark.parametrize("lists", [{"": "x"}, {"l": "a\nb"}, {"l": "x" * (MAX_ABOUT + 1)}], ids=count())
def test_bad_words_about_lists_are_refused(tmp_path: Path, lists: dict[str, str]) -> None:
    with pytest.raises(InputError, match="cannot be built"):
        build([], tmp_path / "a", version="1", lists=lists)


def test_a_bad_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be built"):
        build([], tmp_path / "a", version="")


def test_addresses_chosen_for_one_bucket_do_not_stay_together(tmp_path: Path) -> None:
    chosen = [entry(HOST, name) for name in _in_one_bucket(bits=7, number=CROWDED + 20)]
    entries = chosen + many(1000 - len(chosen))
    build(entries, tmp_path / "a", version="1")
    build(reversed(entries), tmp_path / "b", version="1")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    header = unpack_header((tmp_path / "a").read_bytes()[:HEADER])
    assert header.seed != 0
    with open_database(tmp_path / "a") as database:
        assert set(database.entries()) == set(entries)
        for one in chosen:
            assert database.lookup(Address(one.text)) == (Match(one, "1"),)


def _in_one_bucket(*, bits: int, number: int) -> list[str]:
    found: list[str] = []
    for n in count():
        if keys.hash64(f"{n}.example".encode(), 0) >> 64 - bits == 0:
            found.append(f"{n}.example")
            if len(found) == number:
                break
    return found


def test_a_failed_build_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    build([entry(HOST, "old.example")], tmp_path / "a", version="1")

    def failing() -> object:
        yield entry(HOST, "a.example")
        raise KeyError("the reader failed")

    with pytest.raises(KeyError):
        build(failing(), tmp_path / "a", version="2")  # type: ignore[arg-type]
    with open_database(tmp_path / "a") as database:
        assert database.version == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(SystemFault, match="No space left on device"):
        build(many(100), tmp_path / "a", version="1")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    program = f"""
import resource, sys
from pathlib import Path
from hyperward.errors import SystemFault
from hyperward.webscan.database import build
from hyperward.webscan.database.model import Entry, EntryKind
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    build((Entry(EntryKind.HOST, f"h{{n}}.example", "c", "l") for n in range(20_000)), Path({str(tmp_path / "a")!r}),
          version="1")
except SystemFault as error:
    print(error.line())
"""
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert "cannot write the address database: File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SystemFault, match="No such file or directory"):
        build([], tmp_path / "no" / "a", version="1")
