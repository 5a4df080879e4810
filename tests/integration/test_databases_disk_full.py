"""A real file system without room: nothing is handed out, nothing is left behind, the next try succeeds."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from database_repos import Publisher
from hyperward.databases.client.fetch import fetch_version
from hyperward.databases.client.metadata import init_trust
from hyperward.databases.errors import SpaceFault
from hyperward.databases.manifest import content_id
from hyperward.databases.store import open_store

pytestmark = pytest.mark.root

HOSTS = [f"host-{number:05}.example" for number in range(20_000)]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _resize(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


@pytest.mark.parametrize("known", [True, False])
def test_fetching(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:  # noqa: FBT001
    publisher = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", publisher.initialise())
    publisher.publish(1, HOSTS)
    source = str(publisher.repository.folder)
    with monkeypatch.context() as patched:
        if not known:  # the room is taken by others while we fetch
            patched.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1 << 40))
        with pytest.raises(SpaceFault, match="bytes are needed" if known else "there is no room on the disk"):
            fetch_version(tmp_path / "trust", source, small / "cache")
    assert not list((small / "cache").rglob("*.part*"))
    # what is whole stays for the next try
    assert all(content_id(path.read_bytes()) == path.name for path in (small / "cache" / "files").iterdir())
    _resize(small, "4m")
    assert fetch_version(tmp_path / "trust", source, small / "cache").manifest.version == 1


def test_the_store(tmp_path: Path, small: Path) -> None:
    publisher = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", publisher.initialise())
    publisher.publish(1, HOSTS[:100])
    source = str(publisher.repository.folder)
    first = fetch_version(tmp_path / "trust", source, tmp_path / "cache")
    store, _ = open_store(small / "store")
    store.add(first.manifest, first.files)
    store.begin(1, who="test", action="update")
    store.commit()
    publisher.publish(2, HOSTS)
    second = fetch_version(tmp_path / "trust", source, tmp_path / "cache")
    with pytest.raises(SpaceFault, match="there is no room on the disk"):
        store.add(second.manifest, second.files)
    assert store.numbers() == [1]
    assert not list(small.rglob(".partial*"))
    active = store.active()
    assert active
    assert store.version(1, verify=True).manifest == active.manifest
    _resize(small, "4m")
    store.add(second.manifest, second.files)
    assert store.numbers() == [1, 2]
