"""Plain lists and hosts files: what each line gives."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.webscan.address import canonical
from hyperward.webscan.database.limits import refusal
from hyperward.webscan.lists.hosts import read_hosts
from hyperward.webscan.lists.make import Maker
from hyperward.webscan.lists.model import ListFormat, NamesAs, ReadReport
from hyperward.webscan.lists.plain import read_plain
from list_cases import options, read, refused

PLAIN = options(ListFormat.PLAIN)
HOSTS = options(ListFormat.HOSTS)


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("evil.example", "DOMAIN evil.example"),
        ("  EVIL.Example.\t # why", "DOMAIN evil.example"),
        ("evil.example // why", "DOMAIN evil.example"),
        ("*.evil.example", "DOMAIN evil.example"),
        (".evil.example", "DOMAIN evil.example"),
        ("bücher.example", "DOMAIN xn--bcher-kva.example"),
        ("a_b.example", "DOMAIN a_b.example"),
        ("192.0.2.1", "HOST 192.0.2.1"),
        ("192.0.2.1:8080", "HOST 192.0.2.1"),
        ("192.0.2.1:37215", "HOST 192.0.2.1"),
        ("0300.0.2.1", "HOST 192.0.2.1"),
        ("2001:DB8::1", "HOST [2001:db8::1]"),
        ("[2001:db8::1]:443", "HOST [2001:db8::1]"),
        ("evil.example:8080", "HOST evil.example"),
        ("evil.example/x", "EXACT evil.example/x"),
        ("evil.example/", "EXACT evil.example/"),
        ("evil.example?u=1", "EXACT evil.example/?u=1"),
        ("http://evil.example", "EXACT evil.example/"),
        ("https://EVIL.example:8443/%61/../b?c#d", "EXACT evil.example/b?c"),
        ("http://evil.example/a*b", "EXACT evil.example/a*b"),
        ("http://[2001:db8::1]:80/x", "EXACT [2001:db8::1]/x"),
        ("hxxp://evil.example/x", "EXACT evil.example/x"),
    ],
)
def test_plain_line(tmp_path: Path, line: str, entry: str) -> None:
    assert read(tmp_path, line, PLAIN)[0] == [entry]
    assert read(tmp_path, f"# x\n\n{line}\r\nb.example\n", PLAIN)[0] == [entry, "DOMAIN b.example"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("localhost", "a name without a dot"),
        ("/gate.php", "a path without a host"),
        ("http://?x", "no web address: there is no host"),
        ("192.0.2.0/24", "a subnet; entries are single addresses"),
        ("2001:db8::/32", "a subnet; entries are single addresses"),
        ("0.0.0.0", "an address that no request leaves the machine for"),
        ("http://127.0.0.1/x", "an address that no request leaves the machine for"),
        ("192.0.2.1 5", "several fields; the format may be hosts or csv"),
        ("me@evil.example", "a user name before the host"),
        ("ev*l.example", "a wildcard inside an address"),
        ("evil.example/*.exe", "a wildcard inside an address"),
        ("evil.example:http", "no web address: what follows the host is not a port"),
        ("evil_.123", "no host name"),
        ("256.1.1.1", "no host name"),
        ("evil!.example", "no host name"),
        ("a." + "b" * 64 + ".example", "no host name"),
        ("a." * 130 + "example", "no host name"),
        ("<html>.x", "no host name"),
        ("x" * 9000, "the line is too long"),
        ("http://evil.example/" + "é" * 2000, "the address has 12013 characters, at most 4096 are possible"),
    ],
)
def test_refused_plain_line(tmp_path: Path, line: str, reason: str) -> None:
    entries, report = read(tmp_path, f"a.example\n{line}\nb.example\n", PLAIN)
    assert entries == ["DOMAIN a.example", "DOMAIN b.example"]
    assert refused(report) == [(2, reason)]
    assert report.reasons == {reason: 1}
    assert len(report.shown[0].text) <= 63


def test_options_say_what_names_and_folders_stand_for(tmp_path: Path) -> None:
    text = "a.example\n*.b.example\na.example/x/\na.example/x\na.example/x/?q\n"
    entries, _ = read(tmp_path, text, options(ListFormat.PLAIN, names=NamesAs.HOST, folders=True))
    assert entries == [
        "HOST a.example",
        "DOMAIN b.example",
        "PREFIX a.example/x/",
        "EXACT a.example/x",
        "EXACT a.example/x/?q",
    ]
    entries, _ = read(tmp_path, "0.0.0.0 a.example\n", options(ListFormat.HOSTS, names=NamesAs.DOMAIN))
    assert entries == ["DOMAIN a.example"]


def test_a_folder_too_deep_for_a_database_is_a_refused_line(tmp_path: Path) -> None:
    _, report = read(tmp_path, "a.example" + "/x" * 70 + "/\n", options(ListFormat.PLAIN, folders=True))
    assert report.refused == 1


def test_hosts_file(tmp_path: Path) -> None:
    text = """\
# a comment
127.0.0.1 localhost localhost.localdomain
255.255.255.255 broadcasthost
::1 ip6-localhost ip6-loopback
fe80::1%lo0 localhost
192.0.2.7 intranet.example # kept
0.0.0.0 0.0.0.0
0.0.0.0 a.example
127.0.0.1\tB.example   c.example # two
:: d.example
0.0.0.0 e.example\r
0.0.0.0 bad!name f.example
10.0.0.1 localhost
a.example
0.0.0.0
0.0.0.0 ttp
"""
    entries, report = read(tmp_path, text, HOSTS)
    assert entries == [f"HOST {name}.example" for name in "abcdef"]
    assert refused(report) == [
        (6, "maps a name to an address that exists"),
        (12, "a name without a dot"),
        (14, "no line of a hosts file: an address, then names"),
        (15, "no line of a hosts file: an address, then names"),
        (16, "a name without a dot"),
    ]
    assert report.lines == 16


def test_the_kept_refusals_are_bounded_and_all_are_counted(tmp_path: Path) -> None:
    entries, report = read(tmp_path, "/x\n" * 3000 + "localhost\na.example\n", PLAIN)
    assert entries == ["DOMAIN a.example"]
    assert report.refused == 3001
    assert report.reasons == {"a path without a host": 3000, "a name without a dot": 1}
    assert len(report.shown) == 1001


def test_reasons_are_bounded_too() -> None:
    report = ReadReport("x")
    for number in range(2000):
        report.refuse(number, f"reason {number}", b"x")
    assert len(report.reasons) == 31
    assert report.reasons["for another reason"] == 1970
    assert len(report.shown) == 1030


LINES = st.lists(st.binary(max_size=40) | st.text(st.sampled_from("aZ.1:/*@#% \t[]é"), max_size=25).map(str.encode))


@given(LINES)
@settings(max_examples=600, deadline=None)
def test_no_line_spoils_another(given_lines: list[bytes]) -> None:
    given_lines = [line.replace(b"\n", b"") for line in given_lines]
    for read_format in (read_plain, read_hosts):
        report = ReadReport("x")
        written = [*given_lines, b"0.0.0.0 a.example" if read_format is read_hosts else b"a.example"]
        entries = list(read_format(written, Maker(PLAIN, NamesAs.HOST), report))
        assert entries[-1].text == "a.example"
        assert all(not refusal(entry) for entry in entries)
        assert all(str(canonical(entry.text)) in (entry.text, entry.text + "/") for entry in entries)
        assert report.lines == len(written)
