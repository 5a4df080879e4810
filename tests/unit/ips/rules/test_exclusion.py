import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import InputError
from hyperward.ips.rules.exclusion import parse_exclusion
from hyperward.ips.rules.parse import parse_rule

RULE = parse_rule('alert tcp any any -> any any (msg:"ET SCAN Nmap [NSE] probe"; sid:2000001; rev:7;)')


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("1:2000001:7", True),
        ("1:2000001:8", False),
        ("1:2000001", True),
        ("2:2000001", False),
        (" 1:2000001 ", True),
        ("ET SCAN *", True),
        ("et scan nmap*", True),
        ("*probe", True),
        ("ET SCAN", False),
        ("ET SCAN Nmap [[]NSE] prob?", True),
        ("ET SCAN Nmap * probe?", False),
    ],
)
def test_what_an_exclusion_means(text: str, matches: bool) -> None:  # noqa: FBT001 - a parameter of the case
    assert parse_exclusion(text).matches(RULE) is matches


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("   ", 1),
        ("1:", 3),
        ("1", 1),
        ("1:2:3:4", 1),
        ("0:5", 1),
        ("1:0", 3),
        ("1:4294967296", 3),
        ("1::3", 3),
        ("ab\ncd", 3),
        ("ET [a", 4),
        ("*", 1),
        ("* ?*", 1),
        ("x" * 300, 257),
    ],
)
def test_bad_text_is_refused_with_its_position(text: str, position: int) -> None:
    with pytest.raises(InputError, match=rf"character {position}\b") as caught:
        parse_exclusion(text)
    assert caught.value.hint


@given(st.text(max_size=60))
def test_any_text_is_an_exclusion_or_refused(text: str) -> None:
    try:
        parse_exclusion(text).matches(RULE)
    except InputError:
        return


@given(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_numbers_round_trip(gid: int, sid: int, rev: int) -> None:
    row = parse_exclusion(f"{gid}:{sid}:{rev}")
    assert (row.gid, row.sid, row.rev) == (gid, sid, rev)
