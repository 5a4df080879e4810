"""Rows in files: read back as written, and every mistake with its place."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exclusion_cases import rows
from hyperward.exclusions.files import parse_csv, parse_yaml, print_csv, print_yaml, read_rows
from hyperward.exclusions.rows import MAX_ROWS, ExclusionRow
from hyperward.yamlfile import FileErrors

TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20)


@st.composite
def wordy_rows(draw: st.DrawFn) -> ExclusionRow:
    return draw(rows()).model_copy(
        update={
            "reason": draw(TEXTS),
            "vms": tuple(draw(st.lists(TEXTS, max_size=3))),
            "groups": tuple(draw(st.lists(TEXTS, max_size=2))),
        }
    )


@given(st.lists(wordy_rows(), max_size=5))
@settings(max_examples=150, deadline=None)
def test_rows_come_back_as_they_were_written(wanted: list[ExclusionRow]) -> None:
    assert parse_csv(print_csv(wanted), "x.csv") == tuple(wanted)
    assert parse_yaml(print_yaml(wanted), "x.yaml") == tuple(wanted)


def test_expiry_survives_and_the_name_decides_the_form(tmp_path: Path) -> None:
    text = "action,reason,address,expires\ndo_not_scan,backup,10.0.0.5,2030-01-31\n"
    [row] = parse_csv(text, "x.csv")
    (tmp_path / "x.csv").write_text(print_csv([row]))
    (tmp_path / "x.yml").write_text(print_yaml([row]))
    assert read_rows(tmp_path / "x.csv") == read_rows(tmp_path / "x.yml") == (row,)


def refused(text: str) -> list[str]:
    with pytest.raises(FileErrors) as error:
        parse_csv(text, "x.csv")
    return [str(problem) for problem in error.value.items]


HEAD = "address,vlan,action,reason\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "x.csv:1:1: the column action is missing"),
        ("adress,action,reason\n", "x.csv:1:1: unknown column"),
        ("action,reason,action\n", "x.csv:1:3: the column action is there twice"),
        (HEAD + "10.0.0.1,any,default\n", "x.csv:2:1: row 1: has 3 cells"),
        (
            HEAD + "10.0.0.1,any,default,ok\n10.0.0.9-10.0.0.1,any,default,x\n",
            "x.csv:3:1: row 2, address: the range is",
        ),
        (HEAD + "10.0.0.1/8,any,default,x\n", "x.csv:2:1: row 1, address: 10.0.0.1/8 has bits set"),
        (HEAD + "::ffff:10.0.0.1,any,default,x\n", "is IPv4 written as IPv6"),
        (HEAD + "::ffff:10.0.0.1-::ffff:10.0.0.9,any,default,x\n", "has IPv4 addresses written as IPv6"),
        (HEAD + "10.0.0.1-fd77::1,any,default,x\n", "begins as IPv4 and ends as IPv6"),
        (HEAD + "10.0.0.1,4095,default,x\n", "x.csv:2:2: row 1, vlan: no VLAN has the id 4095"),
        (HEAD + "10.0.0.1,any,allow,x\n", "x.csv:2:3: row 1, action: expected default"),
        (HEAD + "10.0.0.1,any,default,\n", "x.csv:2:4: row 1, reason: this key is required"),
        (HEAD + '10.0.0.1,any,default,"x\n', "not CSV"),
        (HEAD + '10.0.0.1,any,default,"a\nb"\n', "row 1, reason"),
        (HEAD + "10.0.0.1,any,default,\u202ex\n", "invisible character U+202E"),
    ],
)
def test_mistakes_have_their_place(text: str, wanted: str) -> None:
    assert wanted in refused(text)[0]


def test_yaml_mistakes_have_line_and_key() -> None:
    with pytest.raises(FileErrors) as error:
        parse_yaml("exclusions:\n- {action: default, reason: x, protocol: icmp, remote_port: 80}\n- {reason: y}\n", "x")
    said = [str(problem) for problem in error.value.items]
    assert "x:2" in said[0]
    assert "icmp has no ports" in said[0]
    assert "exclusions[1].action: this key is required" in said[1]


def test_too_many_rows_are_refused() -> None:
    text = "action,reason\n" + "default,x\n" * (MAX_ROWS + 1)
    assert f"more than {MAX_ROWS} rows" in refused(text)[0]


def test_a_file_full_of_mistakes_ends_early() -> None:
    assert len(refused(HEAD + "nowhere,any,default,x\n" * 50_000)) <= 200
