"""Canonical addresses: what each part becomes, what is refused, and what holds for every input."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hyperward.webscan.address import Address, AddressError, canonical, canonical_host
from hyperward.webscan.address.host import MAX_LENGTH


def full_width(text: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) for sign in text)


SIGNS = st.sampled_from(
    [*"aZ09.-_~/\\?#@:;%[]&= \t\r\n\x00\x7f", "%2e", "%25", "%2F", "..", "//", "é", "\uff05", "。", "ﷺ"]
)
HOSTILE = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=40),
    st.lists(SIGNS, max_size=25).map("".join),
    st.lists(SIGNS, max_size=25).map(lambda signs: "http://" + "".join(signs)),
)


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("EXAMPLE.Com.", "example.com"),
        ("..a...b..", "a.b"),
        ("b%C3%BCcher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("☃.example", "xn--n3h.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("example。com", "example.com"),
        ("under_score.example", "under_score.example"),
        ("0x7f.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x", "0.0.0.0"),
        ("1.2.3", "1.2.0.3"),
        (full_width("0Xc0.0250.01"), "192.168.0.1"),
        ("01.02.03.04", "1.2.3.4"),
        ("256.1.1.1", "256.1.1.1"),
        ("08.1.1.1", "08.1.1.1"),
        ("1.2.3.4.5", "1.2.3.4.5"),
        ("4294967296", "4294967296"),
        ("[2001:DB8:0:0::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[::ffff:1.2.3.4]", "1.2.3.4"),
        ("[::ffff:102:304]", "1.2.3.4"),
        ("[64:ff9b::102:304]", "1.2.3.4"),
        ("[fe80::1%25eth0]", "fe80::1"),
        ("::1.2.3.4", "::102:304"),
        ("[:::]", "%5B%3A%3A%3A%5D"),
        ("a b", "a%20b"),
        ("a\uff0541", "a%EF%BC%8541"),
        ("a℀b.example", "a%E2%84%80b.example"),
    ],
)
def test_host(written: str, host: str) -> None:
    assert canonical_host(written) == host
    assert canonical_host(written.encode()) == host
    assert canonical_host(host) == host


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("http://user:pw@a.example/x", Address("a.example", "/x")),
        ("http://good.example@evil.example", Address("evil.example")),
        ("http://evil.example\\@good.example", Address("evil.example", "/@good.example")),
        ("http:\\\\a.example\\b\\..\\c", Address("a.example", "/c")),
        ("http:a.example/x", Address("a.example", "/x")),
        ("http:9/x", Address("http", "/x", port=9)),
        ("http:2130706433/x", Address("127.0.0.1", "/x")),
        ("https:////a.example/x", Address("a.example", "/x")),
        ("HTTP://a.example:80/", Address("a.example")),
        ("https://a.example:443", Address("a.example")),
        ("https://a.example:80", Address("a.example", port=80)),
        ("a.example:80", Address("a.example", port=80)),
        ("a.example:/x", Address("a.example", "/x")),
        ("http://a.example:00443/", Address("a.example", port=443)),
        ("http://[2001:db8::1]:8080/x", Address("2001:db8::1", "/x", port=8080)),
        ("2001:db8::1/x", Address("2001:db8::1", "/x")),
        ("fe80::1", Address("fe80::1")),
        ("a.example?q", Address("a.example", "/", "q")),
        ("a.example/%3Fq=1", Address("a.example", "/", "q=1")),
        ("a.example/a%2F%2e%2E%2fb", Address("a.example", "/b")),
        ("a.example/a//../b", Address("a.example", "/a/b")),
        ("a.example/a/..", Address("a.example", "/")),
        ("a.example/a/.", Address("a.example", "/a/")),
        ("a.example/.../x", Address("a.example", "/.../x")),
        ("a.example/%E2%82%AC", Address("a.example", "/%E2%82%AC")),
        ("a.example/€", Address("a.example", "/%E2%82%AC")),
        ("a.example/x?a=%2e./b%00", Address("a.example", "/x", "a=../b%00")),
        ("a.example/x?", Address("a.example", "/x", "")),
        ("\x00 a.example/x \x1f", Address("a.example", "/x")),
        ("h\tt\ntp://a.exa\rmple/x", Address("a.example", "/x")),
        ("a%2Fb.example/", Address("a%2Fb.example")),
    ],
)
def test_address(written: str, wanted: Address) -> None:
    assert canonical(written) == wanted
    assert canonical(written.encode()) == wanted


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("", "there is no host"),
        ("http://", "there is no host"),
        ("/path", "there is no host"),
        ("http://.../x", "there is no host"),
        ("mailto:someone@a.example", "the scheme mailto has no host; write a web address"),
        ("javascript:alert(1)", "the scheme javascript has no host"),
        ("data:text/html,x", "the scheme data has no host"),
        ("blob:https://a.example/x", "the scheme blob has no host"),
        ("http://a.example:8x/", "a.example:8x: what follows the host is not a port; write HOST:NUMBER"),
        ("http://a.example:65536/", "the port is above 65535"),
        ("http://a.example:" + "9" * 400, "the port is above 65535"),
        ("http://a.example/" + "x" * MAX_LENGTH, "bytes, more than 65536"),
        ("a.example/" + "x" * MAX_LENGTH, "bytes, more than 65536"),
    ],
)
def test_refusals_say_what_and_where(written: str, what: str) -> None:
    with pytest.raises(AddressError) as raised:
        canonical(written)
    assert what in raised.value.line()
    assert len(raised.value.line()) < 200


def test_a_text_of_hostile_bytes_is_shown_printable() -> None:
    with pytest.raises(AddressError) as raised:
        canonical(b"a\x1b[2J\xff\n\xe2\x80\xae:x" + b":" * 100)
    assert raised.value.line().isprintable()


def test_escapes_within_escapes_end_in_linear_time() -> None:
    nested = "%" + "25" * 30_000
    assert canonical(f"a.example/{nested}").path == "/%25"
    assert canonical(f"a.example/{nested}41").path == "/A"
    assert canonical("a.example/" + "%25" * 20_000 + "41").path.endswith("%25A")


@given(HOSTILE)
@settings(max_examples=1500, deadline=None)
@example("http://[.::1]/")
@example("%2525252e%2e")
def test_only_an_address_error_and_the_canonical_form_is_stable(written: str | bytes) -> None:
    try:
        address = canonical(written)
    except AddressError:
        return
    size = len(written if isinstance(written, bytes) else written.encode("utf-8", "replace"))
    text = str(address)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= 18 * size + 10
    assert canonical(text) == address
    assert canonical(text.encode()) == address
    assert canonical_host(address.host) == address.host
    assert "//" not in address.path
    assert address.path.startswith("/")


@given(st.binary(max_size=50) | st.text(max_size=50) | st.lists(SIGNS, max_size=20).map("".join))
@settings(max_examples=1000, deadline=None)
def test_a_host_is_stable_and_has_no_sign_that_ends_it(written: str | bytes) -> None:
    try:
        host = canonical_host(written)
    except AddressError:
        return
    assert canonical_host(host) == host
    assert not set(host) & set("/?#@[]\\ ")
    assert host == host.strip(".")


def test_the_longest_texts() -> None:
    for text in (b"a." * 32_768, b"%" * 65_536, b"/" * 65_536, b"h/" + b"../" * 21_000, b"\xc3\xa9" * 32_768):
        try:
            address = canonical(text)
        except AddressError:
            continue
        assert len(str(address)) <= 3 * len(text) + 2
        assert canonical_host(address.host[:MAX_LENGTH])
