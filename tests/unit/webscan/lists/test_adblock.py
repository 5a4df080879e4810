"""Rules of ad blockers: what an entry can say, what it cannot, and exceptions."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.webscan.database.limits import refusal
from hyperward.webscan.lists.adblock import read_adblock
from hyperward.webscan.lists.make import Maker
from hyperward.webscan.lists.model import ListFormat, NamesAs, ReadReport
from list_cases import options, read, refused

ADBLOCK = options(ListFormat.ADBLOCK)


@pytest.mark.parametrize(
    ("rule", "entry"),
    [
        ("||evil.example^", "DOMAIN evil.example"),
        ("||evil.example^\r", "DOMAIN evil.example"),
        ("||EVIL.example^$all", "DOMAIN evil.example"),
        ("||evil.example^$document,important", "DOMAIN evil.example"),
        ("||evil.example^*", "DOMAIN evil.example"),
        ("||evil.example", "DOMAIN evil.example"),
        ("||evil.example^|", "DOMAIN evil.example"),
        ("||192.0.2.1^", "HOST 192.0.2.1"),
        ("||192.0.2.1:8080^", "HOST 192.0.2.1"),
        ("||[2001:db8::1]^", "HOST [2001:db8::1]"),
        ("||evil.example/a.exe^$all", "PREFIX evil.example/a.exe"),
        ("||evil.example/a/*", "PREFIX evil.example/a/"),
        ("||evil.example/a$b.exe", "PREFIX evil.example/a$b.exe"),
        ("||evil.example/?u=script^$all", "PREFIX evil.example/?u=script"),
        ("|http://evil.example/a.exe|", "EXACT evil.example/a.exe"),
        ("|https://evil.example^", "HOST evil.example"),
        ("|https://evil.example/|", "EXACT evil.example/"),
        ("evil.example", "HOST evil.example"),
        ("evil.example^", "HOST evil.example"),
        ("192.0.2.1", "HOST 192.0.2.1"),
    ],
)
def test_rule(tmp_path: Path, rule: str, entry: str) -> None:
    entries, report = read(tmp_path, f"[Adblock Plus 2.0]\n! Title: x\n# also a comment\n\n{rule}\n", ADBLOCK)
    assert entries == [entry]
    assert not report.refused


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("||evil.example^$third-party", "its options narrow it to what a network cannot see"),
        ("||evil.example^$all,domain=a.example|b.example", "its options narrow it to what a network cannot see"),
        ("||evil.example^$~script", "its options narrow it to what a network cannot see"),
        ("##.advert", "hides parts of pages"),
        ("a.example##.advert", "hides parts of pages"),
        ("a.example#@#.advert", "hides parts of pages"),
        ("a.example#?#div", "hides parts of pages"),
        ("a.example#$#body {}", "hides parts of pages"),
        ("/ad[0-9]+/", "a regular expression"),
        ("||ad*.example^", "a wildcard inside an address"),
        ("||*.example.com^", "a wildcard inside an address"),
        ("||evil.example^path", "a wildcard inside an address"),
        ("-banner-", "a pattern of a part of an address"),
        ("/banner/img", "a pattern of a part of an address"),
        (".example.com", "a pattern of a part of an address"),
        ("evil.example/path", "a pattern of a part of an address"),
        ("!#if ext_chromium", "a directive of an ad blocker"),
        ("||ads.^", "a name without a dot"),
        ("||me@evil.example^", "a user name before the host"),
        ("@@||evil.example^$third-party", "an exception that cannot be kept: its options narrow it to"),
    ],
)
def test_what_no_entry_can_say(tmp_path: Path, rule: str, reason: str) -> None:
    entries, report = read(tmp_path, f"||a.example^\n{rule}\n||b.example^\n", ADBLOCK)
    assert entries == ["DOMAIN a.example", "DOMAIN b.example"]
    [(line, told)] = refused(report)
    assert line == 2
    assert told.startswith(reason)


def test_exceptions_take_entries_out_wherever_they_stand(tmp_path: Path) -> None:
    text = """\
||a.example^
||x.b.example^
||b.example/path^
c.example
||d.example/x/y^
||d.example/z^
||e.example/a.exe?q^
||f.example^
www.f.example
@@||a.example^
@@||b.example^
@@|https://c.example^
@@||d.example/x/^
@@||e.example/a.exe^
@@||f.example^$document
"""
    entries, report = read(tmp_path, text, ADBLOCK)
    assert entries == ["PREFIX d.example/z"]
    assert report.exempted == 8
    assert not report.refused


def test_an_exception_inside_a_listed_name_is_told(tmp_path: Path) -> None:
    text = "@@||ok.a.example^\n@@||b.example/ok^\n||a.example^\n||b.example^\n||c.example^\n@@||d.example^\n"
    entries, report = read(tmp_path, text, ADBLOCK)
    assert entries == ["DOMAIN a.example", "DOMAIN b.example", "DOMAIN c.example"]
    reason = "an exception inside a listed name; never_block can hold it"
    assert [(line.line, line.reason, line.text) for line in report.shown] == [
        (1, reason, "inside a.example"),
        (2, reason, "inside b.example"),
    ]


RULES = st.lists(
    st.binary(max_size=30) | st.lists(st.sampled_from([*"ab.^|$*/@#!?:~,="]), max_size=20).map("".join).map(str.encode)
)


@given(RULES)
@settings(max_examples=600, deadline=None)
def test_no_rule_spoils_another(rules: list[bytes]) -> None:
    rules = [rule.replace(b"\n", b"") for rule in rules if not rule.startswith(b"@@")]
    report = ReadReport("x")
    entries = list(read_adblock(lambda: [*rules, b"||z.example^"], Maker(ADBLOCK, NamesAs.DOMAIN), report))
    assert entries[-1].text == "z.example"
    assert all(not refusal(entry) for entry in entries)
