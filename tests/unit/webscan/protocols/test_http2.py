import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from client_streams import play
from hyperward.webscan.protocols.http2 import MAX_HEAD, PREFACE, Http2Stream, block_response
from hyperward.webscan.protocols.http2_frame import Flag, FrameType, frame
from hyperward.webscan.protocols.model import Asked, Body, Finished, Request, WebProtocol
from hyperward.webscan.protocols.window import FOREVER

WHOLE = Flag.END_HEADERS | Flag.END_STREAM


def client() -> H2Connection:
    connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    connection.initiate_connection()
    return connection


def fields(
    host: str = "a.example", path: str = "/x?y", method: str = "GET", *more: tuple[str, str]
) -> list[tuple[str, str]]:
    return [(":method", method), (":scheme", "http"), (":authority", host), (":path", path), *more]


def head(listed: list[tuple[str, str]], stream: int = 1, flags: Flag = WHOLE) -> bytes:
    return frame(FrameType.HEADERS, flags, stream, Encoder().encode(listed))


def asked(data: bytes) -> list[tuple[bytes, bytes | None]]:
    return [(one.request.host, one.request.target) for one in play(Http2Stream, PREFACE + data).asked]


def test_a_request_has_its_stream_and_version() -> None:
    connection = client()
    connection.send_headers(1, fields(), end_stream=True)
    data = connection.data_to_send()
    (step,) = (step for step in Http2Stream().feed(0, data) if isinstance(step, Asked))
    assert step == Asked(Request(WebProtocol.HTTP, b"a.example", b"/x?y", b"GET", "2", 1), len(data))


def test_bodies_are_passed_over() -> None:
    connection = client()
    connection.send_headers(1, fields(method="POST"))
    before = connection.data_to_send()
    stream = Http2Stream()
    stream.feed(0, before)
    header = frame(FrameType.DATA, Flag(0), 1, bytes(16384))[:9]
    assert stream.feed(len(before), header) == [Body(len(before) + 9 + 16384)]
    assert stream.decided == len(before) + 9 + 16384
    later = len(before) + 9 + 16000
    rest = bytes(384) + head(fields("b.example"), 3)
    assert [step.request.host for step in stream.feed(later, rest) if isinstance(step, Asked)] == [b"b.example"]


def test_a_header_block_is_held_until_its_last_frame() -> None:
    block = Encoder().encode(fields())
    frames = (
        PREFACE
        + frame(FrameType.HEADERS, Flag.END_STREAM, 1, block[:4])
        + frame(FrameType.CONTINUATION, Flag(0), 1, block[4:9])
        + frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1, block[9:])
    )
    stream = Http2Stream()
    assert stream.feed(0, frames[:-1]) == []
    assert stream.decided == len(PREFACE)
    (step,) = stream.feed(len(frames) - 1, frames[-1:])
    assert isinstance(step, Asked)
    assert stream.decided == len(frames)


def test_the_table_is_kept_over_requests() -> None:
    connection = client()
    for stream, path in ((1, "/one"), (3, "/two"), (5, "/one")):
        connection.send_headers(stream, fields("long-name.example", path), end_stream=True)
    played = play(Http2Stream, connection.data_to_send())
    assert [(one.request.stream, one.request.host, one.request.target) for one in played.asked] == [
        (1, b"long-name.example", b"/one"),
        (3, b"long-name.example", b"/two"),
        (5, b"long-name.example", b"/one"),
    ]


@pytest.mark.parametrize(
    ("listed", "requests"),
    [
        (fields("a", "/p", "GET", ("host", "b")), [(b"a", b"/p"), (b"b", b"/p")]),
        (fields("a", "/p", "GET", ("host", "a")), [(b"a", b"/p")]),
        ([(":method", "GET"), (":path", "/p"), ("host", "b")], [(b"b", b"/p")]),
        ([(":method", "GET"), (":path", "/p")], [(b"", b"/p")]),
        ([(":method", "GET"), (":authority", "a")], [(b"a", b"/")]),
        ([(":method", "CONNECT"), (":authority", "a:443")], [(b"a:443", None)]),
        (fields("a", "/chat", "CONNECT", (":protocol", "websocket")), [(b"a", b"/chat")]),
        (fields("a", "/p", "GET", (":authority", "b"), (":path", "/q")),
         [(b"a", b"/p"), (b"a", b"/q"), (b"b", b"/p"), (b"b", b"/q")]),
        ([("x-checksum", "1")], []),
    ],
)  # fmt: skip
def test_every_host_and_path_that_a_server_may_take(
    listed: list[tuple[str, str]], requests: list[tuple[bytes, bytes | None]]
) -> None:
    assert asked(head(listed)) == requests


def test_padding_and_priority_are_taken_off() -> None:
    block = Encoder().encode(fields())
    flags = WHOLE | Flag.PADDED | Flag.PRIORITY
    assert asked(frame(FrameType.HEADERS, flags, 1, b"\x07" + bytes(5) + block + bytes(7))) == [(b"a.example", b"/x?y")]


@pytest.mark.parametrize(
    "frames",
    [
        frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, 1, bytes(4)),
        frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1, b"\x82"),
        frame(FrameType.HEADERS, Flag(0), 1, b"\x82") + frame(FrameType.DATA, Flag(0), 1, b""),
        frame(FrameType.HEADERS, Flag(0), 1, b"\x82") + frame(FrameType.CONTINUATION, Flag.END_HEADERS, 3, b"\x84"),
        frame(FrameType.HEADERS, WHOLE, 0, b"\x82"),
        frame(FrameType.HEADERS, WHOLE | Flag.PADDED, 1, b"\x09\x82"),
        frame(FrameType.HEADERS, WHOLE | Flag.PADDED, 1, b""),
        frame(FrameType.HEADERS, WHOLE | Flag.PRIORITY, 1, b"\x00"),
        frame(FrameType.HEADERS, WHOLE, 1, b"\x80"),
        frame(FrameType.HEADERS, WHOLE, 1, b"\xbe"),
        frame(FrameType.HEADERS, WHOLE, 1, b"\x00\x05ab"),
        frame(FrameType.HEADERS, WHOLE, 1, b"\xff\xff\xff\xff\xff\xff\xff"),
        frame(FrameType.HEADERS, WHOLE, 1, b"\x3f\xff\xff\x7f"),
        frame(FrameType.HEADERS, WHOLE, 1, b"\x00\x81\x00\x00"),
    ],
)
def test_what_no_server_goes_on_after_ends_the_stream(frames: bytes) -> None:
    data = PREFACE + frames + head(fields(), 5)
    for cuts in ((), range(len(data))):
        played = play(Http2Stream, data, cuts)
        assert (played.asked, played.decided, played.why != "") == ((), FOREVER, True)


def test_without_a_preface_nothing_is_awaited() -> None:
    assert Http2Stream().feed(0, b"PRI * HTTP/2.0\r\nX") == [Finished("no HTTP/2 preface")]


def test_a_block_that_unpacks_to_much_is_not_unpacked() -> None:
    bomb = b"\x40\x01a\x7f\x80\x1d" + b"x" * 3967 + b"\xbe" * 16000
    played = play(Http2Stream, PREFACE + frame(FrameType.HEADERS, WHOLE, 1, bomb))
    assert played.why == "a header block that does not unpack: OversizedHeaderListError"


@pytest.mark.parametrize("piece", [b"", b"\x00\x01x\x01y"])
def test_endless_continuations_end_the_stream(piece: bytes) -> None:
    flood = frame(FrameType.CONTINUATION, Flag(0), 1, piece) * (MAX_HEAD // 9)
    played = play(Http2Stream, PREFACE + frame(FrameType.HEADERS, Flag(0), 1, b"\x82") + flood)
    assert played.why == f"a header block over {MAX_HEAD} bytes"


def test_a_header_frame_over_64_kb_is_not_awaited() -> None:
    played = play(Http2Stream, PREFACE + frame(FrameType.HEADERS, Flag(0), 1, bytes(MAX_HEAD))[:9])
    assert played.decided == FOREVER


HOSTS = st.from_regex(r"[a-z]{1,12}\.example", fullmatch=True)
PATHS = st.from_regex(r"/[!-~]{0,40}", fullmatch=True)
MORE = st.lists(
    st.tuples(st.from_regex(r"x-[a-z]{1,8}", fullmatch=True), st.from_regex(r"[a-z0-9]{1,60}", fullmatch=True)),
    max_size=5,
)


@given(
    sent=st.lists(st.tuples(HOSTS, PATHS, MORE, st.binary(max_size=50)), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 900)),
    skip=st.booleans(),
)
def test_any_split_of_a_valid_stream_shows_the_same(
    *, sent: list[tuple[str, str, list[tuple[str, str]], bytes]], cuts: list[int], skip: bool
) -> None:
    connection = client()
    for number, (host, path, more, body) in enumerate(sent):
        stream = 2 * number + 1
        connection.send_headers(stream, fields(host, path, "POST", *more))
        connection.send_data(stream, body, end_stream=True, pad_length=number or None)
    data = connection.data_to_send()
    whole = play(Http2Stream, data)
    assert [(one.request.host, one.request.target) for one in whole.asked] == [
        (host.encode(), path.encode()) for host, path, _, _ in sent
    ]
    assert whole.decided == len(data)
    assert play(Http2Stream, data, cuts, skip=skip) == whole


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_no_bytes_raise(data: bytes, cuts: list[int]) -> None:
    assert play(Http2Stream, PREFACE + data, cuts) == play(Http2Stream, PREFACE + data)


@pytest.mark.parametrize("settings_needed", [True, False])
@pytest.mark.parametrize("length", [0, 5, 16384, 16385, 65535, 70000])
def test_a_client_reads_the_block_page(*, length: int, settings_needed: bool) -> None:
    connection = client()
    connection.send_headers(1, fields(), end_stream=True)
    if not settings_needed:
        connection.receive_data(frame(FrameType.SETTINGS, Flag(0), 0, b""))
    page = b"p" * length
    events = connection.receive_data(block_response(1, page, settings_needed=settings_needed))
    (response,) = (event for event in events if isinstance(event, ResponseReceived))
    received = dict(response.headers or [])
    assert received[b":status"] == b"403"
    assert received[b"content-type"] == b"text/html; charset=utf-8"
    assert received[b"content-length"] == b"%d" % min(length, 65535)
    assert b"".join(event.data or b"" for event in events if isinstance(event, DataReceived)) == page[:65535]
    assert any(isinstance(event, StreamEnded) for event in events)
    assert events[-1].__class__.__name__ == "ConnectionTerminated"
