"""`hyperward db import`: from list files to a database that answers, with a report of what did not go in."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hyperward.cli.db import app
from hyperward.errors import HyperwardError, InputError, SystemFault
from hyperward.webscan.address import canonical
from hyperward.webscan.database.database import open_database
from hyperward.webscan.imports import default_list_id

HOSTS = "0.0.0.0 evil.example\n0.0.0.0 github.com\n0.0.0.0 ttp\n"
URLS = "http://evil.example/x\nhttps://pages.example/a/\nbad.example\nhttp://\n"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["import", *map(str, arguments)], catch_exceptions=True)
    if isinstance(result.exception, HyperwardError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def lists(tmp_path: Path) -> tuple[Path, Path, Path]:
    hosts, urls = tmp_path / "hosts.txt", tmp_path / "urls.list.txt"
    hosts.write_text(HOSTS)
    urls.write_text(URLS)
    return hosts, urls, tmp_path / "a.db"


def found(database: Path, url: str) -> list[str]:
    with open_database(database) as opened:
        return [
            f"{match.entry.kind.name} {match.entry.text} {match.entry.category} {match.entry.list_id} {match.version}"
            for match in opened.lookup(canonical(url))
        ]


def test_lists_become_a_database(lists: tuple[Path, Path, Path]) -> None:
    hosts, urls, out = lists
    text = run(hosts, urls, "--out", out, "--category", "malicious", "--version", "v1", "--folders")
    assert found(out, "http://evil.example/x?y") == [
        "EXACT evil.example/x malicious urls v1",
        "HOST evil.example malicious hosts v1",
    ]
    assert found(out, "http://pages.example/a/b") == ["PREFIX pages.example/a/ malicious urls v1"]
    assert found(out, "http://x.bad.example/") == ["DOMAIN bad.example malicious urls v1"]
    assert found(out, "http://github.com/") == ["EXACT github.com/ malicious hosts v1"]
    assert found(out, "http://github.com/somebody") == []
    for told in (
        "a name without a dot",
        "hosts.txt:3",
        "no web address: there is no host",
        "urls.list.txt:4",
        "github.com is a popular site",
        f"{out}: 5 entries for 4 hosts, version v1",
    ):
        assert told in text


def test_json_and_the_report_file_say_the_same(lists: tuple[Path, Path, Path], tmp_path: Path) -> None:
    hosts, _, out = lists
    where = tmp_path / "report.json"
    told: dict[str, Any] = json.loads(
        run(hosts, "--out", out, "--category", "own-1", "--list-id", "mine", "--json", "--report", where)
    )
    assert json.loads(where.read_text()) == told
    [source] = told["sources"]
    assert source["list_id"] == "mine"
    assert source["read"]["format"] == "hosts"
    assert source["read"]["shown"] == [{"line": 3, "reason": "a name without a dot", "text": "0.0.0.0 ttp"}]
    [demotion] = source["guard"]["listed"]
    assert (demotion["text"], demotion["entry"]["text"]) == ("github.com", "github.com/")
    assert told["built"]["count"] == 2
    assert len(told["built"]["version"]) == len("2026-01-01T00:00:00Z")


def test_a_ranking_and_lists_of_your_own(lists: tuple[Path, Path, Path], tmp_path: Path) -> None:
    hosts, _, out = lists
    ranking = tmp_path / "top.csv"
    ranking.write_text("1,other.example\n2,evil.example\n")
    run(hosts, "--out", out, "--category", "malicious", "--version", "1", "--popular", ranking)
    assert found(out, "evil.example/x") == []
    run(hosts, "--out", out, "--category", "malicious", "--version", "1", "--popular", ranking, "--popular-top", 1)
    assert found(out, "evil.example/x") == ["HOST evil.example malicious hosts 1"]
    run(hosts, "--out", out, "--category", "malicious", "--version", "2", "--no-guard", "--names", "domain")
    assert found(out, "gist.github.com/x") == ["DOMAIN github.com malicious hosts 2"]


def test_columns(tmp_path: Path) -> None:
    source, out = tmp_path / "feed.tsv", tmp_path / "a.db"
    source.write_text("http://a.example/x\t17\n")
    run(source, "--out", out, "--category", "phishing", "--columns", "address=1,id=2", "--version", "1")
    with open_database(out) as opened:
        [match] = opened.lookup(canonical("a.example/x"))
    assert match.entry.entry_id == "17"


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_one_bad_line_among_many_is_told_and_spoils_nothing(tmp_path: Path, count: int) -> None:
    path, out = tmp_path / "many.txt", tmp_path / "a.db"
    bad = count // 3
    path.write_bytes(b"".join(b"\xff\x00\x1b[2J\n" if n == bad else b"n%d.example\n" % n for n in range(count)))
    text = run(path, "--out", out, "--category", "malicious", "--version", "v1")
    assert f"many.txt:{bad + 1}" in text
    assert "\x1b" not in text
    with open_database(out) as database:
        assert database.count == count - 1
    assert found(out, f"http://n{count - 1}.example/") == [f"DOMAIN n{count - 1}.example malicious many v1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.example\nb.example\n".encode("utf-16-le"), "it is UTF-16"),
        (bytes(range(256)) * 40, "its lines do not tell its format"),
        (gzip.compress(b"a.example\n" * 1000)[:-9], "cannot be read"),
    ],
)
def test_what_is_no_list_changes_nothing(tmp_path: Path, content: bytes, message: str) -> None:
    path, out = tmp_path / "list", tmp_path / "a.db"
    path.write_bytes(content)
    out.write_bytes(b"before")
    with pytest.raises(InputError, match=message):
        run(path, "--out", out, "--category", "malicious")
    assert out.read_bytes() == b"before"


def test_mostly_refused_lists_are_noted(tmp_path: Path) -> None:
    source = tmp_path / "x.txt"
    source.write_text("a.example\n/x\n/y\n")
    assert "most lines of" in run(source, "--out", tmp_path / "a.db", "--category", "malicious")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.txt"], r"missing.txt: there is no such file"),
        (["hosts.txt", "--category", "No Name"], r"'No Name' is not the name of a category; write 1 to 63 of a-z"),
        (["hosts.txt", "--list-id", ""], r"'' cannot be a list id"),
        (["hosts.txt", "--version", "a\nb"], r"cannot be a version"),
        (["hosts.txt", "--columns", "x"], r"'x' is no part of a column map"),
        (["hosts.txt", "--popular", "hosts.txt", "--no-guard"], r"--popular has no use with --no-guard"),
        (["hosts.txt", "--format", "adblock"], r"hosts.txt: there is no usable entry; check --format and --columns"),
        (["hosts.txt", "--report", "missing/report.json"], r"missing/report.json: cannot be written"),
    ],
)
def test_refusals_leave_the_database_that_was_there(
    lists: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    hosts, _, out = lists
    monkeypatch.chdir(hosts.parent)
    if "--report" not in arguments:
        out.write_bytes(b"before")
    with pytest.raises(InputError, match=message):
        run("--out", out, "--category", "malicious", *arguments)
    if "--report" not in arguments:
        assert out.read_bytes() == b"before"
        assert sorted(path.name for path in hosts.parent.iterdir()) == ["a.db", "hosts.txt", "urls.list.txt"]


def test_a_folder_that_is_not_there(lists: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(SystemFault):
        run(lists[0], "--out", tmp_path / "missing" / "a.db", "--category", "malicious")


def test_list_id_of_a_file_name() -> None:
    assert default_list_id(Path("x/urlhaus-2025.txt.xz")) == "urlhaus-2025"
    assert default_list_id(Path("feed.v2.csv")) == "feed.v2"
    assert default_list_id(Path("hosts")) == "hosts"
