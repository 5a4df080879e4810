from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.webscan.scanner.commands import Command, FlowState, Found, Mark
from hyperward.webscan.scanner.copyflow import MAX_MISSED, CopyFlow
from web_frames import Line, chance_of
from web_world import Around, LineStream, packet_of

LINE = Line(copy=True)


def feed(flow: CopyFlow, around: Around, seq: int, data: bytes) -> list[Command]:
    return flow.packet(packet_of(LINE.tcp(seq, data)), around)


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(0, 1 << 30))
def test_copies_in_any_order_show_the_requests(sizes: list[int], seed: int) -> None:
    data = b"".join(b"GET %d%s\n" % (size, b"x" * size) for size in sizes)
    chance = chance_of(seed)
    cuts = sorted({0, len(data), *(chance.randint(0, len(data)) for _ in range(10))})
    pieces = [(begin, data[begin:end]) for begin, end in pairwise(cuts)]
    first, rest = pieces[0], pieces[1:] * chance.randint(1, 2)
    chance.shuffle(rest)
    flow, around = CopyFlow(b"key", 0xFFFFFFFA, LineStream), Around()
    for offset, piece in [first, *rest]:
        feed(flow, around, 0xFFFFFFFA + offset, piece)
    assert around.judged == data.splitlines()


def test_what_would_be_blocked_is_reported_and_nothing_is_written() -> None:
    flow, around = CopyFlow(b"key", 1, LineStream), Around()
    (found,) = feed(flow, around, 1, b"evil\n")
    assert isinstance(found, Found)
    assert (found.done, found.reason) == ("reported", "copy")
    assert feed(flow, around, 6, b"good\n") == []


def test_after_a_gap_reading_begins_at_a_start() -> None:
    flow, around = CopyFlow(b"key", 1, LineStream), Around()
    feed(flow, around, 1, b"GET /one\n")
    seq = 10_000
    for _ in range(17):
        feed(flow, around, seq, b"\0" * 100)
        seq += 100
    feed(flow, around, seq, b"GET /two\n")
    assert around.judged == [b"GET /one", b"GET /two"]
    assert flow.size == 0


def test_without_any_start_it_is_let_go() -> None:
    flow, around = CopyFlow(b"key", 1, LineStream, missed=True), Around()
    commands = [command for n in range(MAX_MISSED) for command in feed(flow, around, 1 + n, b"\0")]
    assert [command.state for command in commands if isinstance(command, Mark)] == [FlowState.DONE]
    assert flow.finished


def test_bodies_and_ends_are_left_to_the_kernel() -> None:
    flow, around = CopyFlow(b"key", 1, LineStream), Around()
    assert feed(flow, around, 1, b"body 100\n") == [Mark(b"key", FlowState.UNTIL, 10, 110)]
    assert feed(flow, around, 100, b"x" * 10 + b"good\n") == []
    assert feed(flow, around, 115, b"done\n") == [Mark(b"key", FlowState.DONE, 120)]
    assert feed(flow, around, 120, b"evil\n") == []
    assert around.judged == [b"body 100", b"good"]
