from hypothesis import given
from hypothesis import strategies as st

from hyperward.webscan.protocols.window import Window


def test_bytes_that_came_before_are_not_taken_twice() -> None:
    window = Window()
    assert window.put(0, b"abc")
    assert window.put(1, b"bcde")
    assert window.put(2, b"c")
    assert (bytes(window.data), window.at, window.end) == (b"abcde", 0, 5)


def test_a_gap_is_refused() -> None:
    window = Window(10)
    assert not window.put(11, b"x")
    assert window.put(10, b"x")


def test_within_what_is_skipped_the_next_bytes_may_begin_anywhere() -> None:
    window = Window()
    window.put(0, b"head")
    assert not window.skip(100)
    assert window.at == 4
    assert window.put(50, b"body")
    assert (window.data, window.at) == (b"", 54)
    assert window.put(98, b"..next")
    assert (bytes(window.data[window.pos :]), window.at) == (b"next", 100)


def test_beyond_what_is_skipped_bytes_are_missing() -> None:
    window = Window()
    window.skip(100)
    assert not window.put(101, b"x")


def test_bytes_that_were_read_are_let_go() -> None:
    window = Window()
    window.put(0, b"abcdef")
    window.pos = 4
    window.settle()
    assert (bytes(window.data), window.pos, window.at, window.end) == (b"ef", 0, 4, 6)


@given(st.binary(min_size=1, max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20))))
def test_any_order_of_pieces_gives_the_stream_up_to_the_first_gap(data: bytes, pieces: list[tuple[int, int]]) -> None:
    window = Window()
    known = 0
    for begin, size in pieces:
        taken = window.put(begin, data[begin : begin + size])
        assert taken == (begin <= known)
        if taken:
            known = max(known, min(begin + size, len(data)))
    assert bytes(window.data) == data[:known]
