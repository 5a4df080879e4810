import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperward.databases.sources.config import HttpEntry
from hyperward.databases.sources.web import WebFetcher, kept
from hyperward.errors import InputError, SystemFault
from publisher import CONTENT, Publisher, serving


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with serving() as server:
        yield server


@pytest.fixture
def fetcher() -> Iterator[WebFetcher]:
    fetcher = WebFetcher(HttpEntry(max_megabytes=1, timeout_seconds=5))
    yield fetcher
    fetcher.close()


def test_a_file_is_fetched_once_and_not_again(publisher: Publisher, fetcher: WebFetcher, tmp_path: Path) -> None:
    first = fetcher.fetch(publisher.url, tmp_path)
    assert first.path.read_bytes() == CONTENT
    assert (first.sha256, first.moved) == (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    again = fetcher.fetch(publisher.url, tmp_path)
    assert (again.unchanged, again.moved, again.sha256) == (True, 0, first.sha256)
    publisher.content, publisher.etag = b"other", '"two"'
    other = fetcher.fetch(publisher.url, tmp_path)
    assert (other.path.read_bytes(), other.unchanged) == (b"other", False)
    assert kept(tmp_path, publisher.url) is not None
    assert kept(tmp_path, publisher.url + "x") is None


def test_a_broken_download_goes_on_where_it_was(publisher: Publisher, fetcher: WebFetcher, tmp_path: Path) -> None:
    publisher.break_after = 100_000
    got = fetcher.fetch(publisher.url, tmp_path)
    assert got.path.read_bytes() == CONTENT
    assert got.moved == len(CONTENT) - 100_000
    assert publisher.asked[1]["Range"] == "bytes=100000-"


def test_a_file_that_changed_meanwhile_is_fetched_whole(
    publisher: Publisher, fetcher: WebFetcher, tmp_path: Path
) -> None:
    publisher.break_after = 100_000
    fetcher.fetch(publisher.url, tmp_path)
    (tmp_path / "content").unlink()
    (tmp_path / "partial").write_bytes(b"y" * 5000)
    (tmp_path / "partial.json").write_text(f'{{"url":"{publisher.url}","etag":"\\"zero\\""}}')
    assert fetcher.fetch(publisher.url, tmp_path).path.read_bytes() == CONTENT


@pytest.mark.parametrize("endless", [True, False])
def test_too_much_is_refused_and_the_old_file_stays(
    publisher: Publisher, fetcher: WebFetcher, tmp_path: Path, *, endless: bool
) -> None:
    fetcher.fetch(publisher.url, tmp_path)
    publisher.content, publisher.etag, publisher.endless = b"x" * (2 << 20), '"two"', endless
    with pytest.raises(InputError, match=r"max_megabytes|above|more than"):
        fetcher.fetch(publisher.url, tmp_path)
    old = kept(tmp_path, publisher.url)
    assert old is not None
    assert old.path.read_bytes() == CONTENT


def test_a_missing_file_and_a_missing_server(publisher: Publisher, fetcher: WebFetcher, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="404"):
        fetcher.fetch(publisher.url + "/no", tmp_path)
    with pytest.raises(SystemFault, match="cannot be fetched"):
        fetcher.fetch("http://127.0.0.1:1/x", tmp_path)


def test_a_server_that_drips_bytes_is_given_up(publisher: Publisher, tmp_path: Path) -> None:
    times = iter([0.0, 0.0, *(40.0 for _ in range(10))])
    fetcher = WebFetcher(HttpEntry(), clock=lambda: next(times))
    publisher.content = b"x" * 2000
    with pytest.raises(SystemFault, match="bytes a second"):
        fetcher.fetch(publisher.url, tmp_path)
    fetcher.close()


def test_too_long_in_all(publisher: Publisher, tmp_path: Path) -> None:
    times = iter([0.0, 0.0, *(1000.0 for _ in range(10))])
    fetcher = WebFetcher(HttpEntry(total_seconds=900), clock=lambda: next(times))
    with pytest.raises(SystemFault, match="takes more than 900 s"):
        fetcher.fetch(publisher.url, tmp_path)
    fetcher.close()
