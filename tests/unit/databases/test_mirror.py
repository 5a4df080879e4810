"""A mirror hands out what its source signed, whole at any moment."""

from pathlib import Path

import pytest

from database_repos import NOW, Publisher
from database_server import serving
from hyperward.databases.client.fetch import fetch_version
from hyperward.databases.client.metadata import init_trust
from hyperward.databases.client.mirror import mirror
from hyperward.databases.errors import TamperedError, UntrustedError
from hyperward.databases.repository.keys import create_key
from hyperward.databases.repository.roles import ROLES, RoleKeys
from hyperward.databases.repository.trust import stage_next_root
from hyperward.errors import InputError

HOSTS = [f"host-{number:04}.example" for number in range(2000)]


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    made = Publisher(tmp_path / "publisher")
    root = made.initialise()
    for who in ("trust", "reader"):
        init_trust(tmp_path / who, root)
    made.publish(1, HOSTS)
    return made


def copy(publisher: Publisher, folder: Path, source: str = "") -> tuple[int, int, int]:
    done = mirror(
        folder / "trust", source or str(publisher.repository.folder), folder / "mirror", folder / "mirror-cache"
    )
    return done.files, done.copied, done.removed


def fetched(folder: Path, name: str = "mirror", *, trust: str = "reader") -> int:
    return fetch_version(folder / trust, str(folder / name), folder / f"cache-{name}").manifest.version


def test_readers_get_from_a_mirror_what_its_source_has(publisher: Publisher, tmp_path: Path) -> None:
    files, copied, _ = copy(publisher, tmp_path)
    assert files == copied
    assert fetched(tmp_path) == 1
    assert copy(publisher, tmp_path) == (files, 0, 0)


def test_only_what_is_missing_is_copied_and_what_nobody_asks_for_goes(publisher: Publisher, tmp_path: Path) -> None:
    copy(publisher, tmp_path)
    publisher.publish(2, [*HOSTS[1:], "other.example"])
    files, copied, removed = copy(publisher, tmp_path)
    assert 0 < copied < files
    assert removed == 0
    publisher.publish(3, [*HOSTS[2:], "other.example"])
    assert copy(publisher, tmp_path)[2] > 0
    assert fetched(tmp_path) == 3


def test_a_mirror_of_a_web_server_and_of_a_mirror(publisher: Publisher, tmp_path: Path) -> None:
    with serving(publisher.repository.folder) as server:
        copy(publisher, tmp_path, server.address)
    again = mirror(tmp_path / "trust", str(tmp_path / "mirror"), tmp_path / "second", tmp_path / "c")
    assert again.copied == again.files
    assert fetched(tmp_path, "second") == 1


def test_readers_with_the_first_root_follow_a_rotation_through_a_mirror(publisher: Publisher, tmp_path: Path) -> None:
    first = (publisher.repository.metadata / "1.root.json").read_bytes()
    another = {"timestamp": RoleKeys((create_key(publisher.keys / "another"),))}
    stage_next_root(publisher.repository, another, now=NOW, expiry=publisher.expiry)
    publisher.advance(*ROLES, "another")
    init_trust(tmp_path / "late", (publisher.repository.metadata / "2.root.json").read_bytes())
    mirror(tmp_path / "late", str(publisher.repository.folder), tmp_path / "mirror", tmp_path / "mirror-cache")
    init_trust(tmp_path / "early", first)
    assert fetched(tmp_path, trust="early") == 1


def test_a_tampered_source_changes_nothing_in_the_mirror(publisher: Publisher, tmp_path: Path) -> None:
    copy(publisher, tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "mirror").rglob("*") if path.is_file()}
    publisher.publish(2, [*HOSTS[1:], "other.example"])
    known = {path.name for path in before}
    fresh = [path for path in publisher.repository.targets.rglob("*.gz") if path.name not in known]
    originals = {path: path.read_bytes() for path in fresh}
    for path in fresh:
        path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises((TamperedError, UntrustedError)):
        copy(publisher, tmp_path)
    assert {path: path.read_bytes() for path in before} == before
    assert fetched(tmp_path) == 1
    for path, raw in originals.items():
        path.write_bytes(raw)
    copy(publisher, tmp_path)
    assert fetched(tmp_path) == 2


def test_without_a_trusted_root_nothing_is_mirrored(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no root is trusted"):
        mirror(tmp_path / "nobody", str(publisher.repository.folder), tmp_path / "m", tmp_path / "c")
