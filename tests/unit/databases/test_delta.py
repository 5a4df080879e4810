"""Deltas: any file from any file, hostile ones refused."""

import contextlib
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.databases.delta.apply import apply_delta, line_starts
from hyperward.databases.delta.format import FileDelta, parse_delta, print_delta
from hyperward.databases.delta.make import make_delta

_LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c c\r\n", b"\n", b"dd\n", b"\r", b"\x00\xff\n"]), max_size=30)
_FILES = st.tuples(_LINES, st.sampled_from([b"", b"end", b"a"])).map(lambda parts: b"".join(parts[0]) + parts[1])


@given(_FILES, _FILES)
def test_every_file_becomes_every_other(base: bytes, result: bytes) -> None:
    (delta,) = parse_delta(print_delta([make_delta(base, result)]))
    assert apply_delta(base, delta, size=len(result)) == result


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_binary_files_too(base: bytes, result: bytes) -> None:
    assert apply_delta(base, make_delta(base, result), size=len(result)) == result


@given(st.lists(st.tuples(_FILES, _FILES), max_size=4))
def test_several_files(pairs: list[tuple[bytes, bytes]]) -> None:
    made = [make_delta(base, result) for base, result in pairs]
    assert list(parse_delta(print_delta(made))) == made


def test_a_moved_block_is_not_sent() -> None:
    lines = [b"line %d\n" % number for number in range(1000)]
    delta = make_delta(b"".join(lines), b"".join(lines[500:] + lines[:500]))
    assert delta.inserted == b""
    assert len(delta.operations) == 6


def test_a_small_change_is_small() -> None:
    chance = random.Random(1)  # noqa: S311 - a choice of lines
    lines = sorted(f"{chance.random()}.example\n" for _ in range(5000))
    fresh = sorted([*chance.sample(lines, 4950), *(f"{chance.random()}.example\n" for _ in range(50))])
    base, result = "".join(lines).encode(), "".join(fresh).encode()
    raw = print_delta([make_delta(base, result)])
    assert len(raw) < len(result) / 20


@given(st.binary(max_size=300))
def test_rubbish_is_refused_or_read(raw: bytes) -> None:
    for text in (raw, b"hyperward-delta 1\n" + raw):
        try:
            list(parse_delta(text))
        except ValueError:
            continue


@given(_FILES, st.lists(st.integers(-5, 50), max_size=12).filter(lambda ops: len(ops) % 3 == 0), st.binary(max_size=20))
def test_hostile_operations_never_make_more_than_was_signed(base: bytes, operations: list[int], extra: bytes) -> None:
    delta = replace(make_delta(base, base), operations=tuple(operations), inserted=extra, size=100)
    with contextlib.suppress(ValueError):
        assert len(apply_delta(base, delta, size=100)) == 100


@pytest.mark.parametrize(
    ("operations", "inserted", "match"),
    [
        ((0, 3, 0), b"", "outside"),
        ((-1, 1, 0), b"", "outside"),
        ((0, -1, 0), b"", "outside"),
        ((0, 0, 5), b"1234", "outside"),
        ((0, 0, -1), b"1234", "outside"),
        ((0, 2, 0, -2, 2, 0) * 100, b"", "more than the 4 bytes"),
        ((0, 1, 0), b"", "another file than it promises"),
        ((0, 2, 0), b"x", "another file than it promises"),
    ],
)
def test_a_hostile_delta(operations: tuple[int, ...], inserted: bytes, match: str) -> None:
    good = make_delta(b"a\nb\n", b"a\nb\n")
    with pytest.raises(ValueError, match=match):
        apply_delta(b"a\nb\n", replace(good, operations=operations, inserted=inserted), size=4)


def test_another_base_or_size() -> None:
    delta = make_delta(b"a\n", b"b\n")
    with pytest.raises(ValueError, match="another file"):
        apply_delta(b"c\n", delta, size=2)
    with pytest.raises(ValueError, match="where 3 were signed"):
        apply_delta(b"a\n", delta, size=3)


@pytest.mark.parametrize(
    "section",
    [b"file x\n", b"file " + b"0" * 64 + b" " + b"0" * 64 + b" 1 2 3\n", b"", b"\n"],
)
def test_a_damaged_section(section: bytes) -> None:
    raw = print_delta([make_delta(b"", b"a\n")]) + section
    if section:
        with pytest.raises(ValueError, match="section"):
            list(parse_delta(raw))
    with pytest.raises(ValueError, match="known form"):
        list(parse_delta(section))


def test_line_starts() -> None:
    assert line_starts(b"").tolist() == [0]
    assert line_starts(b"a\n\nb").tolist() == [0, 2, 3, 4]
    assert FileDelta("", "", 0, (), b"").operations == ()
