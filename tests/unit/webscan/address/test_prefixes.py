"""Expressions: how many, which, in what order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.webscan.address import Address, expressions, host_suffixes, path_prefixes

LABELS = st.lists(st.sampled_from(["a", "b", "c1", "9"]), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("host", "suffixes"),
    [
        ("localhost", ("localhost",)),
        ("a.b", ("a.b",)),
        ("a.b.c", ("a.b.c", "b.c")),
        ("a.b.c.d.e", ("a.b.c.d.e", "b.c.d.e", "c.d.e", "d.e")),
        ("a.b.c.d.e.f", ("a.b.c.d.e.f", "b.c.d.e.f", "c.d.e.f", "d.e.f", "e.f")),
        ("x.a.b.c.d.e.f", ("x.a.b.c.d.e.f", "b.c.d.e.f", "c.d.e.f", "d.e.f", "e.f")),
        ("192.0.2.1", ("192.0.2.1",)),
        ("2001:db8::1", ("2001:db8::1",)),
    ],
)
def test_host_suffixes(host: str, suffixes: tuple[str, ...]) -> None:
    assert host_suffixes(host) == suffixes


def test_path_prefixes() -> None:
    assert path_prefixes("/", None) == ("/",)
    assert path_prefixes("/", "q") == ("/?q", "/")
    assert path_prefixes("/a/b", None) == ("/a/b", "/a/", "/")
    assert path_prefixes("/1/2/3/4/5", "q") == ("/1/2/3/4/5?q", "/1/2/3/4/5", "/1/2/3/", "/1/2/", "/1/", "/")
    assert path_prefixes("", None) == ()


def test_an_address_without_a_path_has_no_expression() -> None:
    assert expressions(Address("a.example", "")) == ()


def test_a_port_is_no_part_and_ipv6_is_in_brackets() -> None:
    assert expressions(Address("2001:db8::1", "/x", port=8080)) == ("[2001:db8::1]/x", "[2001:db8::1]/")


@given(LABELS.map(".".join), st.text(st.sampled_from("/ab"), max_size=12), st.none() | st.just("q"))
def test_bounds_and_order(host: str, path: str, query: str | None) -> None:
    suffixes = host_suffixes(host)
    prefixes = path_prefixes("/" + path, query)
    assert len(suffixes) <= 5
    assert len(prefixes) <= 6
    assert len(expressions(Address(host, "/" + path, query))) == len(suffixes) * len(prefixes) <= 30
    assert list(map(len, suffixes)) == sorted(map(len, suffixes), reverse=True)
    assert list(map(len, prefixes)) == sorted(map(len, prefixes), reverse=True)
    assert len(set(suffixes)) == len(suffixes)
    assert len(set(prefixes)) == len(prefixes)
    assert all(host.endswith(suffix) for suffix in suffixes)
