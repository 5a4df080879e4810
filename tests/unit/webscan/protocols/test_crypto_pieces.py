"""The CRYPTO stream put together from frames in any order."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.webscan.protocols.crypto_pieces import MAX_PIECES, CryptoPieces

TEXT = bytes(range(256)) * 4


def test_frames_in_order_backwards_and_overlapping() -> None:
    for frames in ([(0, 10), (10, 30)], [(10, 30), (0, 10)], [(0, 20), (10, 30)], [(5, 9), (3, 30), (0, 4)]):
        pieces = CryptoPieces(100)
        for start, stop in frames:
            pieces.add(start, TEXT[start:stop])
        assert (bytes(pieces.start), pieces.waiting) == (TEXT[:30], False)


def test_a_gap_waits() -> None:
    pieces = CryptoPieces(100)
    pieces.add(4, b"later")
    assert (bytes(pieces.start), pieces.waiting) == (b"", True)


@pytest.mark.parametrize(
    ("first", "second"),
    [((0, b"abc"), (1, b"xc")), ((5, b"abc"), (6, b"x")), ((5, b"abc"), (3, b"..axc")), ((2, b"ab"), (0, b"..x"))],
)
def test_a_contradiction_is_refused_and_what_was_there_stays(
    first: tuple[int, bytes], second: tuple[int, bytes]
) -> None:
    pieces = CryptoPieces(100)
    pieces.add(*first)
    with pytest.raises(ValueError, match="contradict"):
        pieces.add(*second)
    with suppress(ValueError):
        pieces.add(0, bytes(first[0]))
    assert first[0] or pieces.start == first[1]


def test_nothing_is_taken_beyond_the_limit() -> None:
    pieces = CryptoPieces(10)
    pieces.add(0, bytes(10))
    for offset in (1, 10, 1 << 61):
        with pytest.raises(ValueError, match="more than 10"):
            pieces.add(offset, bytes(10))
    assert len(pieces.start) == 10


def test_pieces_beyond_a_gap_are_bounded() -> None:
    pieces = CryptoPieces(65536)
    for number in range(MAX_PIECES):
        pieces.add(2 * number + 1, b"x")
    with pytest.raises(ValueError, match="pieces"):
        pieces.add(65000, b"x")
    assert len(pieces._pieces) == MAX_PIECES


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=60))
def test_honest_frames_in_any_order_never_contradict(frames: list[tuple[int, int]]) -> None:
    pieces = CryptoPieces(1024)
    there: set[int] = set()
    for offset, size in frames:
        pieces.add(offset, TEXT[offset : offset + size])
        there.update(range(offset, offset + size))
        known = next(at for at in range(1024) if at not in there)
        assert pieces.start == TEXT[:known]
        assert pieces.waiting == any(at > known for at in there)
        held = [
            at
            for start, piece in zip(pieces._offsets, pieces._pieces, strict=True)
            for at in range(start, start + len(piece))
        ]
        assert held == sorted(at for at in there if at > known)


@given(st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=12)), max_size=30))
def test_an_offset_never_changes_its_byte(frames: list[tuple[int, bytes]]) -> None:
    pieces = CryptoPieces(64)
    said: dict[int, int] = {}
    for offset, data in frames:
        with suppress(ValueError):
            pieces.add(offset, data)
        now = dict(enumerate(pieces.start))
        for start, piece in zip(pieces._offsets, pieces._pieces, strict=True):
            now.update({start + at: byte for at, byte in enumerate(piece)})
        assert said.items() <= now.items()
        said = now
