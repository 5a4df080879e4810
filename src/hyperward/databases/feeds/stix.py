"""Indicators out of STIX 2.1 bundles (OASIS STIX Version 2.1).

An indicator's pattern can be used when it means "any of these addresses": equality tests of the value of a domain name,
a URL or an address, joined by OR. What says more (AND, FOLLOWEDBY, NOT, time qualifiers, hashes) is refused with its
reason instead of being taken for less than it says.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from stix2patterns.exceptions import ParseException
from stix2patterns.v21.grammars.STIXPatternListener import STIXPatternListener
from stix2patterns.v21.grammars.STIXPatternParser import STIXPatternParser
from stix2patterns.v21.pattern import Pattern

from hyperward.databases.feeds.indicators import MAX_VALUE, Found, Indicator, IndicatorKind, Refusal
from hyperward.errors import InputError
from hyperward.fromjson import from_json

_KINDS = {
    "domain-name:value": IndicatorKind.DOMAIN,
    "url:value": IndicatorKind.URL,
    "ipv4-addr:value": IndicatorKind.IP,
    "ipv6-addr:value": IndicatorKind.IP,
}
_SIMPLE = re.compile(r"\s*\[\s*([a-z0-9-]+:value)\s*=\s*'([^'\\]*)'\s*\]\s*")
"""The form of nearly all patterns; the grammar's own parser takes milliseconds for each."""
_ESCAPE = re.compile(r"\\(.)")
MAX_PATTERN = 65_536


class _Object(msgspec.Struct):
    type: str = ""
    id: str = ""
    pattern: str = ""
    pattern_type: str = "stix"
    valid_until: str = ""
    revoked: bool = False


class _Bundle(msgspec.Struct):
    type: str
    objects: list[_Object] = []


class _UnusableError(Exception):
    """The pattern says more than "any of these addresses"."""


def bundle_indicators(raw: bytes, *, where: str, now: datetime) -> Iterator[Found]:
    """Yield what a bundle holds; revoked and expired indicators are left out.

    Args:
        raw: the file.
        where: its name, for refusals.
        now: with a time zone.

    Raises:
        InputError: it is no STIX bundle at all.
    """
    try:
        bundle = from_json(raw, _Bundle)
    except ValueError as error:
        raise InputError(f"no STIX bundle ({error})", where=where, hint="get it again from its publisher") from None
    if bundle.type != "bundle":
        raise InputError(f"a STIX object of type {bundle.type[:40]!r}, not a bundle", where=where)
    for number, one in enumerate(bundle.objects, 1):
        if one.type != "indicator" or one.revoked or _expired(one.valid_until, now):
            continue
        place = f"{where}: {one.id[:120] or f'object {number}'}"
        if one.pattern_type != "stix":
            yield Refusal(place, f"a pattern of type {one.pattern_type[:40]!r}; only stix is read")
            continue
        yield from _pattern_indicators(one.pattern, one.id[:128], place)


def _pattern_indicators(pattern: str, identity: str, place: str) -> Iterator[Found]:
    if len(pattern) > MAX_PATTERN:
        yield Refusal(place, f"a pattern of {len(pattern)} characters, above {MAX_PATTERN}")
        return
    try:
        tests = _tests(pattern)
    except _UnusableError as error:
        yield Refusal(place, str(error))
        return
    for path, value in tests:
        kind = _KINDS.get(path)
        if kind is None:
            yield Refusal(place, f"{path[:80]} names no web address")
        elif not value.strip() or len(value) > MAX_VALUE:
            yield Refusal(place, f"a value that is empty or above {MAX_VALUE} characters")
        else:
            yield Indicator(kind, value.strip(), identity)


def _tests(pattern: str) -> list[tuple[str, str]]:
    simple = _SIMPLE.fullmatch(pattern)
    if simple:
        return [(simple[1], simple[2])]
    collector = _Collector()
    try:
        Pattern(pattern).walk(collector)
    except ParseException as error:
        raise _UnusableError(f"no STIX pattern ({str(error)[:200]})") from None
    except RecursionError:
        raise _UnusableError("a pattern nested too deep") from None
    return collector.tests


def _expired(until: str, now: datetime) -> bool:
    if not until:
        return False
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        return False
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) <= now


class _Collector(STIXPatternListener):  # type: ignore[misc]  # the grammar's package ships no types
    """Collects equality tests joined by OR; everything else ends the walk. Method names are the grammar's."""

    def __init__(self) -> None:
        self.tests: list[tuple[str, str]] = []

    def exitObservationExpressions(self, ctx: STIXPatternParser.ObservationExpressionsContext) -> None:  # noqa: N802
        if ctx.FOLLOWEDBY():
            raise _UnusableError("FOLLOWEDBY: one address alone does not meet it")

    def exitObservationExpressionAnd(self, ctx: STIXPatternParser.ObservationExpressionAndContext) -> None:  # noqa: N802
        if ctx.AND():
            raise _UnusableError("AND of observations: one address alone does not meet it")

    def exitComparisonExpressionAnd(self, ctx: STIXPatternParser.ComparisonExpressionAndContext) -> None:  # noqa: N802
        if ctx.AND():
            raise _UnusableError("AND of comparisons: one address alone does not meet it")

    def exitStartStopQualifier(self, _: STIXPatternParser.StartStopQualifierContext) -> None:  # noqa: N802
        raise _UnusableError("START STOP: an address database has no times")

    def exitWithinQualifier(self, _: STIXPatternParser.WithinQualifierContext) -> None:  # noqa: N802
        raise _UnusableError("WITHIN: an address database has no times")

    def exitRepeatedQualifier(self, _: STIXPatternParser.RepeatedQualifierContext) -> None:  # noqa: N802
        raise _UnusableError("REPEATS: an address database does not count")

    def exitPropTestEqual(self, ctx: STIXPatternParser.PropTestEqualContext) -> None:  # noqa: N802
        if ctx.NOT() or not ctx.EQ():
            raise _UnusableError("a test for inequality")
        self.tests.append((ctx.objectPath().getText(), _text(ctx.primitiveLiteral().getText())))

    def exitPropTestSet(self, ctx: STIXPatternParser.PropTestSetContext) -> None:  # noqa: N802
        if ctx.NOT():
            raise _UnusableError("a test for inequality")
        path = ctx.objectPath().getText()
        self.tests += [(path, _text(one.getText())) for one in ctx.setLiteral().primitiveLiteral()]

    def _other(self, ctx: object) -> None:
        name = type(ctx).__name__.removeprefix("PropTest").removesuffix("Context")
        raise _UnusableError(f"a test by {name.upper()}; only = and IN are read")

    exitPropTestOrder = _other  # noqa: N815
    exitPropTestLike = _other  # noqa: N815
    exitPropTestRegex = _other  # noqa: N815
    exitPropTestIsSubset = _other  # noqa: N815
    exitPropTestIsSuperset = _other  # noqa: N815
    exitPropTestExists = _other  # noqa: N815


def _text(literal: str) -> str:
    if not literal.startswith("'"):
        raise _UnusableError(f"compares with {literal[:40]}, which is no text")
    return _ESCAPE.sub(r"\1", literal[1:-1])
