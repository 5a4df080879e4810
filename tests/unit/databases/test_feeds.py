import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.databases.feeds.indicators import MAX_REFUSALS, Found, Indicator, IndicatorKind, Refusal, split
from hyperward.databases.feeds.misp import event_indicators, feed_events
from hyperward.databases.feeds.stix import bundle_indicators
from hyperward.errors import InputError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UUID = "5a1c2d3e-0000-4000-8000-0123456789ab"


def misp(*attributes: dict[str, object], objects: list[dict[str, object]] | None = None) -> list[Found]:
    event = {"Event": {"uuid": UUID, "Attribute": list(attributes), "Object": objects or []}}
    return list(event_indicators(json.dumps(event).encode(), where="e.json"))


def stix(*patterns: str, **fields: object) -> list[Found]:
    objects = [
        {"type": "indicator", "id": f"indicator--{number}", "pattern": pattern, "pattern_type": "stix", **fields}
        for number, pattern in enumerate(patterns)
    ]
    bundle = {"type": "bundle", "objects": [{"type": "identity", "name": "x"}, *objects]}
    return list(bundle_indicators(json.dumps(bundle).encode(), where="b.json", now=NOW))


def values(found: list[Found]) -> list[tuple[IndicatorKind, str]]:
    return [(one.kind, one.value) for one in found if isinstance(one, Indicator)]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("domain", "a.example", [(IndicatorKind.DOMAIN, "a.example")]),
        ("hostname", "h.a.example", [(IndicatorKind.HOST, "h.a.example")]),
        ("url", "http://a.example/x", [(IndicatorKind.URL, "http://a.example/x")]),
        ("ip-dst|port", "192.0.2.1|80", [(IndicatorKind.IP, "192.0.2.1")]),
        ("domain|ip", "a.example|192.0.2.1", [(IndicatorKind.DOMAIN, "a.example"), (IndicatorKind.IP, "192.0.2.1")]),
        ("md5", "0" * 32, []),
    ],
)
def test_misp_attribute_types(kind: str, value: str, expected: list[tuple[IndicatorKind, str]]) -> None:
    assert values(misp({"type": kind, "value": value, "to_ids": True, "uuid": "u"})) == expected


@pytest.mark.parametrize(("flag", "taken"), [(True, 1), ("1", 1), (1, 1), (False, 0), ("0", 0), (None, 0), ([], 0)])
def test_misp_context_is_not_taken(flag: object, taken: int) -> None:
    assert len(misp({"type": "domain", "value": "a.example", "to_ids": flag})) == taken


def test_misp_objects_count_and_deleted_ones_do_not() -> None:
    attribute = {"type": "domain", "value": "a.example", "to_ids": True}
    assert len(misp(objects=[{"Attribute": [attribute]}, {"Attribute": [attribute], "deleted": True}])) == 1
    assert not misp(attribute | {"deleted": "1"})


def test_misp_refuses_values_that_are_no_text_and_goes_on() -> None:
    good = {"type": "domain", "value": "a.example", "to_ids": True}
    found = misp(
        {"type": "domain", "value": {"x": 1}, "to_ids": True},
        {"type": "domain|ip", "value": "a.example", "to_ids": True},
        good,
    )
    assert [type(one) for one in found] == [Refusal, Indicator, Refusal, Indicator]


def test_misp_manifest_names_events_and_no_paths() -> None:
    assert feed_events(json.dumps({UUID: {"info": "x"}}).encode(), where="m") == [f"{UUID}.json"]
    for bad in ("../../../../etc/passwd-0000-0000-00", "x", "a/b" * 12):
        with pytest.raises(InputError, match="UUID"):
            feed_events(json.dumps({bad: {}}).encode(), where="m")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[domain-name:value = 'a.example']", [(IndicatorKind.DOMAIN, "a.example")]),
        (
            r"[url:value = 'http://a.example/x\'y' OR domain-name:value = 'b.example']",
            [(IndicatorKind.URL, "http://a.example/x'y"), (IndicatorKind.DOMAIN, "b.example")],
        ),
        (
            "[ipv4-addr:value IN ('192.0.2.1', '192.0.2.2')]",
            [(IndicatorKind.IP, "192.0.2.1"), (IndicatorKind.IP, "192.0.2.2")],
        ),
        (
            "[ipv6-addr:value = '2001:db8::1'] OR [url:value = 'http://b/']",
            [(IndicatorKind.IP, "2001:db8::1"), (IndicatorKind.URL, "http://b/")],
        ),
    ],
)
def test_stix_patterns_that_mean_any_of_these(pattern: str, expected: list[tuple[IndicatorKind, str]]) -> None:
    assert values(stix(pattern)) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "[domain-name:value = 'a' AND url:value = 'http://b/']",
        "[domain-name:value = 'a'] AND [url:value = 'http://b/']",
        "[domain-name:value = 'a'] FOLLOWEDBY [url:value = 'http://b/']",
        "[domain-name:value = 'a'] WITHIN 5 SECONDS",
        "[domain-name:value = 'a'] REPEATS 5 TIMES",
        "[domain-name:value = 'a'] START t'2026-01-01T00:00:00Z' STOP t'2026-01-02T00:00:00Z'",
        "[domain-name:value NOT = 'a']",
        "[domain-name:value != 'a']",
        "[domain-name:value LIKE '%a']",
        "[domain-name:value MATCHES 'a.*']",
        "[ipv4-addr:value ISSUBSET '10.0.0.0/8']",
        "[file:hashes.MD5 = '00']",
        "[domain-name:value = 5]",
        "[domain-name:value = '']",
        "no pattern",
        "[" * 5000,
        "(" * 3000 + "[domain-name:value = 'a']" + ")" * 3000,
        "[" + "(" * 3000 + "domain-name:value = 'a'" + ")" * 3000 + "]",
    ],
)
def test_stix_patterns_that_say_more_are_refused_with_a_reason(pattern: str) -> None:
    found = stix(pattern, "[domain-name:value = 'next.example']")
    assert isinstance(found[0], Refusal)
    assert found[0].where == "b.json: indicator--0"
    assert values(found) == [(IndicatorKind.DOMAIN, "next.example")]


def test_stix_leaves_out_what_is_over() -> None:
    pattern = "[domain-name:value = 'a.example']"
    assert not stix(pattern, revoked=True)
    assert not stix(pattern, valid_until="2025-12-31T23:59:59.999Z")
    assert len(stix(pattern, valid_until="2026-06-01T00:00:00Z")) == 1
    assert isinstance(stix(pattern, pattern_type="yara")[0], Refusal)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"type": "bundle", "objects": 5}', b'{"type": "indicator"}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_feed_is_refused_whole(raw: bytes) -> None:
    with pytest.raises(InputError):
        list(bundle_indicators(raw, where="b.json", now=NOW))
    with pytest.raises(InputError):
        list(event_indicators(raw, where="e.json"))
    with pytest.raises(InputError):
        feed_events(raw or b"x", where="m")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["domain", "1", "indicator"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["Event", "Attribute", "Object", "type", "value", "to_ids", "objects", "pattern"]), inner
        )
    ),
    max_leaves=30,
)


@given(value=JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    raw = json.dumps(value).encode()

    def read(found: Iterator[Found]) -> None:
        with suppress(InputError):
            list(found)

    read(event_indicators(raw, where="e"))
    read(bundle_indicators(raw, where="b", now=NOW))


def test_refusals_are_counted_and_bounded() -> None:
    found: list[Found] = [Refusal("x", "y")] * (MAX_REFUSALS + 5) + [Indicator(IndicatorKind.IP, "192.0.2.1", "")]
    indicators, refusals, refused = split(iter(found))
    assert (len(indicators), len(refusals), refused) == (1, MAX_REFUSALS, MAX_REFUSALS + 5)
