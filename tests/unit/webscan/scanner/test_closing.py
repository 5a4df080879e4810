from hyperward.webscan.scanner.closing import Closing
from hyperward.webscan.scanner.frames import FIN
from web_frames import ACK, PSH, Line
from web_world import packet_of

LINE = Line()


def test_the_answer_begins_where_the_vm_said_that_it_is() -> None:
    request = packet_of(LINE.tcp(100, b"GET", ack=5000, flags=ACK | PSH))
    (first,) = Closing(request, b"page").begin(request)
    sent = packet_of(first)
    assert (sent.seq, sent.ack, bytes(sent.payload), bool(sent.flags & FIN)) == (5000, 103, b"page", True)


def _said(closing: Closing, ack: int, data: bytes = b"") -> list[tuple[int, bytes]]:
    """Return number and content of what the VM gets for a packet of it."""
    seq = 100 if data else 103
    frames = closing.packet(packet_of(LINE.tcp(seq, data, ack=ack, flags=ACK | (PSH if data else 0))))
    return [(one.seq, bytes(one.payload)) for one in map(packet_of, frames)]


def test_a_vm_that_may_have_more_by_now_is_asked_before_it_is_answered() -> None:
    request = packet_of(LINE.tcp(100, b"GET", ack=5000, flags=ACK | PSH))
    closing = Closing(request, b"page", overtaken=True)
    (question,) = closing.begin(request)
    asked = packet_of(question)
    assert (asked.seq, asked.ack, bytes(asked.payload)) == (4999, 103, b"\0")
    assert _said(closing, 5000) == [(4999, b"\0")]  # sent before it heard the question
    assert _said(closing, 5040) == [(4999, b"\0")]
    assert _said(closing, 5040) == [(5040, b"page")]
    assert _said(closing, 5045) == []


def test_a_vm_that_does_not_hear_the_question_repeats_its_request_and_is_asked_again() -> None:
    request = packet_of(LINE.tcp(100, b"GET", ack=5000, flags=ACK | PSH))
    closing = Closing(request, b"page", overtaken=True)
    closing.begin(request)
    for _ in range(2):
        assert _said(closing, 5040, b"GET") == [(4999, b"\0")]
    assert _said(closing, 5040) == [(4999, b"\0")]
    assert _said(closing, 5040) == [(5040, b"page")]


def test_nobody_is_asked_before_a_reset() -> None:
    request = packet_of(LINE.tcp(100, b"GET", ack=5000, flags=ACK | PSH))
    closing = Closing(request, None, overtaken=True)
    assert closing.is_reset
    assert len(closing.begin(request)) == 1
