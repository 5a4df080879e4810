from client_streams import play
from hyperward.webscan.protocols.detect import client_stream
from hyperward.webscan.protocols.http1_hunt import Hunt
from hyperward.webscan.protocols.http1_line import read_line


def found(data: bytes, width: int = 1000) -> list[tuple[bytes, bytes | None, int]]:
    hunt = Hunt()
    asked = [one for at in range(0, len(data), width) for one in hunt.feed(at, data[at : at + width])]
    return [(one.request.host, one.request.target, one.end) for one in asked]


def test_heads_are_found_anywhere() -> None:
    data = b"\x00\xffjunkGET /a HTTP/1.1\r\nX: y\r\nHost: a.example\r\n\r\nmore {} POST /b HTTP/1.0\nhost:b.example\n\n"
    for width in (1, 7, 1000):
        assert found(data, width)[0] == (b"a.example", b"/a", data.index(b"more"))
        assert (b"b.example", b"/b", len(data)) in found(data, width)


def test_binary_data_keeps_little() -> None:
    hunt = Hunt()
    for at in range(0, 1 << 20, 1 << 16):
        assert hunt.feed(at, b"\x00" * (1 << 16)) == []
    assert len(hunt._tail) < 20000


def test_of_many_hosts_the_first_ones_and_the_last_one_count() -> None:
    fields = b"".join(b"Host: %d\r\n" % number for number in range(100))
    hosts = [host for host, _, _ in found(b"GET / HTTP/1.1\r\n" + fields + b"\r\n")]
    assert hosts == [b"0", b"1", b"2", b"3", b"99"]


def test_a_line_longer_than_servers_take_is_cut_at_its_begin() -> None:
    (one,) = found(b"GET /" + b"x" * 40000 + b" http://a.example/ HTTP/1.1\r\n\r\n", 999)
    assert one[1] is not None
    assert one[1].endswith(b"http://a.example/")
    assert len(one[1]) < 20000


def test_a_head_that_was_begun_is_gone_on_with() -> None:
    hunt = Hunt(read_line(b"GET /late HTTP/1.1"))
    assert hunt.tell(5)[0].request.target == b"/late"
    assert hunt.tell(6) == []
    assert [one.request.host for one in hunt.feed(10, b"X: y\r\nHost: a\r\n\r\n")] == [b"a"]


def test_a_tunnel_may_begin_after_an_empty_line_only() -> None:
    begin = b"GET / HTTP/1.1\r\nUpgrade: h2c\r"
    for end, opens in ((b"\n\r\n", True), (b"\n\n", True), (b"\r\n", False), (b"\rX", False)):
        hunt = Hunt()
        hunt.feed(0, begin + end)
        assert hunt.openings == ([len(begin + end)] if opens else [])


def test_a_carriage_return_before_the_empty_line_shows_the_same_in_any_split() -> None:
    data = b"POST /up HTTP/1.1\r\nContent-Length: GET\r\nUpgrade: h2c\r\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    data += b"\x00\x00\x09\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x04evil"
    assert play(lambda: client_stream(80), data, range(len(data))) == play(lambda: client_stream(80), data)
