"""Fuzz target: web addresses as lists and people write them, and as requests carry them."""

import re
from collections.abc import Callable

from hyperward.webscan.address import Address, AddressError, canonical, canonical_host, expressions, from_request
from hyperward.webscan.address.host import MAX_LENGTH
from hyperward.webscan.address.prefixes import HOST_SUFFIXES, PATH_PREFIXES

_HOST = re.compile(r"[!-.0-9;<=>@A-Z\[-~:]+")
_MORE = re.compile(rb"[:@\s]")
"""Signs by which the Host field has more than a host."""
_WRITTEN = re.compile(r"[!-~]*")
_LONGEST_ESCAPE = 3
_LONGEST_MAPPED = 64
"""Characters that one byte of a host may become: some code points map to whole words, and Punycode writes deltas."""

TOKENS = (
    b"%25",
    b"%2e",
    b"%2F",
    b"%00",
    b"%zz",
    b"/../",
    b"/./",
    b"//",
    b"\\",
    b"?",
    b"#",
    b"@",
    b":",
    b":80",
    b":99999",
    b"[",
    b"]",
    b"..",
    b"http://",
    b"https:\\\\",
    b"javascript:",
    b"xn--",
    b"0x7f",
    b"\xc3\x9f",
    b"\xe3\x80\x82",
    b"\xef\xbc\x85",
    b"\xe2\x84\xa2",
    b"\xcc\x81",
    b"\xf0\x9f\x98\x80",
    b"\x80",
)
SEEDS = (
    b"http://www.example.com/a/b/c.html?x=1&y=2#z",
    b"https://user:pass@Sub.EXAMPLE.com:8443/%7Efoo/%2e%2e/bar//baz/./?q=%20",
    b"b\xc3\xbccher.example/stra\xc3\x9fe",
    b"http://3279880203/blah",
    b"http://0x7f.1/ http://017700000001",
    b"[2001:db8::1]:8080/path",
    b"http://[::ffff:192.0.2.1]/",
    b"2001:db8::1/x",
    b"a.b.c.d.e.f.g.example/1/2/3/4/5/6/7.ext?param=1/2",
    b"http://\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88/%E4%BE%8B",
    b"http://host%23.com/%257Ea%2521b%2540c%2523d%2524e%25f%255E",
    b"example.com\n/index.html?a=b",
    b"www.example.com:443\n",
    b"a.example\nhttp://b.example/evil?x",
    b"xn--bcher-kva.example..\n*",
)


def target(data: bytes) -> None:
    """Read the bytes as an address and, cut at a newline, as host and target; what comes out is canonical."""
    for address in _addresses(data):
        _check(address, len(data))
    host, newline, rest = data.partition(b"\n")
    if newline and rest.startswith(b"/") and not _MORE.search(host):
        _check_same_host(host, rest)


def _check_same_host(host: bytes, target: bytes) -> None:
    """Raise when the canonical form of a host without port and user is not asked for like itself."""
    try:
        name = canonical_host(host)
    except AddressError:
        return
    if from_request(host, target) != from_request(name.encode(), target):
        raise AssertionError(f"{host!r} and {name!r} give other addresses")


def _addresses(data: bytes) -> list[Address]:
    host, newline, rest = data.partition(b"\n")
    found = []
    readers: tuple[Callable[[], Address], ...] = (
        lambda: canonical(data),
        lambda: canonical(data.decode("utf-8", "surrogateescape")),
        lambda: from_request(host, rest if newline else None),
        lambda: from_request(host, data),
    )
    for read in readers:
        try:
            found.append(read())
        except AddressError as error:
            if not str(error).isprintable():
                raise AssertionError("the refusal shows what cannot be printed") from error
    return found


def _check(address: Address, size: int) -> None:
    if not _HOST.fullmatch(address.host) or address.host != canonical_host(address.host):
        raise AssertionError(f"{address.host!r} is not canonical")
    if not _WRITTEN.fullmatch(address.path + (address.query or "")):
        raise AssertionError(f"{address} is not printable ASCII")
    if len(address.host) > _LONGEST_MAPPED * (size + 1) or len(str(address)) > MAX_LENGTH * _LONGEST_ESCAPE:
        raise AssertionError(f"{size} bytes become {len(str(address))}")
    if address.port is not None and not 0 <= address.port < 1 << 16:
        raise AssertionError(f"{address.port} is no port")
    texts = expressions(address)
    if len(texts) > HOST_SUFFIXES * PATH_PREFIXES or len(set(texts)) != len(texts):
        raise AssertionError(f"{len(texts)} expressions, or one twice: {texts}")
    if not address.path:
        if texts:
            raise AssertionError("expressions of an address without a path")
        return
    again = canonical(f"http://{address}")
    if (again.host, again.path, again.query) != (address.host, address.path, address.query):
        raise AssertionError(f"the canonical form of {address} is {again}")
    if expressions(again) != texts:
        raise AssertionError(f"other expressions for {address}")
