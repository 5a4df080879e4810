import struct

import pytest
from dns.flags import Flag
from dns.message import Message, from_wire, make_query
from dns.name import from_text
from dns.rcode import Rcode
from dns.rrset import RRset
from hypothesis import given
from hypothesis import strategies as st

from client_streams import play
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.protocols.dns import DnsTcpStream, answer, message_begins, queries
from hyperward.webscan.protocols.model import Asked, Body, Request, WebProtocol
from hyperward.webscan.protocols.window import FOREVER

HEADER = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
TYPE = b"\x00\x01\x00\x01"


def query(name: str = "www.example.com", kind: str = "A") -> bytes:
    return make_query(name, kind, id=0x1234).to_wire()


def framed(*messages: bytes) -> bytes:
    return b"".join(struct.pack(">H", len(message)) + message for message in messages)


def names(datagram: bytes) -> list[bytes]:
    return [request.host for request in queries(datagram)]


def test_a_query_is_a_request_for_its_name() -> None:
    assert queries(query()) == (Request(WebProtocol.DNS, b"www.example.com", query_id=0x1234),)


@pytest.mark.parametrize("kind", ["A", "AAAA", "HTTPS", "SVCB", "TXT", "MX", "ANY", "TYPE4711"])
def test_every_type_asks_for_the_name(kind: str) -> None:
    assert names(query("Evil.Example", kind)) == [b"Evil.Example"]


def test_edns_and_what_else_follows_does_not_matter() -> None:
    message = make_query("a.example", "A", use_edns=0, want_dnssec=True, payload=4096, pad=468)
    assert names(message.to_wire()) == [b"a.example"]
    assert names(query("a.example") + b"\xff" * 50) == [b"a.example"]


def test_several_questions_are_all_asked() -> None:
    data = HEADER[:5] + b"\x03" + HEADER[6:]
    data += b"\x01a\x07example\x00" + TYPE + b"\x01b\xc0\x0e" + TYPE + b"\x01A\xc0\x0e\x00\x1c\x00\x01"
    assert names(data) == [b"a.example", b"b.example", b"A.example"]


def test_of_more_questions_than_come_those_that_come_are_asked() -> None:
    assert names(HEADER[:5] + b"\x09" + HEADER[6:] + b"\x01a\x00" + TYPE) == [b"a"]


def test_of_thousands_of_questions_the_first_ones_are_asked() -> None:
    data = HEADER[:4] + b"\xff\xff" + HEADER[6:] + b"".join(b"\x04%04d\x00" % number + TYPE for number in range(5000))
    assert names(data) == [b"%04d" % number for number in range(32)]


@pytest.mark.parametrize(
    ("name", "host"),
    [
        (b"\x00", b"."),
        (b"\x05a.b\\c\x00", b"a\\.b\\\\c"),
        (b"\x03\x00\xff \x07example\x00", b"\\000\\255\\032.example"),
        (b"\x01_\x04_tcp\x01a\x00", b"_._tcp.a"),
        (b"\x3f" + b"x" * 63 + b"\x00", b"x" * 63),
    ],
)  # fmt: skip
def test_names_are_written_as_in_zone_files(name: bytes, host: bytes) -> None:
    assert names(HEADER + name + TYPE) == [host]


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        HEADER,
        b"\x12\x34\x81" + HEADER[3:] + b"\x01a\x00" + TYPE,
        b"\x12\x34\x28" + HEADER[3:] + b"\x01a\x00" + TYPE,
        HEADER[:5] + b"\x00" + HEADER[6:] + b"\x01a\x00" + TYPE,
        HEADER + b"\x01a\x00" + TYPE[:3],
        HEADER + b"\x40" + b"x" * 64 + b"\x00" + TYPE,
        HEADER + b"\xc0\x0c" + TYPE,
        HEADER + b"\xc0\x40" + TYPE + bytes(80),
        HEADER + b"\x01a\xc0\x0c" + TYPE,
        HEADER + b"\x3f" + b"x" * 20,
        HEADER + (b"\x3f" + b"x" * 63) * 5 + b"\x00" + TYPE,
    ],
)
def test_what_is_no_query_asks_for_nothing(datagram: bytes) -> None:
    assert queries(datagram) == ()


@given(st.binary(max_size=200))
def test_no_datagram_raises(data: bytes) -> None:
    queries(data)
    queries(HEADER + data)
    answer(data)
    answer(HEADER + data, sinkhole4="192.0.2.1", sinkhole6="2001:db8::1")


def test_a_stream_has_messages_of_given_lengths() -> None:
    data = framed(query("a.example"), query("b.example", "AAAA"))
    stream = DnsTcpStream()
    steps = stream.feed(0, data[:-1])
    assert [step.end for step in steps if isinstance(step, Asked)] == [len(framed(query("a.example")))]
    assert stream.decided == len(framed(query("a.example")))
    (step,) = stream.feed(len(data) - 1, data[-1:])
    assert isinstance(step, Asked)
    assert (step.request.host, step.end, stream.decided) == (b"b.example", len(data), len(data))


def test_a_message_that_is_no_query_is_passed_over() -> None:
    update = b"\x00\x01\x28\x00" + bytes(60000)
    data = framed(query("a.example"), update, query("b.example"))
    stream = DnsTcpStream()
    assert Body(len(framed(query("a.example"), update))) in stream.feed(0, data[:200])
    assert play(DnsTcpStream, data, range(0, len(data), 999), skip=True).names == [b"a.example", b"b.example"]


@pytest.mark.parametrize(
    "data", [b"\x00\x00", b"\x00\x05abcde", framed(b"\x00\x01\x80" + bytes(20)), b"\x38\x00\x38" * 9]
)
def test_what_does_not_begin_with_a_query_is_let_go(data: bytes) -> None:
    assert play(DnsTcpStream, data).decided == FOREVER


@given(
    st.lists(st.from_regex(r"[a-zA-Z0-9-]{1,20}\.example", fullmatch=True), min_size=1, max_size=6),
    st.lists(st.integers(0, 250)),
)
def test_any_split_of_a_valid_stream_shows_the_same(asked: list[str], cuts: list[int]) -> None:
    data = framed(*(query(name) for name in asked))
    for port in (53, 5353):
        whole = play(lambda: client_stream(port), data)  # noqa: B023 - called in this round
        assert whole.names == [name.encode() for name in asked]
        assert whole.decided == len(data)
        assert play(lambda: client_stream(port), data, cuts) == whole  # noqa: B023


def test_the_form_of_a_query_is_told_from_its_first_bytes() -> None:
    data = framed(query())
    for strict in (True, False):
        assert [message_begins(data[:end], strict=strict) for end in range(15)] == [None] * 14 + [True]
    ixfr = framed(HEADER[:8] + b"\x00\x01\x00\x00" + b"\x01a\x00" + TYPE)
    assert message_begins(ixfr, strict=False)
    assert not message_begins(ixfr, strict=True)
    for other in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
    ):
        assert message_begins(other, strict=False) is False


def read(response: bytes) -> tuple[Message, list[RRset]]:
    message = from_wire(response)
    return message, message.answer


def test_the_answer_is_that_there_is_no_such_name() -> None:
    asked = make_query("eViL.Example", "A", id=77)
    message, records = read(answer(asked.to_wire()))
    assert asked.is_response(message)
    assert message.rcode() == Rcode.NXDOMAIN
    assert message.question[0].name.to_text() == "eViL.Example."
    assert records == []
    assert message.flags & (Flag.RA | Flag.RD | Flag.AA | Flag.TC) == Flag.RA | Flag.RD
    assert message.edns == -1


def test_edns_is_answered_when_it_is_asked_for() -> None:
    message, _ = read(answer(make_query("a.example", "A", use_edns=0, want_dnssec=True).to_wire()))
    assert (message.edns, message.payload) == (0, 1232)


@pytest.mark.parametrize(
    ("kind", "sinkhole4", "sinkhole6", "address"),
    [
        ("A", "192.0.2.1", "2001:db8::1", "192.0.2.1"),
        ("AAAA", "192.0.2.1", "2001:db8::1", "2001:db8::1"),
        ("AAAA", "192.0.2.1", "", ""),
        ("A", "", "2001:db8::1", ""),
        ("HTTPS", "192.0.2.1", "2001:db8::1", ""),
        ("ANY", "192.0.2.1", "2001:db8::1", ""),
    ],
)
def test_a_sinkhole_answers_addresses_and_no_data_for_the_rest(
    kind: str, sinkhole4: str, sinkhole6: str, address: str
) -> None:
    message, records = read(answer(query("evil.example", kind), sinkhole4=sinkhole4, sinkhole6=sinkhole6))
    assert message.rcode() == Rcode.NOERROR
    assert [record.to_text() for rrset in records for record in rrset] == ([address] if address else [])
    assert all(rrset.name == from_text("evil.example") and rrset.ttl == 30 for rrset in records)


def test_another_class_gets_no_address() -> None:
    chaos = make_query("version.bind", "A", rdclass="CH").to_wire()
    assert read(answer(chaos, sinkhole4="192.0.2.1"))[1] == []


def test_a_query_with_a_broken_end_is_answered_all_the_same() -> None:
    broken = query("evil.example")[:10] + b"\x00\x01" + query("evil.example")[12:] + b"\x00\x00\x29\x04"
    assert names(broken) == [b"evil.example"]
    assert read(answer(broken))[0].rcode() == Rcode.NXDOMAIN


def test_a_question_that_cannot_be_read_is_a_format_error() -> None:
    response = answer(HEADER + b"\xc0\x0c" + TYPE)
    assert (response[:2], from_wire(response).rcode()) == (b"\x12\x34", Rcode.FORMERR)
    assert answer(b"\x12\x34") == b""


def test_a_sinkhole_that_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="sinkhole"):
        answer(query(), sinkhole4="sinkhole.example")
