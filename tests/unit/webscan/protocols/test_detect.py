import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from hypothesis import given
from hypothesis import strategies as st

from client_streams import Played, play
from hellos import client_hello, records
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.protocols.http2 import PREFACE
from hyperward.webscan.protocols.model import Asked, Finished, WebProtocol
from hyperward.webscan.protocols.window import FOREVER

HTTP1 = b"GET / HTTP/1.1\r\nHost: http1.example\r\n\r\n"
TLS = records(client_hello("tls.example"))
DNS = b"\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03dns\x07example\x00\x00\x01\x00\x01"
CONNECT = b"CONNECT proxy.example:443 HTTP/1.1\r\nHost: proxy.example:443\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: upgrade.example\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


def http2() -> bytes:
    connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    connection.initiate_connection()
    listed = [(":method", "GET"), (":scheme", "http"), (":authority", "http2.example"), (":path", "/")]
    connection.send_headers(1, listed, end_stream=True)
    return connection.data_to_send()


HTTP2 = http2()


def detected(data: bytes, port: int = 8080) -> Played:
    played = play(lambda: client_stream(port), data)
    assert play(lambda: client_stream(port), data, range(len(data)), skip=True) == played
    return played


@pytest.mark.parametrize("port", [53, 80, 443, 31337])
@pytest.mark.parametrize(
    ("data", "name", "protocol"),
    [
        (HTTP1, b"http1.example", WebProtocol.HTTP),
        (HTTP2, b"http2.example", WebProtocol.HTTP),
        (TLS, b"tls.example", WebProtocol.TLS),
        (DNS, b"dns.example", WebProtocol.DNS),
        (b"\r\n\r\n" + HTTP1, b"http1.example", WebProtocol.HTTP),
        (b"PUT /a HTTP/1.0\nHost: put.example\n\n", b"put.example", WebProtocol.HTTP),
        (b"PRI /a HTTP/1.0\r\nHost: pri.example\r\n\r\n", b"pri.example", WebProtocol.HTTP),
    ],
)  # fmt: skip
def test_every_protocol_is_told_on_every_port(data: bytes, name: bytes, protocol: WebProtocol, port: int) -> None:
    asked = detected(data, port).asked
    assert [(one.request.host, one.request.protocol) for one in asked] == [(name, protocol)]


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (CONNECT + TLS, [b"proxy.example:443", b"tls.example"]),
        (CONNECT + HTTP1, [b"proxy.example:443", b"http1.example"]),
        (CONNECT + HTTP2, [b"proxy.example:443", b"http2.example"]),
        (CONNECT + CONNECT + HTTP1, [b"proxy.example:443", b"proxy.example:443", b"http1.example"]),
        (CONNECT + DNS, [b"proxy.example:443", b"dns.example"]),
        (UPGRADE + HTTP2, [b"upgrade.example", b"http2.example"]),
        (UPGRADE + HTTP1 + UPGRADE + TLS, [b"upgrade.example", b"http1.example", b"upgrade.example", b"tls.example"]),
    ],
)
def test_after_a_connect_or_an_upgrade_it_is_told_anew(data: bytes, names: list[bytes]) -> None:
    assert detected(data).names == names


UNCLEAR = b"GET / HTTP/1.1\nHost: a\n\n"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (CONNECT.replace(b"\r", b"") + TLS, b"tls.example"),
        (CONNECT.replace(b"\r", b"") + b"{}" + HTTP1, b"http1.example"),
        (CONNECT.replace(b"\r\n\r\n", b"\r\nContent-Length: 7\r\n\r\n") + TLS, b"tls.example"),
        (UNCLEAR + CONNECT + TLS, b"tls.example"),
        (UNCLEAR + UPGRADE + HTTP2, b"http2.example"),
        (UNCLEAR + UPGRADE + PREFACE + b"rubbish" + HTTP1, b"http1.example"),
        (UNCLEAR + UPGRADE + HTTP1.replace(b"\r\n\r\n", b"\r\nContent-Length: 9999\r\n\r\n") * 2, b"http1.example"),
        (UNCLEAR + UPGRADE * 3 + HTTP2, b"http2.example"),
    ],
)
def test_where_the_framing_is_unclear_a_tunnel_is_followed_beside_it(data: bytes, name: bytes) -> None:
    played = detected(data)
    assert name in played.names
    assert played.decided == len(data)


def test_offsets_count_from_the_start_of_the_connection() -> None:
    played = detected(CONNECT + UPGRADE + HTTP2)
    ends = [one.end for one in played.asked]
    assert ends == [len(CONNECT), len(CONNECT + UPGRADE), len(CONNECT + UPGRADE + HTTP2)]
    assert played.decided == len(CONNECT + UPGRADE + HTTP2)


def test_after_a_head_that_opens_a_tunnel_nothing_is_held() -> None:
    stream = client_stream(3128)
    stream.feed(0, CONNECT)
    assert stream.decided == len(CONNECT)
    assert [type(step) for step in stream.feed(len(CONNECT), b"SSH-2.0-x\r\n")] == [Finished]
    assert stream.decided == FOREVER


def test_frames_of_a_websocket_end_the_stream() -> None:
    played = detected(UPGRADE.replace(b"h2c", b"websocket") + b"\x81\x85abcd12345")
    assert (played.names, played.decided) == ([b"upgrade.example"], FOREVER)


def test_thousands_of_tunnels_in_one_packet_are_followed() -> None:
    data = b"CONNECT a:1 HTTP/1.1\r\n\r\n" * 2500 + HTTP1
    assert len(play(lambda: client_stream(80), data).asked) == 2501


@pytest.mark.parametrize("port", [25, 53])
@pytest.mark.parametrize(
    "said",
    [
        b"EHLO x",
        b"SSH-2.0-",
        b"\x00\x00\x00\x2f\xffSMB",
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
        b"\x03\x00\x00\x13\x0e\xe0",
        b"\xff\xfb\x1f",
        b"\x13",
    ],
)
def test_what_is_none_of_them_is_let_go(said: bytes, port: int) -> None:
    if port == 53 and len(said) < 14:
        said = said.ljust(14, b"\xff")  # a DNS header may begin with anything
    played = detected(said, port)
    assert (played.asked, played.decided) == ((), FOREVER)


@pytest.mark.parametrize("prefix", [b"\x00", b"\x00\x1d", DNS[:10], b"\x16", b"P", PREFACE[:-1], b"GET / HTTP/1.1\r\n"])
def test_a_beginning_that_does_not_tell_is_held(prefix: bytes) -> None:
    stream = client_stream(443)
    assert stream.feed(0, prefix) == []
    assert stream.decided == 0


def test_a_gap_ends_the_stream() -> None:
    for begin in (b"", b"P", HTTP1, TLS[:20]):
        stream = client_stream(80)
        stream.feed(0, begin)
        assert [type(step) for step in stream.feed(len(begin) + 1, b"x")] == [Finished]
        assert stream.decided == FOREVER


def test_bytes_that_came_before_are_not_read_twice() -> None:
    stream = client_stream(80)
    assert stream.feed(0, b"PUT / HT") == []
    assert [type(step) for step in stream.feed(4, b"/ HTTP/1.1\r\nHost: a\r\n\r\n")] == [Asked]
    assert stream.feed(0, b"PUT / HTTP/1.1\r\nHost: b\r\n\r\n"[:20]) == []


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)), st.sampled_from([53, 80]))
def test_no_bytes_raise(data: bytes, cuts: list[int], port: int) -> None:
    assert play(lambda: client_stream(port), data, cuts) == play(lambda: client_stream(port), data)
