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


def test_a_vm_that_may_have_more_by_now_is_asked_before_it_is_answered() -> None:
    request = packet_of(LINE.tcp(100, b"GET", ack=5000, flags=ACK | PSH))
    closing = Closing(request, b"page", overtaken=True)
    (question,) = closing.begin(request)
    asked = packet_of(question)
    assert (asked.seq, asked.ack, bytes(asked.payload)) == (4999, 103, b"")
    (answer,) = closing.packet(packet_of(LINE.tcp(103, b"", ack=5040, flags=ACK)))
    sent = packet_of(answer)
    assert (sent.seq, sent.ack, bytes(sent.payload), bool(sent.flags & FIN)) == (5040, 103, b"page", True)
    assert closing.packet(packet_of(LINE.tcp(103, b"", ack=5045, flags=ACK))) == ()


def test_a_vm_that_does_not_hear_the_question_repeats_its_request_and_is_answered() -> None:
    request = packet_of(LINE.tcp(100, b"GET", ack=5000, flags=ACK | PSH))
    closing = Closing(request, b"page", overtaken=True)
    closing.begin(request)
    (answer,) = closing.packet(packet_of(LINE.tcp(100, b"GET", ack=5040, flags=ACK | PSH)))
    assert packet_of(answer).seq == 5040


def test_nobody_is_asked_before_a_reset() -> None:
    request = packet_of(LINE.tcp(100, b"GET", ack=5000, flags=ACK | PSH))
    closing = Closing(request, None, overtaken=True)
    assert closing.is_reset
    assert len(closing.begin(request)) == 1
