"""CSV lists: the map of columns, headers, and rows that spoil nothing."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.errors import InputError
from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.lists.columns import parse_columns, read_csv
from hyperward.webscan.lists.make import Maker
from hyperward.webscan.lists.model import Columns, ListFormat, NamesAs, ReadReport
from list_cases import options, read, refused

CSV = options(ListFormat.CSV)


def rows(text: str, columns: str = "") -> tuple[list[Entry], ReadReport]:
    report = ReadReport("x.csv")
    wanted = parse_columns(columns) if columns else None
    return list(read_csv(text.encode().split(b"\n"), Maker(CSV, NamesAs.DOMAIN), report, wanted)), report


def test_header_with_the_usual_names(tmp_path: Path) -> None:
    text = '# Title\n"Domain","Malware","ID"\n"evil.example","x, y",7\nb.example,"say ""z""",8\n'
    entries, report = read(tmp_path, text, CSV)
    assert entries == ["DOMAIN evil.example", "DOMAIN b.example"]
    assert report.refused == 0
    assert [entry.entry_id for entry in rows(text)[0]] == ["7", "8"]


def test_host_and_path_in_two_columns() -> None:
    entries, report = rows('host,path\na.example,\n"b.example","/x?y"\nc.example,z\nd.example,?q\n192.0.2.1,/i\n')
    assert [(entry.kind, entry.text) for entry in entries] == [
        (EntryKind.DOMAIN, "a.example"),
        (EntryKind.EXACT, "b.example/x?y"),
        (EntryKind.EXACT, "c.example/z"),
        (EntryKind.EXACT, "d.example/?q"),
        (EntryKind.EXACT, "192.0.2.1/i"),
    ]
    assert not report.refused


def test_columns_by_number_have_no_header_and_any_delimiter() -> None:
    for delimiter in ",;\t|":
        entries, _ = rows(delimiter.join(["http://a.example/x", "12", "y"]), "address=1,id=2")
        assert [(entry.text, entry.entry_id) for entry in entries] == [("a.example/x", "12")]


def test_a_header_in_a_comment() -> None:
    entries, _ = rows(
        '# feed\n# id,dateadded,url\n#\n"1","2025","http://a.example/x"\n'.replace("#\n", ""), "address=url"
    )
    assert [entry.text for entry in entries] == ["a.example/x"]


def test_a_category_of_each_row() -> None:
    entries, report = rows("url,kind\na.example,Phishing\nb.example,not one\n", "address=url,category=kind")
    assert [(entry.text, entry.category) for entry in entries] == [("a.example", "phishing")]
    assert refused(report) == [(3, "its category is no name of a category")]


def test_bad_rows_spoil_nothing() -> None:
    text = 'id,x,url\n1,2\n3,"never closed,http://a.example/\n4,5,b.example\n\x07,5,c.example\n' + "x" * 9000
    entries, report = rows(text, "address=url,id=id")
    assert [entry.text for entry in entries] == ["b.example"]
    assert refused(report) == [
        (2, "has no column 3"),
        (3, "no row of CSV"),
        (5, "its id is not printable, or longer than 200 bytes"),
        (6, "the line is too long"),
    ]


def test_a_header_without_the_columns_is_refused_with_those_it_has() -> None:
    with pytest.raises(InputError, match=r"x.csv: the header does not name the columns; .* the first row has: a, b"):
        rows("a,b\n1,2\n")
    with pytest.raises(InputError, match="the header does not name the columns"):
        rows("a,b\n1,2\n", "address=c")


def test_parse_columns() -> None:
    assert parse_columns("address=url, id=1") == Columns(address="url", id="1")
    assert parse_columns("host=2,path=3,category=k") == Columns(host="2", path="3", category="k")
    for text in ("", "url", "address", "address=", "address=a,address=b", "nothing=1"):
        with pytest.raises(InputError, match=r"is no part of a column map; write address=url,id=1"):
            parse_columns(text)
    for text in ("id=1", "address=1,host=2", "address=1,path=2"):
        with pytest.raises(InputError, match="the column map does not say where the address is"):
            parse_columns(text)


@given(st.lists(st.binary(max_size=30) | st.text(st.sampled_from('a.,;"/ \\'), max_size=15).map(str.encode)))
@settings(max_examples=400, deadline=None)
def test_no_row_spoils_another(given_rows: list[bytes]) -> None:
    written = [b"1,url", *(row.replace(b"\n", b"") for row in given_rows), b"1,z.example"]
    entries = list(read_csv(written, Maker(CSV, NamesAs.HOST), ReadReport("x"), parse_columns("address=url")))
    assert entries[-1].text == "z.example"
