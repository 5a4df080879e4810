import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_streams import play
from hyperward.webscan.protocols.http1 import MAX_HEAD, Http1Stream, Tunnel
from hyperward.webscan.protocols.model import Asked, Body, Finished, Request, WebProtocol
from hyperward.webscan.protocols.window import FOREVER

GET = b"GET /a?b=c HTTP/1.1\r\nHost: www.example.com\r\nAccept: */*\r\n\r\n"


def lines(data: bytes) -> list[tuple[bytes, bytes, bytes | None]]:
    return play(Http1Stream, data).lines


def test_a_usual_head_is_a_request_and_nothing_is_held() -> None:
    stream = Http1Stream()
    assert stream.feed(0, GET) == [
        Asked(Request(WebProtocol.HTTP, b"www.example.com", b"/a?b=c", b"GET", "1.1"), len(GET))
    ]
    assert stream.decided == len(GET)


def test_kept_alive_and_pipelined_requests_are_all_seen() -> None:
    data = GET * 3 + b"GET / HTTP/1.0\r\n\r\n"
    assert lines(data) == [(b"GET", b"www.example.com", b"/a?b=c")] * 3 + [(b"GET", b"", b"/")]


def test_a_head_is_held_until_it_is_complete() -> None:
    stream = Http1Stream()
    for at in range(len(GET) - 1):
        assert stream.feed(at, GET[at : at + 1]) == []
        assert stream.decided == 0
    assert [step.end for step in stream.feed(len(GET) - 1, b"\n") if isinstance(step, Asked)] == [len(GET)]
    assert stream.decided == len(GET)


def test_a_body_of_many_gigabytes_is_passed_over_and_the_next_head_is_seen() -> None:
    length = 7 << 40
    head = b"PUT /disk HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n" % length
    stream = Http1Stream()
    until = len(head) + length
    assert stream.feed(0, head + b"body")[1:] == [Body(until)]
    assert stream.decided == until
    assert stream.feed(1 << 30, b"x" * 1000) == []
    found = stream.feed(until - 3, b"end" + GET)
    assert [step.end for step in found if isinstance(step, Asked)] == [until + len(GET)]


def test_bytes_that_are_missing_beyond_a_body_end_the_stream() -> None:
    stream = Http1Stream()
    until = stream.feed(0, b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")[1]
    assert isinstance(until, Body)
    assert stream.feed(until.until + 1, GET) == [Finished("bytes of the stream are missing")]
    assert stream.decided == FOREVER


def test_chunks_are_bodies_and_what_is_between_them_is_read() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b'A;name="v"\r\n0123456789\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n'
    stream = Http1Stream()
    steps = stream.feed(0, head + body + GET)
    assert [step.until for step in steps if isinstance(step, Body)] == [len(head) + 22, len(head) + 30]
    assert lines(head + body + GET) == [(b"POST", b"a", b"/"), (b"GET", b"www.example.com", b"/a?b=c")]
    assert stream.decided == len(head + body + GET)


@pytest.mark.parametrize(
    ("head", "requests"),
    [
        (b"GET http://b.example/x?y HTTP/1.1\r\nHost: b.example\r\n\r\n", [(b"b.example", b"http://b.example/x?y")]),
        (
            b"GET http://b.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n",
            [(b"a.example", b"http://b.example/x?y"), (b"a.example", b"/x?y")],
        ),
        (b"GET http://b.example?y HTTP/1.1\r\n\r\n", [(b"", b"http://b.example?y")]),
        (b"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", [(b"a.example", b"*")]),
        (b"GET / HTTP/1.1\r\nHost:\ta.example:8080 \r\n\r\n", [(b"a.example:8080", b"/")]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\nHOST: a\r\n\r\n", [(b"a", b"/"), (b"b", b"/")]),
        (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: \xc3\xa9.example\r\n\r\n", [(b"\xc3\xa9.example", b"/\xc3\xa9")]),
        (b"\r\n\n \tGET / HTTP/1.1\r\nHost: a\r\n\r\n", [(b"a", b"/")]),
        (b"GET / HTTP/1.1\r\nHost: \r\n\r\n", [(b"", b"/")]),
    ],
)
def test_targets_and_hosts_are_as_written(head: bytes, requests: list[tuple[bytes, bytes]]) -> None:
    played = play(Http1Stream, head, skip=True)
    assert [(one.request.host, one.request.target) for one in played.asked] == requests
    assert {one.end for one in played.asked} == {len(head)}
    assert played.decided == len(head)


def test_a_connect_ends_the_http_and_says_where_the_tunnel_begins() -> None:
    head = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
    stream = Http1Stream()
    steps = stream.feed(0, head + b"\x16\x03")
    assert [step.request.target for step in steps if isinstance(step, Asked)] == [b"a.example:443"]
    assert isinstance(steps[-1], Finished)
    assert stream.tunnel == Tunnel(len(head), b"\x16\x03")


def test_the_host_field_of_a_connect_is_judged_too_when_it_differs() -> None:
    played = play(Http1Stream, b"CONNECT a.example:443 HTTP/1.1\r\nHost: b.example\r\n\r\n")
    assert [(one.request.host, one.request.target) for one in played.asked] == [
        (b"b.example", b"a.example:443"),
        (b"b.example", None),
    ]


def test_the_protocol_may_change_after_the_body_of_an_upgrade() -> None:
    stream = Http1Stream()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n"
    stream.feed(0, head + b"ab")
    assert stream.decided == len(head) + 3
    stream.feed(len(head) + 2, b"cPRI")
    assert stream.tunnel == Tunnel(len(head) + 3, b"PRI")


def test_of_a_head_over_64_kb_what_is_known_is_judged() -> None:
    head = b"GET /long HTTP/1.1\r\nHost: a.example\r\nX: " + b"x" * MAX_HEAD
    for cuts in ((), (30, 1000, 60000)):
        played = play(Http1Stream, head, cuts)
        assert played.lines == [(b"GET", b"a.example", b"/long")]
        assert [one.end for one in played.asked] == [MAX_HEAD]
        assert played.decided == FOREVER
        assert "64" in played.why or "65536" in played.why


def test_a_host_after_the_first_64_kb_of_a_head_is_found() -> None:
    filler = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(90))
    head = b"GET /late HTTP/1.1\r\n" + filler + b"Host: evil.example\r\n\r\n"
    assert lines(head) == [(b"GET", b"", b"/late"), (b"GET", b"evil.example", b"/late")]


def test_a_request_line_over_64_kb_is_judged_by_its_beginning() -> None:
    played = play(Http1Stream, b"GET http://evil.example/" + b"x" * MAX_HEAD)
    (asked,) = played.asked
    assert asked.request.target is not None
    assert asked.request.target.startswith(b"http://evil.example/xxx")
    assert played.decided == FOREVER


@pytest.mark.parametrize(
    "said",
    [
        b"EHLO mail.example\r\n",
        b"HELO x",
        b"SSH-2.0-",
        b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n",
        b"USER anonymous\r\n",
        b"a001 LOGIN joe secret\r\n",
        b"NICK joe\r\n",
        b"QUIT\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET key\r\n",
        b"HEAD 17\r\n",
        b"OPTIONS rtsp://a.example/ RTSP/1.0\r\n",
        b"get key",
        b"\x00\x00\x00\x2f\xffSMB",
        b"\x03\x00\x00\x13\x0e\xe0",
        b"\x10\x1d\x00\x04MQTT",
        b'{"a": 1}',
        b"<?xml",
        b"\x80",
        b"a" * 33,
        b"CONNECTED\n",
    ],
)
def test_what_is_no_http_is_let_go_at_once(said: bytes) -> None:
    played = play(Http1Stream, said)
    assert (played.asked, played.decided) == ((), FOREVER)


@pytest.mark.parametrize("letters", [b"l", b"ls", b"M", b"xyz", b"HELO h"])
def test_letters_that_may_be_anything_are_not_held_back(letters: bytes) -> None:
    stream = Http1Stream()
    stream.feed(0, letters)
    assert stream.decided == (0 if letters == b"M" else len(letters))


@pytest.mark.parametrize("letters", [b"G", b"GE", b"GET", b"GET ", b"POST /x HTT", b"PROPF"])
def test_the_beginning_of_a_known_method_is_held_back(letters: bytes) -> None:
    stream = Http1Stream()
    assert stream.feed(0, letters) == []
    assert stream.decided == 0


@pytest.mark.parametrize(
    ("data", "requests"),
    [
        (b"GET /old\r\n", [(b"GET", b"", b"/old")]),
        (b"GET /old\r\nHost: a.example\r\n\r\n", [(b"GET", b"", b"/old"), (b"GET", b"a.example", b"/old")]),
        (b"GET http://a.example/\n", [(b"GET", b"", b"http://a.example/")]),
        (b"GET / FOO/9\r\n", [(b"GET", b"", b"/ FOO/9"), (b"GET", b"", b"/")]),
        (b"GET / HTTP/1.1\nHost: a.example\n\n", [(b"GET", b"a.example", b"/")]),
        (b"GET / http/1.1\r\nHost: a.example\r\n\r\n", [(b"GET", b"a.example", b"/")]),
        (b"GET\t/\tHTTP/1.1\r\nHost: a.example\r\n\r\n", [(b"GET", b"a.example", b"/")]),
        (b"GET   /x   HTTP/1.1   \r\nHost: a.example\r\n\r\n", [(b"GET", b"a.example", b"/x")]),
        (b"FROB /x HTTP/1.1\r\nHost: a.example\r\n\r\n", [(b"FROB", b"a.example", b"/x")]),
        (b"get /x HTTP/1.1\r\nHost: a.example\r\n\r\n", [(b"get", b"a.example", b"/x")]),
        (b"|GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n", [(b"GET", b"a.example", b"/x")]),
        (b"GET index.html HTTP/1.1\r\nHost: a.example\r\n\r\n", [(b"GET", b"a.example", b"index.html")]),
        (b"GET HTTP/1.1\r\nHost: a.example\r\n\r\n", [(b"GET", b"a.example", b"/")]),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", [(b"GET", b"a", b"/a b"), (b"GET", b"a", b"/a")]),
        (b"GET /x HTTP/3.7 \r\nHost : a\r\n\r\n", [(b"GET", b"a", b"/x")]),
        (b"GET / HTTP/1.1\r\n\x00Host: a\r\n\r\n", [(b"GET", b"a", b"/")]),
        (b"GET / HTTP/1.1\rHost: a\r\n\r\n", [(b"GET", b"a", b"/")]),
        (b"GET / HTTP/1.1\r\nX: y\r\n Host: a\r\n\r\n", [(b"GET", b"a", b"/")]),
        (b"GET / HTTP/1.1\r\nX: y\x0bHost: a\r\n\r\n", [(b"GET", b"a", b"/")]),
        (b"GET / HTTP/1.1\r\nHost: evil\x00good\r\n\r\n", [(b"GET", b"evil\x00good", b"/"), (b"GET", b"evil", b"/")]),
    ],
)  # fmt: skip
def test_what_is_not_perfect_is_read_as_lenient_servers_do(
    data: bytes, requests: list[tuple[bytes, bytes, bytes]]
) -> None:
    assert lines(data) == requests
    assert play(Http1Stream, data, range(len(data))).lines == requests


FIELD_NAMES = st.sampled_from([b"Accept", b"Cookie", b"X-Y", b"User-Agent", b"Connection", b"Hostile", b"Content-Type"])
FIELD_VALUES = st.binary(max_size=30).map(lambda value: bytes(33 + byte % 94 for byte in value))


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, tuple[bytes, bytes, bytes | None]]:
    """One perfect request, and what it asks for."""
    host = draw(st.sampled_from([b"a.example", b"b.example:8080", b"[2001:db8::1]", b"192.0.2.1"]))
    target = b"/" + draw(FIELD_VALUES)
    fields = [name + b": " + value for name, value in draw(st.lists(st.tuples(FIELD_NAMES, FIELD_VALUES), max_size=4))]
    fields.insert(draw(st.integers(0, len(fields))), b"Host: " + host)
    body = draw(st.binary(max_size=60))
    form = draw(st.sampled_from(["none", "length", "chunks"]))
    method = draw(st.sampled_from([b"POST", b"PUT", b"PATCH"])) if form == "chunks" else b"GET"
    if form == "length":
        method = draw(st.sampled_from([b"POST", b"PUT", b"PROPFIND"]))
        fields.append(b"Content-Length: %d" % len(body))
        content = body
    elif form == "chunks":
        fields.append(b"Transfer-Encoding: chunked")
        pieces = [body[at : at + 17] for at in range(0, len(body), 17)]
        content = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    else:
        content = b""
    head = b"\r\n".join([method + b" " + target + b" HTTP/1.1", *fields]) + b"\r\n\r\n"
    return head + content, (method, host, target)


@given(sent=st.lists(messages(), min_size=1, max_size=4), cuts=st.lists(st.integers(0, 600)), skip=st.booleans())
@settings(max_examples=200)
def test_any_split_of_a_valid_stream_shows_the_same(
    *, sent: list[tuple[bytes, tuple[bytes, bytes, bytes | None]]], cuts: list[int], skip: bool
) -> None:
    data = b"".join(message for message, _ in sent)
    whole = play(Http1Stream, data)
    assert whole.lines == [request for _, request in sent]
    assert whole.decided == len(data)
    assert play(Http1Stream, data, cuts, skip=skip) == whole


@given(st.lists(messages(), min_size=1, max_size=3))
def test_h11_reads_the_same_requests(sent: list[tuple[bytes, tuple[bytes, bytes, bytes | None]]]) -> None:
    data = b"".join(message for message, _ in sent)
    assert [(method, target) for method, _, target in lines(data)] == h11_requests(data)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_no_bytes_raise(data: bytes, cuts: list[int]) -> None:
    assert play(Http1Stream, data, cuts) == play(Http1Stream, data)


def h11_requests(data: bytes) -> list[tuple[bytes, bytes]]:
    """The requests that a strict server reads."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    found = []
    while (event := connection.next_event()) is not h11.NEED_DATA:
        if isinstance(event, h11.Request):
            found.append((event.method, event.target))
        if isinstance(event, h11.EndOfMessage):
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()
    return found
