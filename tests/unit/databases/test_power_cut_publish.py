"""The power goes off at every step of publishing: readers have the old version or the next one, and it can go on."""

import shutil
from pathlib import Path

import pytest

from database_repos import NOW, Publisher
from failing_disk import CutDisk, PowerCut
from hyperward.databases.client.fetch import fetch_version
from hyperward.databases.client.metadata import init_trust
from hyperward.databases.repository.advance import advance
from hyperward.databases.repository.folder import Repository
from hyperward.databases.repository.keys import create_key
from hyperward.databases.repository.publish import stage_version
from hyperward.databases.repository.roles import RoleKeys
from hyperward.databases.repository.trust import discard_staged, stage_next_root


def _reads(source: Path, base: Path, trust: Path) -> int:
    """Return the version that a reader gets who knew the first one, and leave no trace of it."""
    work = base / "reader"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(trust, work / "trust")
    return fetch_version(work / "trust", str(source), work / "cache").manifest.version


def test_publishing(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", publisher.initialise())
    publisher.publish(1, ["one.example"])
    assert _reads(publisher.repository.folder, tmp_path, tmp_path / "trust") == 1
    content = publisher.content(["one.example", "two.example"])
    signers = publisher.signers()
    seen = set()
    step = 0
    while True:
        folder = tmp_path / f"cut-{step}"
        shutil.copytree(publisher.repository.folder, folder)
        disk = CutDisk(step)
        cut = Repository(folder, disk)
        try:
            stage_version(cut, content.manifest(2), content.folder, now=NOW, expiry=publisher.expiry)
            advance(cut, signers, now=NOW, expiry=publisher.expiry)
            break
        except PowerCut:
            pass
        seen.add(version := _reads(folder, tmp_path, tmp_path / "trust"))
        assert version in {1, 2}
        # the publisher goes on: what is staged is finished, or it begins again
        again = Repository(folder)
        advance(again, signers, now=NOW, expiry=publisher.expiry)
        if _reads(folder, tmp_path, tmp_path / "trust") == 1:
            discard_staged(again)
            stage_version(again, content.manifest(2), content.folder, now=NOW, expiry=publisher.expiry)
            advance(again, signers, now=NOW, expiry=publisher.expiry)
        assert _reads(folder, tmp_path, tmp_path / "trust") == 2
        shutil.rmtree(folder)
        step += 1
    assert seen == {1, 2}
    assert step > 20


@pytest.mark.parametrize("role", ["root", "targets", "timestamp"])
def test_other_keys(tmp_path: Path, role: str) -> None:
    publisher = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", publisher.initialise())
    publisher.publish(1, ["one.example"])
    other = create_key(publisher.keys / "other")
    signers = publisher.signers("root", "targets", "snapshot", "timestamp", "other")
    step = 0
    while True:
        folder = tmp_path / f"cut-{step}"
        shutil.copytree(publisher.repository.folder, folder)
        cut = Repository(folder, CutDisk(step))
        try:
            stage_next_root(cut, {role: RoleKeys((other,))}, now=NOW, expiry=publisher.expiry)
            advance(cut, signers, now=NOW, expiry=publisher.expiry)
            break
        except PowerCut:
            pass
        assert _reads(folder, tmp_path, tmp_path / "trust") == 1
        advance(Repository(folder), signers, now=NOW, expiry=publisher.expiry)
        assert _reads(folder, tmp_path, tmp_path / "trust") == 1
        shutil.rmtree(folder)
        step += 1
    assert step > 8
