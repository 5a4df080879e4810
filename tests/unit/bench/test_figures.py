import json

import pytest

from webnumbers.figures import (
    Bound,
    Result,
    Round,
    Row,
    Series,
    as_json,
    as_markdown,
    as_text,
    note_of,
    ratio,
    shown,
    sure_of,
)


def series(*values: float, guard: str = "protected") -> Series:
    return Series("1 KB answers", guard, "req/s", tuple(Round(value, 0.05 * at) for at, value in enumerate(values)))


def test_series_has_median_and_spread() -> None:
    one = series(90.0, 110.0, 100.0)
    assert one.median == 100.0
    assert one.spread == pytest.approx(0.2)
    assert one.foreign == pytest.approx(0.1)


def test_nothing_measured_divides_by_nothing() -> None:
    assert series().median == 0
    assert series().spread == 0
    assert ratio(series(5.0), series()) == 0


def test_ratio_is_of_medians() -> None:
    assert ratio(series(80.0, 90.0, 100.0), series(100.0, 100.0, 500.0)) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("value", "bound", "expected"),
    [
        (0.90, Bound.AT_LEAST, True),
        (0.89, Bound.AT_LEAST, False),
        (0.90, Bound.UNDER, False),
        (0.89, Bound.UNDER, True),
    ],
)
def test_a_row_holds_its_limit(value: float, bound: Bound, *, expected: bool) -> None:
    assert Row("it", value, 0.90, bound).holds is expected
    assert Row("it", value).holds


@pytest.mark.parametrize(
    ("value", "text"),
    [(123_456.7, "123,457"), (250.4, "250"), (12.345, "12.3"), (0.9049, "0.905"), (0.0, "0"), (-3840.2, "-3,840")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert shown(value) == text


def test_what_may_be_chance_is_called_so() -> None:
    assert sure_of(series(90.0, 110.0))
    assert not sure_of(series(90.0, 110.0), series(50.0, 150.0))
    assert not sure_of(Series("x", "open", "us", (Round(1.0, 0.9),)))
    assert "MISSED, unsure" in as_text(result(Row("part", 0.4, 0.5, sure=False)))


def result(*rows: Row, faults: tuple[str, ...] = ()) -> Result:
    return Result({"kernel": "6.1"}, rows, (series(1.0, 2.0),), faults)


def test_a_result_holds_without_misses_and_faults() -> None:
    assert result(Row("a", 1.0, 0.5), Row("told", 0.0)).holds
    assert not result(Row("a", 0.4, 0.5)).holds
    assert not result(faults=("blocks nothing",)).holds


def test_text_names_machine_misses_and_faults() -> None:
    text = as_text(result(Row("part", 0.4, 0.5, note="why"), Row("told", 7.0, unit="us"), faults=("blocks nothing",)))
    assert "kernel: 6.1" in text
    assert "part  0.4   at least 0.5  MISSED  why" in text
    assert "FAULT: blocks nothing" in text


def test_page_is_tables() -> None:
    page = as_markdown(result(Row("part", 0.6, 0.5, note=note_of(series(1.0, 3.0)))), "Like this.")
    assert "| part | 0.6 | at least 0.5 | holds | protected 2 req/s (±50%) |" in page
    assert "| 1 KB answers | protected | req/s | 1, 2 | 5% of a core |" in page
    assert "## How\n\nLike this.\n" in page


def test_json_is_plain() -> None:
    found = json.loads(json.dumps(as_json(result(Row("part", 0.4, 0.5)))))
    assert found["holds"] is False
    assert found["rows"][0] | {"note": ""} == {
        "what": "part",
        "value": 0.4,
        "limit": 0.5,
        "bound": "at least",
        "unit": "",
        "note": "",
        "sure": True,
        "holds": False,
    }
    assert found["series"][0]["median"] == 1.5
