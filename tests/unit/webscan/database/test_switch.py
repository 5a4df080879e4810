import threading
from pathlib import Path

import pytest

from hyperward.webscan.address import Address
from hyperward.webscan.database import Database, Layers, build, open_database
from hyperward.webscan.database.model import Entry, EntryKind, Match

DOMAIN, HOST, PREFIX, EXACT = EntryKind


def versions(folder: Path, number: int) -> list[Path]:
    paths = []
    for version in range(number):
        entries = [Entry(DOMAIN, f"h{n}.example", "malicious", "l", str(version)) for n in range(2000)]
        build(entries, folder / str(version), version=str(version))
        paths.append(folder / str(version))
    return paths


def test_lookups_go_on_while_versions_are_switched_and_closed(tmp_path: Path) -> None:
    paths = versions(tmp_path, 3)
    current: list[Database] = [open_database(paths[0])]
    stop, wrong, looked_up = threading.Event(), [], [0, 0]

    def look_up(thread: int) -> None:
        while not stop.is_set():
            database = current[0]
            try:
                matches = database.lookup(Address(f"x.h{looked_up[thread] % 2000}.example"))
            except ValueError:
                continue  # it was closed before this lookup began
            if len(matches) != 1 or matches[0].version != matches[0].entry.entry_id:
                wrong.append(matches)
            looked_up[thread] += 1

    threads = [threading.Thread(target=look_up, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    try:
        for n in range(60):
            old, current[0] = current[0], open_database(paths[n % 3])
            old.close()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        current[0].close()
    assert not wrong
    assert min(looked_up) > 0


def test_a_closed_database_is_not_asked(tmp_path: Path) -> None:
    (path,) = versions(tmp_path, 1)
    database = open_database(path)
    database.close()
    database.close()
    with pytest.raises(ValueError, match="closed"):
        database.lookup(Address("h1.example"))
    with pytest.raises(ValueError, match="closed"):
        list(database.entries())


def test_closing_lets_go_of_file_and_memory(tmp_path: Path) -> None:
    (path,) = versions(tmp_path, 1)
    database = open_database(path)
    assert str(path) in Path("/proc/self/maps").read_text()
    database.close()
    assert str(path) not in Path("/proc/self/maps").read_text()
    assert str(path) not in {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}


def test_entries_that_are_being_read_outlive_the_close(tmp_path: Path) -> None:
    (path,) = versions(tmp_path, 1)
    database = open_database(path)
    entries = database.entries()
    next(entries)
    database.close()
    assert len(list(entries)) == 1999


def test_layers_answer_together_the_most_exact_first(tmp_path: Path) -> None:
    own = [Entry(DOMAIN, "h.example", "own", "mine"), Entry(HOST, "a.h.example", "own", "mine")]
    foreign = [Entry(DOMAIN, "h.example", "malicious", "feed"), Entry(EXACT, "a.h.example/x", "phishing", "feed")]
    build(own, tmp_path / "own", version="1")
    build(foreign, tmp_path / "feed", version="2")
    with Layers([open_database(tmp_path / "own"), open_database(tmp_path / "feed")]) as layers:
        assert layers.lookup(Address("a.h.example", "/x")) == (
            Match(foreign[1], "2"),
            Match(own[1], "1"),
            Match(own[0], "1"),
            Match(foreign[0], "2"),
        )
        assert layers.lookup(Address("h.example", "")) == (Match(own[0], "1"), Match(foreign[0], "2"))
        assert layers.lookup(Address("other.example")) == ()
    with pytest.raises(ValueError, match="closed"):
        layers.lookup(Address("h.example"))


def test_no_layers_find_nothing() -> None:
    with Layers([]) as layers:
        assert layers.lookup(Address("h.example")) == ()
