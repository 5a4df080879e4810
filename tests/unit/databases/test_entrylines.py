"""Addresses as lines of text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.databases.entrylines import parse_entries, parse_line, print_entries, print_entry
from hyperward.databases.manifest import EntriesFile, content_id
from hyperward.errors import InputError
from hyperward.webscan.database.model import Entry, EntryKind

_HOSTS = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,30}(:[0-9]{1,5})?|\[[0-9a-f:]{2,30}\]", fullmatch=True)
_PATHS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40).map(lambda text: f"/{text}")
_IDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
_ENTRIES = st.one_of(
    st.builds(Entry, st.sampled_from([EntryKind.DOMAIN, EntryKind.HOST]), _HOSTS, st.just("c"), st.just("l"), _IDS),
    st.builds(
        Entry,
        st.sampled_from([EntryKind.PREFIX, EntryKind.EXACT]),
        st.tuples(_HOSTS, _PATHS).map("".join),
        st.just("c"),
        st.just("l"),
        _IDS,
    ),
)


def _file(raw: bytes, *, count: int | None = None) -> EntriesFile:
    lines = raw.count(b"\n") if count is None else count
    return EntriesFile("l.addresses", content_id(raw), len(raw), "c", "l", lines, "own", "")


@given(_ENTRIES)
def test_a_line_there_and_back(entry: Entry) -> None:
    assert parse_line(print_entry(entry).encode(), category="c", list_id="l") == entry


@given(entries=st.lists(_ENTRIES, max_size=20))
def test_a_file_there_and_back(entries: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> None:
    raw = print_entries(entries)
    path = tmp_path_factory.mktemp("entries") / "l.addresses"
    path.write_bytes(raw)
    read = list(parse_entries(path, _file(raw)))
    assert {(entry.kind, entry.text) for entry in read} == {(entry.kind, entry.text) for entry in entries}
    assert print_entries(reversed(read)) == raw
    assert raw.splitlines() == sorted(raw.splitlines())


@given(st.binary(max_size=60))
def test_rubbish_is_refused(raw: bytes) -> None:
    try:
        entry = parse_line(raw, category="c", list_id="l")
    except ValueError:
        return
    assert print_entry(entry).encode() == raw


@pytest.mark.parametrize(
    "entry",
    [
        Entry(EntryKind.DOMAIN, "a.example/x", "c", "l"),
        Entry(EntryKind.EXACT, "a.example", "c", "l"),
        Entry(EntryKind.HOST, "A.example", "c", "l"),
        Entry(EntryKind.HOST, "a b", "c", "l"),
        Entry(EntryKind.HOST, "", "c", "l"),
        Entry(EntryKind.HOST, "a\n", "c", "l"),
        Entry(EntryKind.HOST, "ä.example", "c", "l"),
        Entry(EntryKind.HOST, "a.example", "c", "l", "x\ty"),
        Entry(EntryKind.EXACT, "a.example/" + "x" * 4096, "c", "l"),
    ],
)
def test_what_cannot_stand_in_a_line(entry: Entry) -> None:
    with pytest.raises(InputError, match="no entry in canonical form"):
        print_entry(entry)


def test_one_list_and_category_in_a_file() -> None:
    with pytest.raises(InputError, match="in one file"):
        print_entries([Entry(EntryKind.HOST, "a", "c", "l"), Entry(EntryKind.HOST, "b", "c", "m")])


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (b"H b\nH a\n", "l.addresses:2: the line is not in order"),
        (b"H a\nH a\t1\n", "l.addresses:2: the line is not in order, or there twice"),
        (b"H a\nX b\n", "l.addresses:2: b'X b' is no entry"),
        (b"H a\nH b", "l.addresses:2: the line is too long or has no end"),
        (b"E a/" + b"x" * 10_000 + b"\n", "l.addresses:1: the line is too long"),
        (b"H a\r\n", "is no entry"),
        (b"\n", "is no entry"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, raw: bytes, match: str) -> None:
    path = tmp_path / "l.addresses"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=match):
        list(parse_entries(path, _file(raw)))


def test_the_count_must_be_right(tmp_path: Path) -> None:
    path = tmp_path / "l.addresses"
    path.write_bytes(b"H a\n")
    with pytest.raises(InputError, match="1 lines, where the manifest says 2"):
        list(parse_entries(path, _file(b"H a\n", count=2)))
