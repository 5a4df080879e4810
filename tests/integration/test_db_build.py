"""`hyperward db build` from sources to signed repository, with the real engine as the judge of rules."""

import io
import json
import tarfile
import zipfile
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from typer.testing import CliRunner

from hyperward.cli.main import app
from hyperward.databases.build.publish import latest_manifest
from hyperward.databases.errors import FrozenError
from hyperward.databases.repository.folder import Repository
from hyperward.databases.repository.versions import published_versions, read_content
from hyperward.errors import InputError

pytestmark = pytest.mark.engine
GOOD = 'alert http any any -> any any (msg:"good"; content:"x"; sid:9000001; rev:1;)'
BAD = 'alert http any any -> any any (msg:"bad"; content:"x"; no_such_keyword; sid:9000002; rev:1;)'
TIME = "2026-01-02T03:04:05Z"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    run("db", "keys", "--out", tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def repo(tmp_path: Path, keys: Path) -> Path:
    run("db", "init", "--out", tmp_path / "repo", "--keys", keys, "--time", TIME)
    return tmp_path / "repo"


def write_sources(folder: Path, *more: str) -> Path:
    (folder / "own.rules").write_text(f"{GOOD}\n{BAD}\n# {GOOD}\nnonsense\n")
    (folder / "bad.txt").write_text("evil.example\nnot a host at all !!\nhttp://shop.example/a/b.exe\n")
    text = """
        sources:
        - {id: own, kind: rules, from: own.rules, licence: MIT}
        - {id: bad, kind: addresses, from: bad.txt, licence: CC0-1.0, category: malicious, format: plain}
    """
    path = folder / "sources.yaml"
    path.write_text(dedent(text) + "".join(f"{line}\n" for line in more))
    return path


def build(sources: Path, repo: Path, keys: Path, *more: object) -> dict[str, Any]:
    out = run("db", "build", "--config", sources, "--out", repo, "--keys", keys, "--time", TIME, "--json", *more)
    result: dict[str, Any] = json.loads(out)
    return result


def content_of(repo: Path, path: str) -> bytes:
    repository = Repository(repo)
    targets = repository.current().targets
    assert targets is not None
    latest = next(iter(published_versions(repository, targets.signed.version)))
    file = next(one for one in latest.manifest.files() if one.path == path)
    return read_content(repository, latest, file.sha256, file.size)


def test_what_can_be_used_is_published_and_the_rest_is_reported(tmp_path: Path, repo: Path, keys: Path) -> None:
    result = build(write_sources(tmp_path), repo, keys)
    assert result["version"] == 1
    assert [(one["id"], one["used"], one["refused"]) for one in result["sources"]] == [("own", 1, 2), ("bad", 2, 1)]
    assert content_of(repo, "rules/own.rules").decode() == f"{GOOD}\n"
    assert content_of(repo, "addresses/bad.addresses") == b"D evil.example\nE shop.example/a/b.exe\n"
    refused = content_of(repo, "reports/own.csv").decode()
    assert 'own.rules,2,9000002,"left out, the engine refuses it' in refused
    assert "bad.txt:2" in content_of(repo, "reports/bad.csv").decode()
    manifest = latest_manifest(Repository(repo))
    assert manifest is not None
    assert {one.licence for one in manifest.rules + manifest.entries} == {"MIT", "CC0-1.0"}
    assert [one.id for one in manifest.sources] == ["bad", "own"]


def test_equal_sources_keys_and_time_give_equal_bytes(tmp_path: Path, repo: Path, keys: Path) -> None:
    other = tmp_path / "other"
    run("db", "init", "--out", other, "--keys", keys, "--time", TIME)
    for out in (repo, other):
        build(write_sources(tmp_path), out, keys)
    first, second = (
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()} for out in (repo, other)
    )
    assert first == second


def test_nothing_is_published_where_nothing_changed(tmp_path: Path, repo: Path, keys: Path) -> None:
    sources = write_sources(tmp_path)
    build(sources, repo, keys)
    assert build(sources, repo, keys)["unchanged"] is True
    (tmp_path / "bad.txt").write_text("evil.example\nworse.example\n")
    changed = build(sources, repo, keys)
    assert (changed["unchanged"], changed["version"]) == (False, 2)


def test_feeds_give_entries_with_the_ids_of_their_objects(tmp_path: Path, repo: Path, keys: Path) -> None:
    attribute = {"type": "domain", "value": "misp.example", "to_ids": True, "uuid": "u-1"}
    (tmp_path / "event.json").write_text(json.dumps({"Event": {"Attribute": [attribute]}}))
    indicator = {
        "type": "indicator",
        "id": "indicator--1",
        "pattern_type": "stix",
        "pattern": "[url:value = 'http://stix.example/x']",
    }
    (tmp_path / "bundle.json").write_text(json.dumps({"type": "bundle", "objects": [indicator]}))
    sources = write_sources(
        tmp_path,
        "- {id: m, kind: misp, from: event.json, licence: TLP-clear, category: malicious}",
        "- {id: s, kind: stix, from: bundle.json, licence: TLP-clear, category: phishing}",
    )
    build(sources, repo, keys)
    assert content_of(repo, "addresses/m.addresses") == b"D misp.example\tu-1\n"
    assert content_of(repo, "addresses/s.addresses") == b"E stix.example/x\tindicator--1\n"


def test_popular_sites_are_not_blocked_whole(tmp_path: Path, repo: Path, keys: Path) -> None:
    sources = write_sources(tmp_path)
    (tmp_path / "bad.txt").write_text("busy.example\nquiet.example\n")
    (tmp_path / "top.txt").write_text("busy.example\n")
    sources.write_text(sources.read_text() + "popular: {file: top.txt, top: 10}\n")
    assert build(sources, repo, keys)["sources"][1]["demoted"] == 1
    assert content_of(repo, "addresses/bad.addresses") == b"D quiet.example\nE busy.example/\n"
    assert b"busy.example is a popular site" in content_of(repo, "reports/demotions.csv")


def traversal(path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("../../evil.rules")
        member.size = len(GOOD)
        archive.addfile(member, io.BytesIO(GOOD.encode()))


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.rules", b"#" * (65 << 20))


def torn(path: Path) -> None:
    traversal(path)
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("name", "make", "what"),
    [
        ("a.tar.gz", traversal, "leaves the folder"),
        ("a.zip", bomb, "larger than"),
        ("a.tar.gz", torn, "broken archive|leaves the folder"),
    ],
)
def test_a_hostile_archive_publishes_nothing(
    tmp_path: Path, repo: Path, keys: Path, *, name: str, make: Any, what: str
) -> None:
    sources = write_sources(tmp_path, f"- {{id: feed, kind: rules, from: {name}, licence: MIT}}")
    make(tmp_path / name)
    before = sorted(repo.rglob("*"))
    with pytest.raises(InputError, match=what):
        build(sources, repo, keys)
    assert sorted(repo.rglob("*")) == before
    sources = write_sources(tmp_path)
    assert build(sources, repo, keys)["version"] == 1


def test_a_version_waits_for_the_second_signature(tmp_path: Path) -> None:
    keys, first, second = tmp_path / "keys", tmp_path / "first", tmp_path / "second"
    run("db", "keys", "--out", keys)
    (keys / "targets.key").unlink()
    (keys / "targets.key.pub").unlink()
    for name in ("a", "b"):
        run("db", "keys", "--out", keys, "--role", "targets", "--name", name)
    repo = tmp_path / "repo"
    run("db", "init", "--out", repo, "--keys", keys, "--threshold", "2", "--time", TIME)
    for folder, name in ((first, "a"), (second, "b")):
        folder.mkdir()
        for key in (f"targets-{name}.key", f"targets-{name}.key.pub"):
            (keys / key).rename(folder / key)
    for role in ("snapshot", "timestamp"):
        for ending in ("key", "key.pub"):
            (keys / f"{role}.{ending}").rename(second / f"{role}.{ending}")
    result = build(write_sources(tmp_path), repo, first)
    assert "1 more signature" in result["waits_for"][0]
    assert latest_manifest(Repository(repo)) is None
    assert "targets" in run("db", "sign", "--out", repo, "--keys", second, "--time", TIME)
    manifest = latest_manifest(Repository(repo))
    assert manifest is not None
    assert manifest.version == 1


@pytest.mark.parametrize("text", ["yesterday", "2026-99-01", ""])
def test_a_time_that_is_none_is_refused(tmp_path: Path, repo: Path, keys: Path, text: str) -> None:
    with pytest.raises(InputError, match="no time"):
        run("db", "build", "--config", write_sources(tmp_path), "--out", repo, "--keys", keys, "--time", text)


def test_a_mirror_and_other_keys_by_the_command_line(tmp_path: Path, keys: Path) -> None:
    repo, out, more = tmp_path / "now", tmp_path / "mirror", tmp_path / "more"
    run("db", "init", "--out", repo, "--keys", keys)
    sources = write_sources(tmp_path)
    run("db", "build", "--config", sources, "--out", repo, "--keys", keys)
    said = json.loads(
        run("db", "mirror", "--from", repo, "--out", out, "--root", repo / "metadata/1.root.json", "--json")
    )
    assert said["files"] == said["copied"] > 0
    run("db", "keys", "--out", more, "--role", "timestamp", "--name", "b")
    public = more / "timestamp-b.key.pub"
    run("db", "rotate", "--out", repo, "--keys", keys, "--role", "timestamp", "--public", public)
    run("db", "sign", "--out", repo, "--keys", more)
    assert " 0 copied" in run("db", "mirror", "--from", repo, "--out", out)
    assert (out / "metadata/2.root.json").read_bytes() == (repo / "metadata/2.root.json").read_bytes()


def test_an_expired_repository_is_not_mirrored(tmp_path: Path, repo: Path, keys: Path) -> None:
    build(write_sources(tmp_path), repo, keys)
    out = tmp_path / "mirror"
    with pytest.raises(FrozenError):
        run("db", "mirror", "--from", repo, "--out", out, "--root", repo / "metadata/1.root.json")
    assert not list((out / "targets").rglob("*.gz"))
