"""Masks: what they stand for, what is refused and where, and that a set of them answers as each one would."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.webscan.address import Address, canonical
from hyperward.webscan.masks import AddressMask, MaskSet, parse_mask


@pytest.mark.parametrize(
    ("mask", "met", "not_met"),
    [
        (
            "Example.com",
            ["example.com", "www.example.com/x", "http://EXAMPLE.com:8080/a?b"],
            ["a.example.com", "example.com.org", "ww.example.com", "notexample.com"],
        ),
        (
            "*.example.com",
            ["a.example.com", "www.example.com", "a.b.c.d.e.f.g.example.com/x"],
            ["example.com", "aexample.com"],
        ),
        ("example.com/*", ["example.com/x", "www.example.com"], ["a.example.com"]),
        (
            "example.com/path/*",
            ["example.com/path/", "www.example.com/path/a/b?c", "example.com/%70ath/x"],
            ["example.com/path", "example.com/pathx/", "example.com/", "a.example.com/path/"],
        ),
        ("example.com/a b/*".replace(" ", "%20"), ["example.com/a%20b/c"], ["example.com/ab/c"]),
        ("example.com/path", ["example.com/path", "example.com/path?x=1"], ["example.com/path/", "example.com/"]),
        ("example.com/path?x=1", ["example.com/path?x=1"], ["example.com/path", "example.com/path?x=2"]),
        ("example.com?x", ["example.com/?x"], ["example.com/"]),
        ("*.example.com/a/b/*", ["x.example.com/a/b/c"], ["example.com/a/b/c", "x.example.com/a/"]),
        ("bücher.example", ["http://xn--bcher-kva.example/"], []),
        ("under_score.example.", ["under_score.example"], []),
        ("intranet", ["intranet/x"], ["intranet.example"]),
        ("192.0.2.1", ["192.0.2.1/x", "http://0xc0000201/", "[::ffff:192.0.2.1]"], ["192.0.2.2"]),
        ("192.0.2.1/a/*", ["192.0.2.1/a/b"], ["192.0.2.1/"]),
        ("192.0.2.0/24", ["192.0.2.1/x", "http://192.0.2.255:8080/"], ["192.0.3.0", "example.com"]),
        ("192.0.2.1/32", ["192.0.2.1/x"], ["192.0.2.2"]),
        ("0.0.0.0/0", ["192.0.2.1"], ["[2001:db8::1]", "example.com"]),
        ("2001:db8::/32", ["[2001:db8:1::5]/x"], ["[2001:db9::1]", "192.0.2.1"]),
        ("[2001:db8::1]", ["[2001:DB8:0::1]:8080/x"], ["[2001:db8::2]"]),
        ("2001:db8::1", ["[2001:db8::1]"], []),
        ("[2001:db8::1]/a/*", ["[2001:db8::1]/a/b"], ["[2001:db8::1]/"]),
        ("64:ff9b::c000:201", ["192.0.2.1"], []),
    ],
)
def test_what_a_mask_stands_for(mask: str, met: list[str], not_met: list[str]) -> None:
    masks = MaskSet([parse_mask(mask)])
    for text in met:
        assert masks.find(canonical(text)) == mask, text
    for text in not_met:
        assert masks.find(canonical(text)) is None, text


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("", "a mask is empty; write a name such as example.com"),
        ("exa mple.com", "'exa mple.com', character 4: ' ' cannot be in a mask; write it as %20 in a path"),
        ("example.com/\n", "'example.com/\\n', character 13: '\\n' cannot be in a mask; write it as %0A in a path"),
        ("example.com/x#y", "character 14: '#' cannot be in a mask; a mask has no part behind '#'"),
        ("http://example.com", "character 5: a mask has no scheme; write example.com"),
        ("exa*ple.com", "character 4: '*' cannot be here; write '*.' at the start"),
        ("*.*.com", "character 3: '*' cannot be here"),
        ("*", "character 1: '*' cannot be here"),
        ("*.", "character 3: there is no host"),
        ("*/*", "character 1: '*' cannot be here"),
        ("example.com/a*", "character 14: '*' cannot be here"),
        ("example.com/*/b", "character 13: '*' cannot be here"),
        ("example.com/a?b/*", "character 14: a folder has no query; remove it, or the '*'"),
        ("/path/*", "character 1: there is no host"),
        (".example.com", "character 1: a host does not begin with a dot; write *.example.com for the subdomains"),
        ("a..example.com", "character 3: a host has no empty label; remove a dot"),
        ("example.com:8080", "character 12: a mask has no port, and this is no IPv6 address; remove it"),
        ("me@example.com", "character 3: '@' cannot be in a host"),
        ("ex%41mple.com", "character 3: '%' cannot be in a host"),
        ("a.ex!ample.com", "character 3: this is no label of a host name"),
        ("a." + "b" * 64 + ".com", "character 3: this is no label of a host name"),
        ("a." * 127 + "com", "character 254: a host name has at most 253 characters"),
        (
            "192.0.2.1/24",
            "character 11: 192.0.2.1/24 has bits set behind the prefix; write 192.0.2.0/24 or 192.0.2.1/32",
        ),
        ("192.0.2.0/33", "character 1: not an address or network"),
        ("*.192.0.2.1", "character 1: an address has no subdomains; write a subnet such as 192.0.2.0/24"),
        ("[2001:db8::1", "character 6: a mask has no port, and this is no IPv6 address"),
        ("a" * 3000, "character 2049: the mask is longer than 2048 characters"),
    ],
)
def test_a_bad_mask_is_refused_with_its_position(mask: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".+") as raised:
        parse_mask(mask)
    assert message in str(raised.value)
    assert len(str(raised.value)) < 3000


def test_a_mask_with_a_path_is_not_met_where_no_path_is_known() -> None:
    masks = MaskSet(map(parse_mask, ["example.com/*", "a.example/x/*", "b.example/x", "*.c.example"]))
    assert masks.find(Address("example.com", "")) == "example.com/*"
    assert masks.find(Address("a.example", "")) is None
    assert masks.find(Address("b.example", "")) is None
    assert masks.find(Address("x.c.example", "")) == "*.c.example"


def test_many_masks_and_hostile_addresses() -> None:
    texts = [f"h{number}.example/a/b/*" for number in range(5000)] + [f"*.d{number}.example" for number in range(5000)]
    texts += [f"10.{number}.0.0/{8 + number % 8 + 8}" for number in range(256)]
    masks = MaskSet(map(parse_mask, texts))
    assert masks.find(canonical("h4999.example/a/b/c")) == "h4999.example/a/b/*"
    assert masks.find(canonical("x.d0.example")) == "*.d0.example"
    assert masks.find(canonical("10.7.0.9")) == "10.7.0.0/23"
    assert masks.find(Address("a." * 30_000 + "d0.example", "/" + "a/" * 30_000)) == "*.d0.example"
    assert masks.find(Address("h0.example", "/" + "a/" * 30_000)) is None


def meets(mask: AddressMask, address: Address) -> bool:
    """Say the same as a set of one mask, written the slow way."""
    below = address.host.endswith("." + mask.host)
    if not (below if mask.below else address.host in (mask.host, "www." + mask.host)):
        return False
    if mask.path.endswith("/*"):
        return address.path.startswith(mask.path[:-1])
    return mask.path in ("", address.path, f"{address.path}?{address.query}")


HOSTS = st.sampled_from(["a.b", "www.a.b", "c.a.b", "b", "d.c.a.b", "www.www.a.b"])
PATHS = st.sampled_from(["", "/", "/x", "/x/", "/x/y", "/x/y/z", "/x?q"])


@given(
    st.lists(st.tuples(st.booleans(), HOSTS, PATHS, st.booleans()), max_size=8),
    st.builds(lambda host, path: canonical(host + path), HOSTS, PATHS),
)
@settings(max_examples=500, deadline=None)
def test_a_set_is_met_when_one_of_its_masks_is(parts: list[tuple[bool, str, str, bool]], address: Address) -> None:
    texts = [
        f"{'*.' if below else ''}{host}{path}{'*' if folder and path.endswith('/') else ''}"
        for below, host, path, folder in parts
    ]
    masks = [parse_mask(text) for text in texts]
    found = MaskSet(masks).find(address)
    assert (found in [mask.text for mask in masks if meets(mask, address)]) == any(meets(m, address) for m in masks)


@given(st.text(max_size=40) | st.text(st.sampled_from("a1.*/?:[]%@ -é"), max_size=20))
@settings(max_examples=1000, deadline=None)
def test_any_text_is_a_mask_or_refused(text: str) -> None:
    try:
        mask = parse_mask(text)
    except ValueError:
        return
    assert mask.text == text
    assert bool(mask.host) != bool(mask.network)
    MaskSet([mask]).find(canonical("a.example/x?y"))
