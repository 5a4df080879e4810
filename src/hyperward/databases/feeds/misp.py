"""Indicators out of MISP events (the MISP core format, draft-dulaunoy-misp-core-format).

Only attributes marked `to_ids` are taken: the others are context, and a feed often names victims in them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from hyperward.databases.feeds.indicators import MAX_VALUE, Found, Indicator, IndicatorKind, Refusal
from hyperward.errors import InputError
from hyperward.fromjson import from_json


class _Attribute(msgspec.Struct):
    type: str = ""
    value: Any = ""
    uuid: str = ""
    to_ids: Any = False
    deleted: Any = False


class _Object(msgspec.Struct):
    attributes: list[_Attribute] = msgspec.field(name="Attribute", default_factory=list)
    deleted: Any = False


class _Event(msgspec.Struct):
    uuid: str = ""
    attributes: list[_Attribute] = msgspec.field(name="Attribute", default_factory=list)
    objects: list[_Object] = msgspec.field(name="Object", default_factory=list)


class _EventFile(msgspec.Struct):
    event: _Event = msgspec.field(name="Event")


def _first(value: str) -> str:
    return value.partition("|")[0]


def _second(value: str) -> str:
    return value.partition("|")[2]


_Part = tuple[IndicatorKind, Callable[[str], str]]
_TYPES: dict[str, tuple[_Part, ...]] = {
    "domain": ((IndicatorKind.DOMAIN, str),),
    "hostname": ((IndicatorKind.HOST, str),),
    "url": ((IndicatorKind.URL, str),),
    "ip-dst": ((IndicatorKind.IP, str),),
    "ip-src": ((IndicatorKind.IP, str),),
    "domain|ip": ((IndicatorKind.DOMAIN, _first), (IndicatorKind.IP, _second)),
    "hostname|port": ((IndicatorKind.HOST, _first),),
    "ip-dst|port": ((IndicatorKind.IP, _first),),
    "ip-src|port": ((IndicatorKind.IP, _first),),
}
"""Attribute types that name an address, and which part of the value is what; composite values are joined by `|`."""


def event_indicators(raw: bytes, *, where: str) -> Iterator[Found]:
    """Yield what an event file holds.

    Args:
        raw: the file.
        where: its name, for refusals.

    Raises:
        InputError: it is no MISP event at all.
    """
    try:
        event = from_json(raw, _EventFile).event
    except ValueError as error:
        raise InputError(f"no MISP event ({error})", where=where, hint="get it again from its publisher") from None
    yield from _attributes(event.attributes, where)
    for found in event.objects:
        if not _true(found.deleted):
            yield from _attributes(found.attributes, where)


def feed_events(raw: bytes, *, where: str) -> list[str]:
    """Return the file names of the events that a feed's `manifest.json` lists, sorted.

    Raises:
        InputError: it is no manifest, or an event's id is no UUID (it becomes part of an address).
    """
    try:
        ids = from_json(raw, dict[str, msgspec.Raw])
    except ValueError as error:
        raise InputError(f"no manifest of a MISP feed ({error})", where=where, hint="name the feed's folder") from None
    for one in ids:
        if len(one) != 36 or not all(part.isalnum() and part.isascii() for part in one.split("-")):  # noqa: PLR2004 - RFC 9562
            raise InputError(f"{one[:80]!r} is no UUID of an event", where=where, hint="get it again")
    return [f"{one}.json" for one in sorted(ids)]


def _attributes(attributes: list[_Attribute], where: str) -> Iterator[Found]:
    for number, one in enumerate(attributes, 1):
        place = f"{where}: attribute {one.uuid[:64] or number}"
        parts = _TYPES.get(one.type)
        if parts is None or not _true(one.to_ids) or _true(one.deleted):
            continue
        if not isinstance(one.value, str) or len(one.value) > MAX_VALUE:
            yield Refusal(place, f"the value of a {one.type} is no text of up to {MAX_VALUE} characters")
            continue
        for kind, part in parts:
            value = part(one.value).strip()
            if value:
                yield Indicator(kind, value, one.uuid[:64])
            else:
                yield Refusal(place, f"a {one.type} without a value")


def _true(value: object) -> bool:
    """MISP writes flags as booleans or, in older exports, as 0, 1, "0" and "1"."""
    return value in {True, "1", "true"} if isinstance(value, bool | int | str) else False
