"""From a publisher's folder to verified files."""

from pathlib import Path

import pytest

from database_repos import Publisher
from hyperward.databases.client.fetch import fetch_version
from hyperward.databases.client.metadata import init_trust

HOSTS = [f"host-{number:04}.example" for number in range(2000)]


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    made = Publisher(tmp_path / "publisher")
    init_trust(tmp_path / "trust", made.initialise())
    return made


def test_a_version_comes_whole(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(1, HOSTS)

    fetched = fetch_version(tmp_path / "trust", str(publisher.repository.folder), tmp_path / "cache")

    assert fetched.manifest.version == 1
    assert fetched.files["rules/first.rules"].read_text() == "alert one\n"
    assert fetched.files["addresses/list-a.addresses"].read_text().startswith("H host-0000.example\nH host-0001")
    assert fetched.from_version is None


def test_the_next_version_comes_by_delta(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(1, HOSTS)
    first = fetch_version(tmp_path / "trust", str(publisher.repository.folder), tmp_path / "cache")
    publisher.publish(2, ["a.example", *HOSTS[:-1]])

    fetched = fetch_version(tmp_path / "trust", str(publisher.repository.folder), tmp_path / "cache")

    assert fetched.from_version == 1
    assert fetched.bytes_moved < first.bytes_moved
    lines = fetched.files["addresses/list-a.addresses"].read_text().splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("H a.example", f"H {HOSTS[-2]}", 2000)
