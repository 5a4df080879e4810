"""What a feed says is dangerous, before it becomes an entry of an address database. Pure values."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

MAX_VALUE = 4096
"""Characters of an indicator's value; longer ones are refused."""
MAX_REFUSALS = 1000
"""So many refusals of a feed are kept; their number is always complete."""


class IndicatorKind(StrEnum):
    """What a value names."""

    DOMAIN = "domain"
    """A name with all names below it."""
    HOST = "host"
    """One host name."""
    URL = "url"
    """A whole address."""
    IP = "ip"
    """An IPv4 or IPv6 address."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """One dangerous address.

    Args:
        kind: what the value names.
        value: as the feed writes it; not canonical yet.
        id: of the feed's object, so that a hit can be traced to it.
    """

    kind: IndicatorKind
    value: str
    id: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of a feed that cannot be used: which, and why."""

    where: str
    why: str


Found = Indicator | Refusal


def split(found: Iterator[Found]) -> tuple[list[Indicator], list[Refusal], int]:
    """Return indicators, the first thousand refusals, and how many refusals there are."""
    indicators: list[Indicator] = []
    refusals: list[Refusal] = []
    refused = 0
    for one in found:
        if isinstance(one, Indicator):
            indicators.append(one)
            continue
        refused += 1
        if len(refusals) < MAX_REFUSALS:
            refusals.append(one)
    return indicators, refusals, refused
