"""Fuzz target: feeds of indicators, MISP events and manifests, STIX bundles."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

from hyperward.databases.feeds.indicators import MAX_VALUE, Found, Indicator
from hyperward.databases.feeds.misp import event_indicators, feed_events
from hyperward.databases.feeds.stix import bundle_indicators
from hyperward.errors import InputError

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_UUID = "5f0c2d3e-0000-4000-8000-00000000000"


def _attribute(kind: str, value: object, **more: object) -> dict[str, object]:
    return {"type": kind, "value": value, "uuid": f"{_UUID}1", "to_ids": True, **more}


def _bundle(*patterns: str, **more: object) -> bytes:
    objects = [
        {"type": "indicator", "id": f"indicator--{_UUID}{number}", "pattern": pattern, "pattern_type": "stix", **more}
        for number, pattern in enumerate(patterns)
    ]
    return msgspec.json.encode({"type": "bundle", "objects": objects})


TOKENS = (
    b"[",
    b"]",
    b"(",
    b")",
    b"{",
    b"}",
    b" OR ",
    b" AND ",
    b" NOT ",
    b" FOLLOWEDBY ",
    b"[url:value = 'http://c.example/']",
    b"'",
    b"\\\\'",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"null",
    b"1e999",
    b'"to_ids":"1"',
    b"|",
)
SEEDS = (
    msgspec.json.encode(
        {
            "Event": {
                "uuid": f"{_UUID}0",
                "Attribute": [
                    _attribute("domain", "evil.example"),
                    _attribute("url", "http://evil.example/x", to_ids="1"),
                    _attribute("ip-dst|port", "192.0.2.7|80", deleted=False),
                    _attribute("md5", "0" * 32, to_ids=0),
                ],
                "Object": [{"Attribute": [_attribute("domain|ip", "a.example|192.0.2.8")], "deleted": "0"}],
            }
        }
    ),
    msgspec.json.encode({f"{_UUID}{number}": {"info": "x", "date": "2026-01-01"} for number in range(3)}),
    _bundle("[domain-name:value = 'evil.example']", valid_until="2030-01-01T00:00:00Z"),
    _bundle("[url:value = 'http://evil.example/' OR ipv4-addr:value IN ('192.0.2.7', '192.0.2.8')]"),
    _bundle("[a:b = 1] FOLLOWEDBY [c:d = 'x'] WITHIN 5 SECONDS", "([x:y LIKE 'z'] OR [ipv6-addr:value = '::1'])"),
    _bundle("[domain-name:value = 'x']", revoked=True, valid_until="2020-01-01T00:00:00"),
)


def target(data: bytes) -> None:
    """Read the bytes as each kind of file: refused as a whole, or indicators and refusals within their bounds."""
    readers: tuple[Callable[[], Iterator[Found]], ...] = (
        lambda: event_indicators(data, where="feed"),
        lambda: bundle_indicators(data, where="feed", now=_NOW),
    )
    for reader in readers:
        try:
            found = list(reader())
        except InputError:
            continue
        if len(found) > len(data):
            raise AssertionError(f"{len(found)} indicators in {len(data)} bytes")
        for one in found:
            if isinstance(one, Indicator) and not 0 < len(one.value.strip()) <= MAX_VALUE:
                raise AssertionError(f"{one} is empty or too long")
    try:
        names = feed_events(data, where="feed")
    except InputError:
        return
    if any("/" in name or name.startswith(".") for name in names):
        raise AssertionError(f"{names} would leave the folder")
