"""Versions on disk: taken in whole, activated by checkpoint, consistent after a power cut at any step."""

import shutil
from pathlib import Path

import pytest

from database_repos import Content
from failing_disk import CutDisk, FullDisk, PowerCut
from hyperward.databases.disk import Disk
from hyperward.databases.errors import DamagedError, SpaceFault
from hyperward.databases.ledger import Stage
from hyperward.databases.store import VersionStore, open_store
from hyperward.errors import InputError


@pytest.fixture
def contents(tmp_path: Path) -> list[Content]:
    return [Content(tmp_path / f"content-{number}", [f"h{number}.example"], ["alert"]) for number in range(1, 8)]


def _add(store: VersionStore, content: Content, number: int) -> None:
    store.add(content.manifest(number), {name: content.folder / name for name in content.files})


def _update(store: VersionStore, number: int) -> None:
    store.begin(number, who="test", action="update")
    store.activating()
    store.commit()


def test_a_version_becomes_active_and_back(tmp_path: Path, contents: list[Content]) -> None:
    store, interrupted = open_store(tmp_path / "store")
    assert interrupted is None
    for number in (1, 2):
        _add(store, contents[number], number)
        _update(store, number)
    active = store.active()
    assert active is not None
    assert (active.manifest.version, store.ledger.previous) == (2, 1)
    assert active.path("rules/first.rules").read_text() == "alert\n"
    store.begin(1, who="admin", action="rollback")
    store.commit()
    assert (store.ledger.active, store.ledger.previous) == (1, 2)
    assert [(one.action, one.before, one.after, one.who) for one in store.history()] == [
        ("rollback", 2, 1, "admin"),
        ("update", 1, 2, "test"),
        ("update", 0, 1, "test"),
    ]
    again, interrupted = open_store(tmp_path / "store")
    assert (again.ledger, interrupted) == (store.ledger, None)


def test_a_refused_version_leaves_the_active_one(tmp_path: Path, contents: list[Content]) -> None:
    store, _ = open_store(tmp_path / "store")
    for number in (1, 2):
        _add(store, contents[number], number)
    _update(store, 1)
    store.begin(2, who="test", action="update")
    record = store.refuse("the engine refuses\na rule")
    assert (store.ledger.active, record.result, record.reason) == (1, "refused", "the engine refuses a rule")
    with pytest.raises(InputError, match="no change is under way"):
        store.commit()


def test_one_change_at_a_time(tmp_path: Path, contents: list[Content]) -> None:
    store, _ = open_store(tmp_path / "store")
    _add(store, contents[0], 1)
    store.begin(1, who="test", action="update")
    with pytest.raises(InputError, match="under way"):
        store.begin(1, who="test", action="update")


def test_what_was_interrupted_is_told(tmp_path: Path, contents: list[Content]) -> None:
    store, _ = open_store(tmp_path / "store")
    _add(store, contents[0], 1)
    store.begin(1, who="test", action="update")
    store.activating()
    again, interrupted = open_store(tmp_path / "store")
    assert interrupted is not None
    assert (interrupted.to, interrupted.stage) == (1, Stage.ACTIVATING)
    assert again.active() is None
    assert again.history()[0].result == "interrupted"


def test_a_file_that_is_not_the_manifests_is_refused(tmp_path: Path, contents: list[Content]) -> None:
    store, _ = open_store(tmp_path / "store")
    with pytest.raises(InputError, match="not the file of version 1"):
        store.add(contents[0].manifest(1), {name: contents[1].folder / name for name in contents[0].files})
    assert store.numbers() == []
    assert list((tmp_path / "store" / "versions").iterdir()) == []


def test_a_damaged_version_is_noticed_and_repaired(tmp_path: Path, contents: list[Content]) -> None:
    store, _ = open_store(tmp_path / "store")
    _add(store, contents[0], 1)
    _update(store, 1)
    path = tmp_path / "store" / "versions" / "1" / "rules" / "first.rules"
    path.chmod(0o644)
    path.write_text("ALERT\n")
    assert store.active() is not None  # sizes only
    with pytest.raises(DamagedError, match=r"rules/first.rules is not what was written"):
        store.version(1, verify=True)
    _add(store, contents[0], 1)
    assert path.read_text() == "alert\n"


def test_other_content_under_a_number_in_use_is_refused(tmp_path: Path, contents: list[Content]) -> None:
    store, _ = open_store(tmp_path / "store")
    _add(store, contents[0], 1)
    _update(store, 1)
    with pytest.raises(InputError, match="other content and in use"):
        _add(store, contents[1], 1)


def test_pruning_keeps_what_is_in_use(tmp_path: Path, contents: list[Content]) -> None:
    store, _ = open_store(tmp_path / "store")
    for number, content in enumerate(contents, 1):
        _add(store, content, number)
    _update(store, 1)
    _update(store, 2)
    assert store.prune(keep=3) == [3, 4, 5, 6]
    assert store.numbers() == [1, 2, 7]


def test_no_room(tmp_path: Path, contents: list[Content]) -> None:
    store, _ = open_store(tmp_path / "store", disk=FullDisk(300))
    with pytest.raises(SpaceFault, match="no room on the disk"):
        _add(store, contents[0], 1)
    assert store.numbers() == []
    store, _ = open_store(tmp_path / "store")
    _add(store, contents[0], 1)
    assert store.numbers() == [1]


def test_a_damaged_ledger_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path / "store")
    (tmp_path / "store" / "ledger.json").write_bytes(b'{"active":')
    with pytest.raises(DamagedError, match="ledger"):
        open_store(tmp_path / "store")


def test_a_torn_line_of_history_is_passed_over(tmp_path: Path, contents: list[Content]) -> None:
    store, _ = open_store(tmp_path / "store")
    _add(store, contents[0], 1)
    _update(store, 1)
    with (tmp_path / "store" / "history.jsonl").open("ab") as file:
        file.write(b'{"number":2,"ti')
    store, _ = open_store(tmp_path / "store")
    _update(store, 1)
    assert [record.number for record in store.history()] == [2, 1]


def test_power_cut_at_every_step(tmp_path: Path, contents: list[Content]) -> None:
    store, _ = open_store(tmp_path / "start")
    _add(store, contents[0], 1)
    _update(store, 1)
    seen: set[tuple[int, str]] = set()
    step = 0
    while True:
        folder = tmp_path / f"cut-{step}"
        shutil.copytree(tmp_path / "start", folder)
        try:
            _whole_change(folder, contents, CutDisk(step))
            break
        except PowerCut:
            pass
        store, _ = open_store(folder)
        active = store.version(store.ledger.active, verify=True)
        records = store.history()
        assert [record.number for record in records] == list(range(len(records), 0, -1))
        assert active.manifest.version in {1, 2}
        assert (active.manifest.version == 2) == (records[0].after == 2 and records[0].result == "done")
        seen.add((active.manifest.version, records[0].result))
        for number in store.numbers():
            store.version(number, verify=True)
        # no leftovers, and the next try succeeds
        assert not list(folder.rglob(".partial*"))
        _whole_change(folder, contents, Disk())
        shutil.rmtree(folder)
        step += 1
    assert seen == {(1, "done"), (1, "interrupted"), (2, "done")}
    assert step > 20


def _whole_change(folder: Path, contents: list[Content], disk: Disk) -> None:
    store, _ = open_store(folder, disk=disk)
    _add(store, contents[1], 2)
    _update(store, 2)
    store.prune(keep=2)
