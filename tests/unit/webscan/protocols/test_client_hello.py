"""The names in a ClientHello, and whether another one is hidden."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hellos import ECH, ESNI, client_hello
from hyperward.webscan.protocols.client_hello import ClientHello, parse_client_hello
from hyperward.webscan.protocols.model import Request, WebProtocol


@pytest.mark.parametrize(
    "name",
    [b"www.example.com", b"www.example.com.", b"EXAMPLE.com", b"", b"a\0b.example", b"192.0.2.1", b"[::1]", b"\xff"],
)
def test_a_name_is_kept_as_written(name: bytes) -> None:
    assert parse_client_hello(client_hello(name)).names == (name,)


def test_without_a_name_there_is_one_request_without_host() -> None:
    hello = parse_client_hello(client_hello(None))
    assert hello == ClientHello(())
    assert hello.requests(WebProtocol.TLS) == (Request(WebProtocol.TLS, host=b""),)


def test_all_names_of_a_list_and_of_a_second_extension_are_given_once() -> None:
    second = (0, b"\0\x0d\0\0\x0ac.example.\0")
    message = client_hello("a.example", names=[b"b.example", b"a.example"], extensions=[second])
    hello = parse_client_hello(message)
    assert hello.names == (b"a.example", b"b.example", b"c.example.")
    assert [request.host for request in hello.requests(WebProtocol.QUIC)] == list(hello.names)


def test_a_list_of_thousands_of_names_yields_few() -> None:
    assert len(parse_client_hello(client_hello("a", names=[b"%d" % number for number in range(5000)])).names) == 8


def test_a_name_of_another_type_is_skipped() -> None:
    message = client_hello(None, extensions=[(0, b"\0\x0c\x07\0\x03abc\0\0\x03xyz")])
    assert parse_client_hello(message).names == (b"xyz",)


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\x05", b"\0\x05\0\xff\xffabc"])
def test_a_broken_name_list_yields_no_name(data: bytes) -> None:
    assert parse_client_hello(client_hello(None, extensions=[(0, data)])).names == ()


def test_extensions_are_read_up_to_the_break() -> None:
    message = client_hello("a.example")
    broken = message[:1] + (len(message) - 4 + 4).to_bytes(3, "big") + message[4:] + b"\0\0\xff\xff"
    assert parse_client_hello(broken).names == (b"a.example",)


@pytest.mark.parametrize("size", [1200, 1800, 2500, 16000, 65000])
def test_a_large_hello(size: int) -> None:
    message = client_hello("a.example", post_quantum=size > 1500, size=size)
    assert len(message) == size
    assert parse_client_hello(message).names == (b"a.example",)


@pytest.mark.parametrize(
    "message", [b"", b"\x01", b"\x02\0\0\0", b"\x01\0\0\x05abc", b"\x01\0\0\0", b"\x01\0\0\x23" + bytes(35)]
)
def test_what_is_no_complete_hello_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match="ClientHello"):
        parse_client_hello(message)


def test_every_cut_of_a_hello_is_refused() -> None:
    message = client_hello("a.example")
    for size in range(len(message)):
        with pytest.raises(ValueError, match="ClientHello"):
            parse_client_hello(message[:size])


def test_a_random_encrypted_hello_of_a_browser_is_not_said_to_hide_a_name() -> None:
    assert not parse_client_hello(client_hello("www.example.com", encrypted=True)).hides_name


@pytest.mark.parametrize("name", ["cloudflare-ech.com", "Cloudflare-ECH.com.", "cover.defo.ie"])
def test_an_encrypted_hello_to_a_public_name_hides_a_name(name: str) -> None:
    hello = parse_client_hello(client_hello(name, encrypted=True))
    assert hello.hides_name
    assert [request.encrypted_hello for request in hello.requests(WebProtocol.TLS)] == [True]
    assert not parse_client_hello(client_hello(name)).hides_name


def test_the_older_encrypted_name_hides_a_name() -> None:
    assert parse_client_hello(client_hello(None, extensions=[(ESNI, bytes(300))])).hides_name


def test_a_public_name_as_a_second_one_counts_too() -> None:
    assert parse_client_hello(client_hello("a", names=[b"cloudflare-ech.com"], extensions=[(ECH, b"\0")])).hides_name


def test_early_data() -> None:
    assert parse_client_hello(client_hello("a", extensions=[(42, b"")])).early_data
    assert not parse_client_hello(client_hello("a")).early_data


@given(st.binary(max_size=300))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    for message in (data, b"\x01" + max(len(data) - 4, 0).to_bytes(3, "big") + data[4:]):
        try:
            hello = parse_client_hello(message)
        except ValueError:
            continue
        assert sum(map(len, hello.names)) <= len(message)


@given(st.data())
def test_changed_bytes_of_a_hello_are_read_or_refused(data: st.DataObject) -> None:
    message = bytearray(client_hello("a.example", encrypted=True))
    for _ in range(data.draw(st.integers(1, 6))):
        message[data.draw(st.integers(4, len(message) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        parse_client_hello(bytes(message))
