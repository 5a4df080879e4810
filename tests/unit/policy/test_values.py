import ipaddress
import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.policy.masks import compile_mask, is_mask, literal_characters
from hyperward.policy.networks import canonical, parse_network, parse_network_set
from hyperward.policy.rule_reference import parse_rule_reference
from hyperward.policy.times import parse_expiry, print_expiry


@pytest.mark.parametrize(
    "text", ["1:2001219:5", "1:2001219", "1:1:0", "4294967295:4294967295", "ET SCAN *", "GPL ?TTP", "\uff11:\uff12"]
)
def test_rule_references(text: str) -> None:
    assert parse_rule_reference(text) == text


def test_rule_ids_are_canonical() -> None:
    assert parse_rule_reference("01:0002001219:005") == "1:2001219:5"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2001219", "not a rule id; write gid:sid or gid:sid:rev"),
        ("1:", "not a rule id; write"),
        ("1:2:3:4", "not a rule id; write"),
        ("1:abc", "not a rule id; write"),
        ("1: 2001219", "not a rule id; write"),
        ("-1:5", "not a rule id; write"),
        ("1:*", "not a rule id; write"),
        ("0:5", "gid and sid go from 1 to 4294967295"),
        ("1:0", "gid and sid go from 1"),
        ("1:4294967296", "gid and sid go from 1"),
        ("1:99999999999", "not a rule id; write"),
        ("*", "excludes nearly every rule"),
        ("", "excludes nearly every rule"),
        ("?*E", "excludes nearly every rule"),
        (" ET SCAN", "has spaces at its ends"),
        ("ET\nSCAN", "unprintable characters"),
        ("E" * 256, "at most 255 characters"),
    ],
)
def test_bad_rule_references(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        parse_rule_reference(text)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "::/0", "2001:db8::/32", "fe80::1", "::1/128"])
def test_networks(text: str) -> None:
    assert parse_network(text) == ipaddress.ip_network(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.5/24", "10.0.0.5/24 has bits set behind the prefix; write 10.0.0.0/24 or 10.0.0.5/32"),
        ("2001:db8::1/64", "2001:db8::1/64 has bits set behind the prefix; write 2001:db8::/64 or 2001:db8::1/128"),
        ("::ffff:10.0.0.0/104", "::ffff:10.0.0.0/104 is IPv4 written as IPv6; write 10.0.0.0/8"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1 is IPv4 written as IPv6; write 10.0.0.1/32"),
        ("::ffff:0:0/96", "::ffff:0:0/96 is IPv4 written as IPv6; write 0.0.0.0/0"),
        ("10.0.0.0/255.0.0.0", "not an address or network"),
        ("10.0.0.0/0.255.255.255", "not an address or network"),
        ("10.0.0.0/33", "not an address or network"),
        ("10.0.0.0/", "not an address or network"),
        ("010.0.0.0/8", "not an address or network"),
        ("10.0.0", "not an address or network"),
        ("fe80::1%eth0", "not an address or network"),
        ("!10.0.0.0/8", "not an address or network"),
        ("$HOME_NET", "not an address or network"),
        ("any", "not an address or network"),
        ("10.0.0.0/8 ", "not an address or network"),
        ("", "not an address or network"),
        ("1" * 100_000, "not an address or network"),
    ],
)
def test_bad_networks(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        parse_network(text)


def test_equal_sets_of_networks_have_one_form() -> None:
    expected = ("10.0.0.0/8", "192.168.0.0/24", "2001:db8::/32")
    assert (
        parse_network_set(["2001:db8::/32", "10.128.0.0/9", "192.168.0.0/24", "10.0.0.0/9", "10.3.0.0/16"]) == expected
    )
    assert parse_network_set(expected) == expected


NETWORKS = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(20, 32)).map(lambda t: ipaddress.IPv4Network(t, strict=False)),
    max_size=8,
)


@given(NETWORKS)
def test_canonical_form_ignores_order_and_keeps_the_set(networks: list[ipaddress.IPv4Network]) -> None:
    turned = networks[::-1] + networks[:1]
    assert canonical(turned) == canonical(networks)
    back = [ipaddress.IPv4Network(text) for text in canonical(networks)]
    assert all(any(net.subnet_of(other) for other in back) for net in networks)
    assert sum(net.num_addresses for net in back) <= sum(net.num_addresses for net in set(networks))
    assert all(not a.overlaps(b) for a in back for b in back if a is not b)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-08-31", datetime(2026, 9, 1, tzinfo=UTC)),
        ("2028-02-29", datetime(2028, 3, 1, tzinfo=UTC)),
        ("2026-08-31T18:00:00Z", datetime(2026, 8, 31, 18, tzinfo=UTC)),
        ("2026-08-31 18:00Z", datetime(2026, 8, 31, 18, tzinfo=UTC)),
        ("2026-08-31T18:00:00+02:00", datetime(2026, 8, 31, 16, tzinfo=UTC)),
    ],
)
def test_expiry(text: str, expected: datetime) -> None:
    assert parse_expiry(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-08-31T18:00:00", "the time has no zone; add a Z"),
        ("2026-02-30", "no such date"),
        ("2026-08-31T25:00:00Z", "no such date"),
        ("9999-12-31", "no such date"),
        ("0001-01-01T00:00:00+23:00", "no such date"),
        ("0000-01-01", "no such date"),
        ("20260831", "not a date or UTC time"),
        ("2026-W35-1", "not a date or UTC time"),
        ("tomorrow", "not a date or UTC time"),
        ("", "not a date or UTC time"),
        ("\uff12026-08-31", "not a date or UTC time"),
    ],
)
def test_bad_expiry(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        parse_expiry(text)


@given(st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0)))
def test_expiry_is_read_back(moment: datetime) -> None:
    assert parse_expiry(print_expiry(moment)) == moment


def naive_match(mask: str, text: str) -> bool:
    if not mask:
        return not text
    if mask[0] == "*":
        return naive_match(mask[1:], text) or (bool(text) and naive_match(mask, text[1:]))
    return bool(text) and mask[0] in ("?", text[0]) and naive_match(mask[1:], text[1:])


@given(st.text("ab[]!-.*?\\", max_size=7), st.text("ab[]!-.\\", max_size=7))
def test_masks_match_as_defined(mask: str, text: str) -> None:
    assert bool(compile_mask(mask).match(text)) == naive_match(mask, text)


def test_masks() -> None:
    assert is_mask("web-?")
    assert not is_mask("web-[1]")
    assert literal_characters("w*b-?[1]") == 6
    assert not compile_mask("web").match("web\n")
    assert not compile_mask("web").match("WEB")


def test_no_mask_is_slow() -> None:
    started = time.process_time()
    assert not compile_mask("*a" * 100 + "b").match("a" * 255)
    # Backtracking would take longer than the universe has existed; this bound is not about speed.
    assert time.process_time() - started < 10
