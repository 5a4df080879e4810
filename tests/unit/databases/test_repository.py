"""The publishing side: thresholds in several steps, other keys, refresh, pruning, the same bytes for the same input."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from database_repos import NOW, Publisher
from failing_disk import CutDisk, FullDisk, PowerCut
from hyperward.databases.client.fetch import fetch_version
from hyperward.databases.client.metadata import init_trust
from hyperward.databases.errors import BusyFault, NothingPublishedError, SpaceFault
from hyperward.databases.lock import locked
from hyperward.databases.repository.advance import advance
from hyperward.databases.repository.folder import Repository
from hyperward.databases.repository.keys import create_key
from hyperward.databases.repository.prune import prune
from hyperward.databases.repository.publish import stage_version
from hyperward.databases.repository.roles import ROLES, Expiry, RoleKeys
from hyperward.databases.repository.trust import discard_staged, stage_first_root, stage_next_root
from hyperward.errors import InputError

ONLINE = ("snapshot", "timestamp")


def _reads(publisher: Publisher, base: Path) -> int:
    folder = str(publisher.repository.folder)
    return fetch_version(base / "trust", folder, base / "cache").manifest.version


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_the_same_input_is_the_same_bytes(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    publisher.initialise()
    empty = tmp_path / "empty"
    shutil.copytree(publisher.repository.folder, empty)
    trees = []
    for name in ("a", "b"):
        shutil.rmtree(publisher.repository.folder)
        shutil.copytree(empty, publisher.repository.folder)
        publisher.publish(1, [f"{number}.example" for number in range(500)])
        publisher.publish(2, [f"{number}.example" for number in range(3, 500)])
        publisher.stage(3, publisher.content(["x.example"]))
        # in which order keys are given leaves no trace
        publisher.advance(*sorted(ROLES, reverse=name == "b"))
        trees.append(_files(publisher.repository.folder))
    assert trees[0] == trees[1]
    assert any(name.startswith("targets/content/") for name in trees[0])


def test_two_of_three_in_several_steps(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    three = tuple(create_key(publisher.keys / f"t{number}") for number in range(3))
    stage_first_root(
        publisher.repository,
        {role: RoleKeys((key,)) for role, key in publisher.public.items()} | {"targets": RoleKeys(three, 2)},
        now=NOW,
        expiry=publisher.expiry,
    )
    assert [(one.role, one.count) for one in publisher.advance("t0").missing] == [("root", 1)]
    done = publisher.advance("root")
    assert [(one.role, one.count) for one in done.missing] == [("targets", 2)]
    assert "targets needs 2 more signatures of the keys" in str(done.missing[0])
    assert publisher.advance("t0", "t2", *ONLINE).published == ("root", "targets", "snapshot", "timestamp")
    init_trust(tmp_path / "trust", publisher.root(1))

    publisher.stage(1, publisher.content(["a.example"]))
    assert publisher.advance("t0", *ONLINE).missing[0].count == 1
    with pytest.raises(NothingPublishedError):
        _reads(publisher, tmp_path)
    assert publisher.advance("t0", *ONLINE).missing[0].count == 1  # the same key twice is one signature
    assert publisher.advance("t1").missing[0].role == "snapshot"  # each holder where their key is
    with pytest.raises(InputError, match="still waits for signatures"):
        publisher.stage(2, publisher.content(["b.example"]))
    assert publisher.advance(*ONLINE).published == ("targets", "snapshot", "timestamp")
    assert _reads(publisher, tmp_path) == 1


def test_discarded(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    publisher.initialise()
    publisher.stage(1, publisher.content(["a.example"]))
    assert discard_staged(publisher.repository) == ("targets",)
    assert publisher.advance().published == ()
    publisher.publish(1, ["b.example"])


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("role", ROLES)
def test_other_keys(tmp_path: Path, role: str, lost: bool) -> None:  # noqa: FBT001 - a parameter of the test
    publisher = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", publisher.initialise())
    publisher.publish(1, ["a.example"])
    assert _reads(publisher, tmp_path) == 1
    fresh = (create_key(publisher.keys / "fresh-1"), create_key(publisher.keys / "fresh-2"))
    stage_next_root(publisher.repository, {role: RoleKeys(fresh, 2)}, now=NOW, expiry=publisher.expiry)
    others = {*ROLES, "fresh-1", "fresh-2"} - ({role} if role != "root" else set())
    if role != "root":
        done = publisher.advance(*others, lost=False)
        assert [one.role for one in done.missing] == [role]  # the old key must sign once more
    done = publisher.advance(*others, *([] if lost else [role]), lost=lost)
    assert done.missing == ()
    assert "root" in done.published
    assert _reads(publisher, tmp_path) == 1
    # from here on the old key counts no more
    publisher.stage(2, publisher.content(["b.example"]))
    if role == "root":
        assert publisher.advance().missing == ()
        stage_next_root(publisher.repository, {}, now=NOW, expiry=publisher.expiry)
    assert [one.role for one in publisher.advance().missing] == [role]
    assert publisher.advance(*ROLES, "fresh-1", "fresh-2").missing == ()
    assert _reads(publisher, tmp_path) == 2
    # a reader that was away the whole time follows root by root
    shutil.rmtree(tmp_path / "trust" / "metadata")
    assert _reads(publisher, tmp_path) == 2


def test_a_root_needs_the_old_threshold(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    publisher.initialise()
    fresh = create_key(publisher.keys / "fresh")
    stage_next_root(publisher.repository, {"root": RoleKeys((fresh,))}, now=NOW, expiry=publisher.expiry)
    done = publisher.advance("fresh", "targets", "snapshot", "timestamp", lost=True)
    assert [(one.role, one.keyids) for one in done.missing] == [("root", (publisher.public["root"].keyid,))]
    assert publisher.repository.numbers("root") == [1]


def test_refresh_moves_the_expiry_and_nothing_else(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", publisher.initialise())
    publisher.publish(1, ["a.example"])
    before = publisher.repository.current()
    later = NOW + timedelta(days=3)
    done = publisher.advance("timestamp", now=later, renew=["timestamp"])
    assert done.published == ("timestamp",)
    after = publisher.repository.current()
    assert before.timestamp
    assert after.timestamp
    assert after.snapshot == before.snapshot
    assert after.timestamp.signed.expires - before.timestamp.signed.expires == timedelta(days=3)
    done = publisher.advance("snapshot", "timestamp", now=later, renew=["snapshot", "timestamp"])
    assert done.published == ("snapshot", "timestamp")
    assert publisher.advance(now=later).published == ()
    assert _reads(publisher, tmp_path) == 1


def test_staged_for_too_long(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher", expiry=Expiry(targets=2))
    publisher.initialise()
    publisher.stage(1, publisher.content(["a.example"]))
    with pytest.raises(InputError, match="has expired while it waited"):
        publisher.advance(now=NOW + timedelta(days=3))


def test_versions_rise(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    with pytest.raises(InputError, match="there is no repository"):
        publisher.stage(1, publisher.content(["a.example"]))
    publisher.initialise()
    publisher.publish(5, ["a.example"])
    for version in (5, 4):
        with pytest.raises(InputError, match=f"version {version} does not rise above 5"):
            publisher.stage(version, publisher.content(["b.example"]))
    with pytest.raises(InputError, match="there is a repository already"):
        publisher.initialise()


def test_files_must_be_those_of_the_manifest(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    publisher.initialise()
    content = publisher.content(["a.example"])
    path = content.folder / "rules" / "first.rules"
    for raw, match in ((b"alert onx\n", "not the one of the manifest"), (b"", "has not the 10 bytes")):
        path.write_bytes(raw)
        with pytest.raises(InputError, match=match):
            publisher.stage(1, content)
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        publisher.stage(1, content)
    content.files["addresses/list-a.addresses"] = b"H b\nH a\n"
    content = publisher.content(["a.example"])
    raw = b"H b.example\nH a.example\n"
    content.files["addresses/list-a.addresses"] = raw
    (content.folder / "addresses" / "list-a.addresses").write_bytes(raw)
    with pytest.raises(InputError, match=r"addresses:2: the line is not in order"):
        publisher.stage(1, content)


def test_deltas_start_from_the_last_versions(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    publisher.initialise()
    hosts = [f"{number:04}.example" for number in range(1000)]
    for version in range(1, 9):
        staged = publisher.publish(version, hosts[version:])
    assert [delta.from_version for delta in staged.manifest.deltas] == [3, 4, 5, 6, 7]
    staged = publisher.publish(9, ["all.example", "other.example"])
    assert staged.manifest.deltas == ()


def test_pruning(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", publisher.initialise())
    for version in range(1, 7):
        publisher.publish(version, [f"{version}.example"])
    before = len(_files(publisher.repository.folder))
    assert prune(publisher.repository, keep=2) > 0
    assert publisher.repository.numbers("targets") == [6, 7]
    assert publisher.repository.numbers("snapshot") == [6, 7]
    assert len(_files(publisher.repository.folder)) < before
    assert _reads(publisher, tmp_path) == 6
    publisher.publish(7, ["7.example"])
    assert _reads(publisher, tmp_path) == 7


def test_keys_and_thresholds_must_fit(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    key = publisher.public["root"]
    for roles, match in (
        (RoleKeys((key,), 2), "a threshold of 2 with 1 keys"),
        (RoleKeys((key,), 0), "a threshold of 0"),
        (RoleKeys((key, key), 1), "a key is there twice"),
    ):
        with pytest.raises(InputError, match=match):
            publisher.initialise({"targets": roles})
    with pytest.raises(InputError, match="keys for"):
        stage_first_root(publisher.repository, {"root": RoleKeys((key,))}, now=NOW, expiry=publisher.expiry)
    with pytest.raises(InputError, match="valid for 0 days"):
        Expiry(root=0).until("root", NOW)
    with pytest.raises(InputError, match="there is no repository"):
        stage_next_root(publisher.repository, {}, now=NOW, expiry=publisher.expiry)
    publisher.initialise()
    with pytest.raises(InputError, match="no such role: roto"):
        stage_next_root(publisher.repository, {"roto": RoleKeys((key,))}, now=NOW, expiry=publisher.expiry)


def test_one_publisher_at_a_time(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    publisher.initialise()
    with locked(publisher.repository.folder), pytest.raises(BusyFault, match="another process works on this folder"):
        publisher.advance()


def test_no_room_for_a_version(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", publisher.initialise())
    publisher.publish(1, ["a.example"])
    content = publisher.content(["b.example"])
    full = Repository(publisher.repository.folder, FullDisk(100))
    with pytest.raises(SpaceFault, match="no room"):
        stage_version(full, content.manifest(2), content.folder, now=NOW, expiry=publisher.expiry)
    assert _reads(publisher, tmp_path) == 1
    publisher.stage(2, content)
    publisher.advance()
    assert _reads(publisher, tmp_path) == 2


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_what_somebody_changed_is_never_signed(tmp_path: Path, role: str) -> None:
    publisher = Publisher(tmp_path / "publisher")
    publisher.initialise()
    publisher.publish(1, ["a.example"])
    path = publisher.repository.metadata / ("timestamp.json" if role == "timestamp" else f"2.{role}.json")
    raw = path.read_bytes()
    assert b'"spec_version":"1.0.' in raw
    path.write_bytes(raw.replace(b'"spec_version":"1.0.', b'"spec_version":"1.9.'))
    fresh = create_key(publisher.keys / "fresh")
    for work in (
        lambda: publisher.advance(renew=["targets", "snapshot", "timestamp"]),
        lambda: publisher.stage(2, publisher.content(["b.example"])),
        lambda: stage_next_root(publisher.repository, {role: RoleKeys((fresh,))}, now=NOW, expiry=publisher.expiry),
    ):
        with pytest.raises(InputError, match=r"not what was signed|is not signed by the keys of the root"):
            work()


def test_a_change_of_lost_keys_goes_on_after_a_power_cut(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", publisher.initialise())
    publisher.publish(1, ["a.example"])
    fresh = create_key(publisher.keys / "fresh")
    signers = publisher.signers("root", "targets", "snapshot", "fresh")
    step = 0
    while True:
        folder = tmp_path / f"cut-{step}"
        shutil.copytree(publisher.repository.folder, folder)
        cut = Repository(folder, CutDisk(step))
        try:
            stage_next_root(cut, {"timestamp": RoleKeys((fresh,))}, now=NOW, expiry=publisher.expiry)
            advance(cut, signers, now=NOW, expiry=publisher.expiry, old_keys_lost=True)
            break
        except PowerCut:
            pass
        again = Repository(folder)
        if not again.staged("root") and again.numbers("root") == [1]:
            stage_next_root(again, {"timestamp": RoleKeys((fresh,))}, now=NOW, expiry=publisher.expiry)
        advance(again, signers, now=NOW, expiry=publisher.expiry, old_keys_lost=True)
        shutil.rmtree(tmp_path / "trust" / "metadata", ignore_errors=True)
        assert again.numbers("root") == [1, 2]
        assert fetch_version(tmp_path / "trust", str(folder), tmp_path / "cache").manifest.version == 1
        shutil.rmtree(folder)
        step += 1
    assert step > 8


def test_a_damaged_repository_is_refused(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    publisher.initialise()
    path = publisher.repository.metadata / "timestamp.json"
    path.write_bytes((publisher.repository.metadata / "1.snapshot.json").read_bytes())
    with pytest.raises(InputError, match="not that of timestamp"):
        publisher.advance()
    path.write_bytes(b"{")
    with pytest.raises(InputError, match="cannot be read"):
        publisher.advance()
