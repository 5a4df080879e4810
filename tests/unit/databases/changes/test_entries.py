from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hyperward.databases.changes.entries import list_changes, walk
from hyperward.databases.changes.model import MAX_ENTRIES, Change
from hyperward.databases.contents import Listed
from hyperward.databases.entrylines import print_entries
from hyperward.databases.manifest import EntriesFile, content_id
from hyperward.webscan.database.model import Entry, EntryKind


def listed(folder: Path, name: str, *hosts: str, category: str = "malicious", ids: str = "") -> Listed:
    text = print_entries(Entry(EntryKind.HOST, host, category, name, ids) for host in hosts)
    path = folder / f"{name}-{content_id(text)[:8]}.addresses"
    path.write_bytes(text)
    return Listed(path, EntriesFile(path.name, content_id(text), len(text), category, name, len(hosts), "s", "x"))


def test_entries_added_and_removed(tmp_path: Path) -> None:
    told: list[tuple[str, str, str]] = []
    before = [listed(tmp_path, "a", "one.example", "two.example"), listed(tmp_path, "gone", "x.example")]
    after = [listed(tmp_path, "a", "two.example", "three.example"), listed(tmp_path, "new", "y.example")]
    a, gone, fresh = list_changes(before, after, told.append)
    assert (a.before, a.after, a.added, a.removed) == (2, 2, 1, 1)
    assert (a.first_added, a.first_removed) == (("H three.example",), ("H one.example",))
    assert (gone.list, gone.after, gone.removed, fresh.list, fresh.before, fresh.added) == ("gone", 0, 1, "new", 0, 1)
    assert ("a", "added", "H three.example") in told
    assert len(told) == 4


def test_another_id_of_an_entry_is_no_change_of_it(tmp_path: Path) -> None:
    (change,) = list_changes([listed(tmp_path, "a", "x.example")], [listed(tmp_path, "a", "x.example", ids="7")])
    assert (change.added, change.removed) == (0, 0)


def test_a_list_of_another_category_is_told(tmp_path: Path) -> None:
    (change,) = list_changes(
        [listed(tmp_path, "a", "x.example")], [listed(tmp_path, "a", "x.example", category="phishing")]
    )
    assert (change.category, change.added) == ("phishing", 0)


def test_all_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    hosts = [f"h{number:04}.example" for number in range(MAX_ENTRIES + 10)]
    (change,) = list_changes([], [listed(tmp_path, "a", *hosts)])
    assert (change.added, len(change.first_added)) == (MAX_ENTRIES + 10, MAX_ENTRIES)


@given(st.sets(st.binary(max_size=3)), st.sets(st.binary(max_size=3)))
def test_walking_side_by_side_is_the_difference_of_sets(old: set[bytes], fresh: set[bytes]) -> None:
    found = list(walk(iter(sorted(old)), iter(sorted(fresh))))
    assert {line for change, line in found if change is Change.ADDED} == fresh - old
    assert {line for change, line in found if change is Change.REMOVED} == old - fresh
    assert len(found) == len(fresh ^ old)
