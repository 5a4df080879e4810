"""The guard: which entries block too much, what becomes of them, and rankings from files."""

import gzip
from pathlib import Path

import pytest

from hyperward.errors import InputError
from hyperward.webscan.address import canonical_host
from hyperward.webscan.database.limits import refusal
from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.guard import guard as guard_module
from hyperward.webscan.guard.guard import Demotion, Guard, GuardReport, default_guard, guarded
from hyperward.webscan.guard.popularity import read_popular
from hyperward.webscan.guard.suffixes import Suffixes

GUARD = Guard(
    ["popular.example", "docs.site.example", "8.8.8.8", "2001:db8::1"], ["share.example"], Suffixes(["co.example"])
)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("DOMAIN", "popular.example", "popular.example is a popular site"),
        ("HOST", "popular.example", "popular.example is a popular site"),
        ("HOST", "www.popular.example", "popular.example is a popular site"),
        ("DOMAIN", "share.example", "share.example is a site where anybody can put something"),
        ("DOMAIN", "co.example", "co.example is a public suffix: below it are sites of many owners"),
        ("HOST", "co.example", "co.example is a public suffix: below it are sites of many owners"),
        ("DOMAIN", "site.example", "below site.example is the popular site docs.site.example"),
        ("DOMAIN", "example", "example is a public suffix: below it are sites of many owners"),
        ("HOST", "8.8.8.8", "8.8.8.8 is a popular site"),
        ("HOST", "[2001:db8::1]", "2001:db8::1 is a popular site"),
        ("PREFIX", "popular.example/", "popular.example is a popular site"),
    ],
)
def test_what_blocks_too_much_becomes_its_exact_address(kind: str, text: str, reason: str) -> None:
    entry = Entry(EntryKind[kind], text, "malicious", "list", "7")
    report = GuardReport()
    [left] = guarded([entry], GUARD, report)
    assert left == Entry(EntryKind.EXACT, text.rstrip("/") + "/", "malicious", "list", "7")
    assert not refusal(left)
    assert report.demoted == 1
    assert report.listed == [Demotion(left, entry.kind, text, reason)]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("DOMAIN", "evil.example"),
        ("DOMAIN", "notpopular.example"),
        ("DOMAIN", "user.popular.example"),
        ("DOMAIN", "user.co.example"),
        ("HOST", "site.example"),
        ("HOST", "192.0.2.1"),
        ("HOST", "[2001:db8::2]"),
        ("EXACT", "popular.example/"),
        ("EXACT", "share.example/x"),
        ("PREFIX", "share.example/x/"),
        ("PREFIX", "share.example/x"),
        ("PREFIX", "evil.example/"),
    ],
)
def test_what_stays(kind: str, text: str) -> None:
    entry = Entry(EntryKind[kind], text, "malicious", "list")
    report = GuardReport()
    assert list(guarded([entry], GUARD, report)) == [entry]
    assert not report.demoted


def test_the_listing_is_bounded_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "MAX_LISTED", 2)
    report = GuardReport()
    texts = ["popular.example", "popular.example", "share.example", "co.example"]
    entries = [Entry(EntryKind.DOMAIN, text, "malicious", "list") for text in texts]
    assert len(list(guarded(entries, GUARD, report))) == report.demoted == 4
    assert [demotion.text for demotion in report.listed] == ["popular.example", "share.example"]


def test_the_guard_works_without_a_file() -> None:
    guard = default_guard()
    for text in ("google.com", "www.github.com", "raw.githubusercontent.com", "1.1.1.1", "github.io", "amazonaws.com"):
        assert guard.why_not(Entry(EntryKind.DOMAIN, text, "malicious", "list")), text
    assert not guard.why_not(Entry(EntryKind.DOMAIN, "somebody.github.io", "malicious", "list"))
    added = default_guard(["evil.example"])
    assert added.why_not(Entry(EntryKind.HOST, "evil.example", "malicious", "list"))


@pytest.mark.parametrize("name", ["popular.txt", "shared.txt"])
def test_the_known_sites_are_canonical_and_sorted_into_one_list(name: str) -> None:
    sites = guard_module._known(name)
    assert len(sites) == len(set(sites)) > 100
    assert [canonical_host(site) for site in sites] == sites
    other = {"popular.txt": "shared.txt", "shared.txt": "popular.txt"}[name]
    assert not set(sites) & set(guard_module._known(other))


@pytest.mark.parametrize(
    "content",
    [
        b"a.example\nb.example\nc.example\n",
        b"1,a.example\r\n2,B.example.\r\n3,c.example\r\n",
        b"# x\n\n1\ta.example\n\xff\n2\tb.example\nno_dot\n" + b"x" * 9000 + b'\n"3","c.example"\n',
        gzip.compress(b"1,a.example\n2,b.example\n3,c.example\n"),
    ],
)
def test_rankings(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "top.csv"
    path.write_bytes(content)
    assert read_popular(path) == ["a.example", "b.example", "c.example"]
    assert read_popular(path, 2) == ["a.example", "b.example"]


def test_a_file_that_is_no_ranking(tmp_path: Path) -> None:
    path = tmp_path / "top.csv"
    path.write_bytes(b"rank,name,x\n1,a.example,5\n")
    with pytest.raises(InputError, match=r"top.csv: it has no host names; write rank,name or only name on each line"):
        read_popular(path)
