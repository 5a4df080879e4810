import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from hyperward.databases.sources.config import load_sources
from hyperward.databases.sources.gather import Gathered, gather
from hyperward.errors import HyperwardError, InputError
from hyperward.yamlfile import FileErrors
from publisher import Publisher, serving

UUID = "5a1c2d3e-0000-4000-8000-0123456789ab"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with serving() as server:
        yield server


def written(folder: Path, text: str) -> Path:
    path = folder / "sources.yaml"
    path.write_text(dedent(text))
    return path


def gathered(folder: Path, text: str) -> list[Gathered]:
    return list(gather(load_sources(written(folder, text)), folder / "cache", report=lambda *_: None))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sources: []", "must not be empty"),
        ("sources: [{id: A!, kind: rules, from: x, licence: MIT}]", "no id"),
        ("sources: [{id: a, kind: rules, from: x, licence: MIT}]", "is not there"),
        ("sources: [{id: a, kind: rules, from: 'ftp://x/y', licence: MIT}]", "only http"),
        ("sources: [{id: a, kind: rules, from: 'https://u:p@x/y', licence: MIT}]", "password"),
        ("sources: [{id: a, kind: addresses, from: 'https://x/y', licence: MIT}]", "needs a category"),
        ("sources: [{id: a, kind: rules, from: 'https://x/y', licence: MIT, category: malicious}]", "no category"),
        ("sources: [{id: a, kind: stix, from: 'https://x/y', licence: MIT, category: a, format: csv}]", "format"),
        ("sources: [{id: a, kind: rules, from: 'https://x/y'}]", "licence"),
        ("sources: [{id: a, kind: what, from: 'https://x/y', licence: MIT}]", "kind"),
        (
            (
                "sources: [{id: a, kind: rules, from: 'https://x/y', licence: M},"
                " {id: a, kind: rules, from: 'https://x/z', licence: M}]"
            ),
            "is taken",
        ),
        ("popular: {file: nope}\nsources: [{id: a, kind: rules, from: 'https://x/y', licence: M}]", "not there"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(FileErrors, match=what) as refused:
        load_sources(written(tmp_path, text))
    assert "sources.yaml:" in str(refused.value)


def test_what_is_here_is_used_in_place(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "b.rules").write_text("b")
    (tmp_path / "r" / "a.rules").write_text("a")
    (tmp_path / "list.txt").write_text("a.example\n")
    rules, hosts = gathered(
        tmp_path,
        """
        sources:
        - {id: rules, kind: rules, from: r, licence: MIT}
        - {id: hosts, kind: addresses, from: list.txt, licence: MIT, category: malicious}
        """,
    )
    assert [path.name for path in rules.files()] == ["a.rules", "b.rules"]
    assert (hosts.path, hosts.fetched, hosts.moved) == (tmp_path / "list.txt", None, 0)
    assert hosts.sha256 == hashlib.sha256(b"a.example\n").hexdigest()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    with pytest.raises(InputError, match=r"no \*.rules file"):
        gathered(tmp_path, "sources: [{id: rules, kind: rules, from: r, licence: MIT}]")


def test_a_source_over_http_is_kept_for_the_next_build(publisher: Publisher, tmp_path: Path) -> None:
    text = (
        f"sources: [{{id: a, kind: addresses, from: '{publisher.url}', licence: MIT, category: malicious,"
        " optional: true}]"
    )
    (first,) = gathered(tmp_path, text)
    (again,) = gathered(tmp_path, text)
    assert (first.moved, again.moved, first.path.name) == (len(publisher.content), 0, "list")
    publisher.shutdown()
    publisher.server_close()
    (stale,) = gathered(tmp_path, text)
    assert (stale.sha256, bool(stale.stale)) == (first.sha256, True)
    with pytest.raises(HyperwardError):
        gathered(tmp_path, text.replace(", optional: true", ""))


def test_a_misp_feed_is_its_manifest_and_its_events(publisher: Publisher, tmp_path: Path) -> None:
    base = publisher.url.removesuffix("/list")
    event = json.dumps({"Event": {"uuid": UUID}}).encode()
    publisher.files = {"/feed/manifest.json": json.dumps({UUID: {}}).encode(), f"/feed/{UUID}.json": event}
    text = f"sources: [{{id: m, kind: misp, from: '{base}/feed/', licence: MIT, category: malicious}}]"
    (feed,) = gathered(tmp_path, text)
    assert [path.name for path in feed.files()] == [f"{UUID}.json"]
    assert feed.files()[0].read_bytes() == event
    publisher.files = {"/feed/manifest.json": b"{}", "/feed/x": b""}
    with pytest.raises(InputError):
        gathered(tmp_path, text)


def test_headers_are_sent_and_a_bad_file_does_not_show_its_secret(publisher: Publisher, tmp_path: Path) -> None:
    secret = tmp_path / "headers"
    secret.write_text("Auth-Key: s3cret\n")
    text = (
        f"sources: [{{id: a, kind: addresses, from: '{publisher.url}', licence: M, category: c,"
        " headers_file: headers}]"
    )
    gathered(tmp_path, text)
    assert publisher.asked[-1]["Auth-Key"] == "s3cret"
    secret.write_text("s3cret\n")
    with pytest.raises(InputError) as refused:
        gathered(tmp_path, text)
    assert "s3cret" not in str(refused.value)
