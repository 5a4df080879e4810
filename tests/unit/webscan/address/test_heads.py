"""Request heads of every form, honest and hostile."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.webscan.address import Address, AddressError, canonical, from_request
from hyperward.webscan.address.host import MAX_LENGTH


@pytest.mark.parametrize(
    ("host", "target", "wanted"),
    [
        (b"a.example", b"/", Address("a.example")),
        (b"a.example", b"", Address("a.example")),
        (b"a.example", b"/x?", Address("a.example", "/x", "")),
        (b"a.example", b"/x?y=1", Address("a.example", "/x", "y=1")),
        (b"A.Example:80", b"/x", Address("a.example", "/x")),
        (b"a.example:8080", b"/x", Address("a.example", "/x", port=8080)),
        (b" a.example ", b"/x", Address("a.example", "/x")),
        (b"a.example:evil", b"/x", Address("a.example", "/x")),
        (b"a.example:99999", b"/x", Address("a.example", "/x")),
        (b"user@a.example", b"/x", Address("a.example", "/x")),
        (b"[2001:db8::1]:8080", b"/x", Address("2001:db8::1", "/x", port=8080)),
        (b"2001:db8::1", b"/x", Address("2001:db8::1", "/x")),
        (b"0x7f000001", b"/x", Address("127.0.0.1", "/x")),
        (b"a.example", b"x/y", Address("a.example", "/x/y")),
        (b"a.example", b"?q", Address("a.example", "/", "q")),
        (b"a.example", b"//b.example/x", Address("a.example", "/b.example/x")),
        (b"a.example", b"/x#y", Address("a.example", "/x")),
        (b"a.example", b"/%2e%2e/x", Address("a.example", "/x")),
        (b"a.example", b"\\x\\y", Address("a.example", "/x/y")),
        (b"a.example", b"http://b.example/x?y", Address("b.example", "/x", "y")),
        (b"", b"HTTP://b.example:8080/x", Address("b.example", "/x", port=8080)),
        (b"a.example", b"b.example:443", Address("b.example", "")),
        (b"a.example", b"b.example:8443", Address("b.example", "", port=8443)),
        (b"", b"[2001:db8::1]:443", Address("2001:db8::1", "")),
        (b"a.example", b"*", Address("a.example", "")),
        (b"a.example:81", b"*", Address("a.example", "", port=81)),
        (b"a.example", None, Address("a.example", "")),
        (b"A.EXAMPLE.", None, Address("a.example", "")),
        (b"xn--bcher-kva.example", None, Address("xn--bcher-kva.example", "")),
        (b"\xff\x00.example", b"/", Address("%FF%00.example")),
    ],
)
def test_forms(host: bytes, target: bytes | None, wanted: Address) -> None:
    assert from_request(host, target) == wanted


@pytest.mark.parametrize(
    ("host", "target"),
    [
        (b"", b"/"),
        (b"...", b"/"),
        (b":80", b"/"),
        (b"", None),
        (b"", b"*"),
        (b"a.example", b"http:///"),
        (b"a.example", b"/" * (MAX_LENGTH + 1)),
        (b"a." * MAX_LENGTH + b"example", None),
        (b"a" * (MAX_LENGTH + 1), b"/"),
    ],
)
def test_no_host_and_too_much_are_refused(host: bytes, target: bytes | None) -> None:
    with pytest.raises(AddressError):
        from_request(host, target)


@given(st.binary(max_size=40), st.none() | st.binary(max_size=60))
@settings(max_examples=1500, deadline=None)
def test_any_bytes_give_an_address_or_an_address_error(host: bytes, target: bytes | None) -> None:
    try:
        address = from_request(host, target)
    except AddressError:
        return
    assert str(address).isascii()
    assert canonical(str(address)).host == address.host


@given(st.text(st.sampled_from("abAB.%2e/\\?&=#"), max_size=30))
@settings(max_examples=500, deadline=None)
def test_a_head_and_the_whole_address_give_the_same(target: str) -> None:
    assert from_request(b"a.example", b"/" + target.encode()) == canonical(f"http://a.example/{target}")
