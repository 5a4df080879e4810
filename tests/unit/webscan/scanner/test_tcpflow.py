import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.webscan.scanner.commands import Command, Drop, FlowState, Forward, Found, Mark, ToVm
from hyperward.webscan.scanner.craft import SEGMENT
from hyperward.webscan.scanner.tcpflow import MAX_HELD, TcpFlow
from web_frames import ACK, PSH, SYN, URG, Chance, Line, Server, chance_of
from web_world import Around, LineStream, packet_of

LINE = Line()
START = 0xFFFFFF00  # soon wraps around


class Run:
    """A flow with a sender before it and a server behind it."""

    def __init__(self, start: int = START) -> None:
        self.start = start
        self.streams: list[LineStream] = []
        self.around = Around(ack=start)
        self.server = Server(start)
        self.flow = TcpFlow(b"key", start, self.stream)
        self.commands: list[Command] = []

    def stream(self) -> LineStream:
        self.streams.append(LineStream())
        return self.streams[-1]

    def send(self, offset: int, data: bytes, *, ack: int = 5000, flags: int = ACK | PSH) -> list[Command]:
        packet = packet_of(LINE.tcp(self.start + offset, data, ack=ack, flags=flags))
        commands = self.flow.packet(packet, self.around)
        self.commands += commands
        for command in commands:
            if isinstance(command, Forward):
                for frame in command.frames:
                    self.server.take(frame)
        self.around.ack = self.server.next
        return commands

    @property
    def acked(self) -> int:
        return len(self.server.data)

    def finish(self, data: bytes, chance: Chance) -> None:
        """Send what the server lacks, again and again, as a sender does that hears no acknowledgement."""
        for _ in range(10_000):
            if self.acked >= len(data) or any(isinstance(command, ToVm) for command in self.commands):
                return
            at = self.acked
            for _ in range(chance.randint(1, 12)):
                size = chance.randint(1, 1400)
                self.send(at, data[at : at + size])
                at += size
                if at >= len(data):
                    break
        raise AssertionError("the connection hangs")


@st.composite
def traffic(draw: st.DrawFn, *, evil: bool) -> tuple[bytes, int]:
    lines = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["short", "long", "body"]))
        if kind == "short":
            lines.append(b"good" * draw(st.integers(1, 20)) + b"\n")
        elif kind == "long":
            lines.append(b"long" * draw(st.integers(100, 12_000)) + b"\n")
        else:
            size = draw(st.integers(0, 5_000))
            lines.append(b"body %d\n" % size + b"x" * size)
    if evil:
        lines.insert(draw(st.integers(0, len(lines))), b"evil" * draw(st.integers(1, 8_000)) + b"\n")
    return b"".join(lines), draw(st.integers(0, 1 << 30))


def shuffled(run: Run, data: bytes, chance: Chance, *, lie: bool) -> None:
    """Send pieces in any order, overlapping, twice, some with other content."""
    for _ in range(chance.randint(0, 60)):
        at = chance.randint(0, len(data))
        piece = data[at : at + chance.randint(1, 1400)]
        if lie and chance.random() < 0.5:
            piece = bytes(chance.choice(b"evilgood\n") for _ in piece)
        run.send(at if chance.random() < 0.7 else run.acked, piece)


@settings(max_examples=150, deadline=None)
@given(traffic(evil=False))
def test_a_clean_stream_arrives_whole_whatever_its_segments(case: tuple[bytes, int]) -> None:
    data, seed = case
    chance = chance_of(seed)
    run = Run()
    for _ in range(chance.randint(0, 60)):
        at = chance.randint(0, len(data) - 1)
        run.send(at, data[at : at + chance.randint(1, 1400)])
    run.finish(data, chance)
    assert bytes(run.server.data) == data
    assert not run.server.reset


@settings(max_examples=150, deadline=None)
@given(traffic(evil=True))
def test_a_blocked_request_never_completes_at_the_server(case: tuple[bytes, int]) -> None:
    data, seed = case
    chance = chance_of(seed)
    run = Run()
    for _ in range(chance.randint(0, 60)):
        at = chance.randint(0, len(data) - 1)
        run.send(at, data[at : at + chance.randint(1, 1400)])
    run.finish(data, chance)
    assert not [line for line in bytes(run.server.data).split(b"\n")[:-1] if line.startswith(b"evil")]
    assert run.server.reset
    assert any(isinstance(command, Found) and command.done == "blocked" for command in run.commands)


@settings(max_examples=200, deadline=None)
@given(traffic(evil=True))
def test_the_server_gets_no_byte_but_the_judged_ones(case: tuple[bytes, int]) -> None:
    data, seed = case
    chance = chance_of(seed)
    run = Run()
    shuffled(run, data, chance, lie=True)
    if any(isinstance(command, Mark) for command in run.commands):
        return  # from here on the kernel lets bodies pass, which no parser has seen
    assert len(run.streams) == 1
    assert bytes(run.streams[0].fed).startswith(bytes(run.server.data))


def test_a_plain_request_is_let_go_with_one_command() -> None:
    run = Run()
    assert [type(command) for command in run.send(0, b"good\n")] == [Forward]


def test_a_request_in_two_packets_is_held_until_it_is_complete() -> None:
    run = Run()
    assert run.send(0, b"go") == []
    assert run.flow.waiting
    commands = run.send(2, b"od\n")
    assert [len(command.frames) for command in commands if isinstance(command, Forward)] == [1, 1]
    assert not run.flow.waiting


def test_what_is_not_next_is_dropped() -> None:
    run = Run()
    assert run.send(5, b"good\n") == [Drop("beyond_next")]
    run.send(0, b"good\n")
    assert run.acked == 5


def test_other_content_for_judged_bytes_is_dropped_until_the_other_end_has_them() -> None:
    run = Run()
    run.send(0, b"good\n")
    run.around.ack = START
    assert run.send(0, b"evil\n") == [Drop("other_content")]
    assert run.send(0, b"good\n") == [Forward((LINE.tcp(START, b"good\n"),))]
    run.around.ack = START + 5
    assert isinstance(run.send(0, b"evil\n")[0], Forward)


def test_held_bytes_sent_again_go_on() -> None:
    run = Run()
    run.send(0, b"go")
    assert [type(command) for command in run.send(0, b"go")] == [Forward]
    assert run.acked == 2
    run.send(2, b"o")
    assert run.acked == 3
    run.send(3, b"d\n")
    assert bytes(run.server.data) == b"good\n"


def test_a_first_flight_is_held_and_more_goes_on() -> None:
    run = Run()
    for index in range(MAX_HELD):
        assert run.send(index * 1000, b"x" * 1000) == []
    run.send(MAX_HELD * 1000, b"x" * 1000)
    assert run.acked == (MAX_HELD + 1) * 1000


def test_a_held_blocked_request_leaves_nothing_at_the_server_and_resets_it() -> None:
    run = Run()
    run.send(0, b"ev")
    run.send(2, b"il\n")
    assert run.acked == 0
    assert run.server.reset
    assert [type(command) for command in run.commands] == [Mark, Found, Forward, ToVm, Drop]
    assert run.around.blocked[0].message == b"evil\n"
    assert run.around.blocked[0].is_first


def test_the_page_is_acknowledged_and_closed() -> None:
    run = Run()
    run.around.reply = b"p" * (SEGMENT + 10)
    page = next(command for command in run.send(0, b"evil\n") if isinstance(command, ToVm)).frames
    segments = [dpkt.ethernet.Ethernet(frame[:12] + frame[16:]).data.data for frame in page]
    assert [(one.seq, len(one.data), one.flags & 1) for one in segments] == [
        (5000, SEGMENT, 0),
        (5000 + SEGMENT, 10, 1),
    ]
    assert {one.ack for one in segments} == {(START + 5) & 0xFFFFFFFF}


def test_a_request_behind_one_that_has_no_answer_yet_resets_both() -> None:
    run = Run()
    run.send(0, b"good\nevil\n")
    assert run.acked == 0
    assert run.around.blocked == []
    frames = next(command for command in run.commands if isinstance(command, ToVm)).frames
    assert dpkt.ethernet.Ethernet(frames[0][:12] + frames[0][16:]).data.data.flags & 4


def test_a_request_after_an_answer_gets_a_page() -> None:
    run = Run()
    run.send(0, b"good\n", ack=5000)
    run.send(5, b"evil\n", ack=5100)
    assert len(run.around.blocked) == 1
    assert not run.around.blocked[0].is_first


def test_a_body_beyond_the_packet_is_left_to_the_kernel() -> None:
    run = Run()
    commands = run.send(0, b"body 1000\n" + b"x" * 100)
    assert commands[0] == Mark(b"key", FlowState.UNTIL, (START + 110) & 0xFFFFFFFF, (START + 1010) & 0xFFFFFFFF)
    run.server.next = (START + 900) & 0xFFFFFFFF
    run.server.data = bytearray(900)
    run.around.ack = run.server.next
    assert [type(command) for command in run.send(900, b"x" * 110 + b"good\n")] == [Forward]
    assert run.around.judged == [b"body 1000", b"good"]


def test_a_huge_body_is_passed_in_steps() -> None:
    run = Run()
    huge = 5 << 30
    first = run.send(0, b"body %d\n" % huge)[0]
    assert isinstance(first, Mark)
    assert (first.until - first.start) & 0xFFFFFFFF == 1 << 30
    again = run.send(16 + (1 << 30) - 100, b"x" * 1000)[0]
    assert isinstance(again, Mark)
    assert again.start == (START + 16 + (1 << 30) + 900) & 0xFFFFFFFF


def test_a_finished_stream_is_left_to_the_kernel() -> None:
    run = Run()
    assert run.send(0, b"good\ndone\n")[0] == Mark(b"key", FlowState.DONE, (START + 10) & 0xFFFFFFFF)
    assert [type(command) for command in run.send(200, b"late")] == [Mark, Forward]


def test_after_a_gap_reading_begins_where_the_other_end_is() -> None:
    run = Run()
    run.send(0, b"good\n")
    run.around.ack = START + 500
    run.server.next = (START + 500) & 0xFFFFFFFF
    commands = run.send(500, b"GET /good\n")
    assert [type(command) for command in commands] == [Forward]
    assert run.around.judged[-1] == b"GET /good"


def test_a_connection_without_a_start_is_let_go_after_some_packets() -> None:
    flow = TcpFlow(b"key", 100, LineStream, missed=True)
    around = Around()
    seq = 100
    marks = []
    for _ in range(16):
        commands = flow.packet(packet_of(LINE.tcp(seq, b"\0\1\2")), around)
        seq += 3
        marks += [command.state for command in commands if isinstance(command, Mark)]
    assert marks == [FlowState.DONE]


def test_the_end_of_a_body_of_an_earlier_process_is_not_read() -> None:
    flow = TcpFlow(b"key", 100, LineStream, body=4)
    around = Around()
    assert [type(one) for one in flow.packet(packet_of(LINE.tcp(100, b"bodygood\n")), around)] == [Forward]
    assert around.judged == [b"good"]


def test_urgent_data_goes_on_as_plain_data() -> None:
    run = Run()
    (command,) = run.send(0, b"good\n", flags=ACK | PSH | URG)
    assert isinstance(command, Forward)
    segment = dpkt.ethernet.Ethernet(command.frames[0][:12] + command.frames[0][16:]).data.data
    assert (segment.flags & URG, segment.urp, segment.data) == (0, 0, b"good\n")


def test_a_request_in_a_syn_is_refused_with_a_reset() -> None:
    run = Run()
    packet = packet_of(LINE.tcp(START - 1, b"evil\n", flags=SYN, ack=0))
    commands = run.flow.packet(packet, run.around)
    frames = next(command for command in commands if isinstance(command, ToVm)).frames
    segment = dpkt.ethernet.Ethernet(frames[0][:12] + frames[0][16:]).data.data
    assert (segment.flags & 4, segment.seq, segment.ack) == (4, 0, (START + 5) & 0xFFFFFFFF)
    assert not [command for command in commands if isinstance(command, Forward)]


def test_a_sender_that_hears_nothing_cannot_make_us_keep_ever_more() -> None:
    run = Run()
    line = b"g" * 1399 + b"\n"
    dropped = 0
    for index in range(300):
        packet = packet_of(LINE.tcp(START + index * 1400, line))
        dropped += run.flow.packet(packet, run.around) == [Drop("unacknowledged")]
    assert dropped
    assert run.flow.size < 170_000


@pytest.mark.parametrize("again", [False, True])
def test_the_end_of_a_blocked_connection(*, again: bool) -> None:
    run = Run()
    run.around.reply = b"page"
    run.send(0, b"evil\n")
    if again:
        frames = next(one for one in run.send(0, b"evil\n") if isinstance(one, ToVm)).frames
        assert frames[0].endswith(b"page")
    commands = run.send(5, b"", ack=5005, flags=ACK | 1)
    frames = next(one for one in commands if isinstance(one, ToVm)).frames
    segment = dpkt.ethernet.Ethernet(frames[0][:12] + frames[0][16:]).data.data
    assert (segment.seq, segment.ack, segment.flags) == (5005, (START + 6) & 0xFFFFFFFF, ACK)
    assert not [one for one in run.send(6, b"", ack=5005, flags=4) if isinstance(one, ToVm) and one.frames]
