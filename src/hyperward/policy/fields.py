"""Types of policy settings that are more than a word or a number."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from hyperward.policy.masks import MAX_MASK, is_mask
from hyperward.policy.networks import parse_network
from hyperward.policy.places import parse_place
from hyperward.policy.rule_reference import parse_rule_reference
from hyperward.policy.times import parse_expiry, print_expiry


class Settings(BaseModel):
    """A group of settings: no unknown keys, no conversions (text is not a number), unchangeable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class State(StrEnum):
    """Whether a policy counts."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    """As if it were not there."""


class Mode(StrEnum):
    """How traffic is processed."""

    STANDARD = "standard"
    """Inline: the actions are carried out."""
    MONITORING = "monitoring"
    """A copy is looked at; nothing is ever held, changed or dropped."""


class FailureAction(StrEnum):
    """What happens to traffic that cannot be inspected."""

    OPEN = "open"
    """It passes, with an event."""
    CLOSED = "closed"
    """It is dropped."""


def _line(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    if text != text.strip() or not text.isprintable():
        raise ValueError("has spaces at its ends or unprintable characters; remove them")
    return text


def _short_line(limit: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text) > limit:
            raise ValueError(f"has {len(text)} characters; at most {limit} are allowed")
        return _line(text)

    return AfterValidator(check)


def _exact(text: str) -> str:
    if is_mask(text):
        raise ValueError("wildcards are not possible here; use assign.names for masks")
    return text


def _exact_label(text: str) -> str:
    if is_mask(text):
        raise ValueError("wildcards are not possible here; list each one, or use assign.names for masks of VM names")
    return text


def _always_true(value: bool) -> bool:  # noqa: FBT001 - pydantic gives the value by position
    if not value:
        raise ValueError(
            "always part of suspicious_activity; remove the key, or set suspicious_activity.enabled to false"
        )
    return value


def _network(text: str) -> str:
    return str(parse_network(text))


def _network_or_any(text: str) -> str:
    return text if text == "any" else _network(text)


def _alone_if_any(networks: tuple[str, ...]) -> tuple[str, ...]:
    if "any" in networks and len(networks) > 1:
        raise ValueError("'any' stands alone; remove the networks beside it, or 'any'")
    return networks


def _not_empty(networks: tuple[str, ...]) -> tuple[str, ...]:
    # Not pydantic's min_length: that counts an item with an error as absent, and its complaint hides the error.
    if not networks:
        raise ValueError("must not be empty; list a network, or remove the key")
    return networks


def _moment(value: object) -> object:
    # Whatever is no text is printed into one that the parser refuses with a message that helps.
    return value if isinstance(value, datetime) else parse_expiry(str(value))


MAX_NAME = 128
MAX_TEXT = 500
MAX_NETWORKS = 256
MAX_ITEMS = 10_000

Name = Annotated[str, _short_line(MAX_NAME)]
"""One line of at most 128 characters."""

Reason = Annotated[str, _short_line(MAX_TEXT)]
"""One line of at most 500 characters."""

Mask = Annotated[str, _short_line(MAX_MASK)]
"""A VM name, or a mask with `*` and `?`."""

InstanceId = Annotated[str, _short_line(MAX_MASK), AfterValidator(_exact)]
"""The id of a VM on its platform."""

Label = Annotated[str, _short_line(MAX_NAME), AfterValidator(_exact_label)]
"""The name of a group, or a tag."""

Network = Annotated[str, AfterValidator(_network)]
"""An address or a network, in canonical form."""

Place = Annotated[str, AfterValidator(parse_place)]
"""A place in the inventory tree."""

RuleReference = Annotated[str, AfterValidator(parse_rule_reference)]
"""`gid:sid:rev`, `gid:sid` or a mask of rule names."""

AlwaysTrue = Annotated[bool, AfterValidator(_always_true), WithJsonSchema({"const": True})]
"""What the feature always includes; it may be written down, but not switched off."""

Expiry = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(print_expiry, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["2031-12-31", "2031-12-31T18:00:00Z"]}),
]
"""The moment from which on the entry no longer holds, in UTC."""

HomeNetworks = Annotated[
    tuple[Network, ...],
    Field(max_length=MAX_NETWORKS),
    AfterValidator(_not_empty),
]
"""At least one network."""

ExternalNetworks = Annotated[
    tuple[Annotated[str, AfterValidator(_network_or_any)], ...],
    Field(max_length=MAX_NETWORKS),
    AfterValidator(_not_empty),
    AfterValidator(_alone_if_any),
]
"""At least one network, or `any` alone."""
