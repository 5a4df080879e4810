"""The settings of Web Addresses Scan."""

import re
from ipaddress import ip_address
from typing import Annotated, Final, NoReturn

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from hyperward.policy.actions import HelloAction, WebAction
from hyperward.policy.fields import MAX_ITEMS, Expiry, Reason, Settings
from hyperward.webscan.mask import parse_mask
from hyperward.webscan.scanner.blockpage import TemplateError, parse_template

MAX_OWN_CATEGORIES: Final = 256
NXDOMAIN: Final = "nxdomain"
_CATEGORY: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class WebCategories(Settings):
    """What happens to a request for an address of each category."""

    malicious: WebAction = WebAction.BLOCK
    phishing: WebAction = WebAction.BLOCK
    advertising: WebAction = WebAction.REPORT
    """Sites that distribute adware."""
    other: WebAction = WebAction.OFF
    """Sites that hand out legitimate software that can be misused."""


class CategoryActions(dict[str, WebAction]):
    """Actions by the name of a category of the operator's own. Unchangeable, so that it has a hash as settings do."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("the settings of a policy do not change")

    __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _refuse

    @classmethod
    def __get_pydantic_core_schema__(cls, _: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read it as a mapping."""
        inner = handler.generate_schema(Annotated[dict[str, WebAction], Field(max_length=MAX_OWN_CATEGORIES)])
        return core_schema.no_info_after_validator_function(_own_categories, inner)


def _own_categories(given: dict[str, WebAction]) -> CategoryActions:
    for name in given:
        if name in WebCategories.model_fields:
            raise ValueError(f"'{name}' is a category of the product; set it under categories")
        if not _CATEGORY.fullmatch(name):
            raise ValueError(
                f"'{name[:64]}' is not the name of a category; write 1 to 63 of a-z, 0-9, '_' and '-', "
                "first a letter or digit"
            )
    return CategoryActions(given)


def _template(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty; remove the key for the page of the product")
    try:
        parse_template(text)
    except TemplateError as error:
        place = error.where.removeprefix("block_page, ")
        raise ValueError(f"{error.what} ({place} of it); {error.hint}" if "line" in place else error.what) from None
    return text


def _mask(text: str) -> str:
    parse_mask(text)
    return text


class NeverBlockedAddress(Settings):
    """Addresses that are never blocked, whatever a list says; a visit is reported."""

    mask: Annotated[str, AfterValidator(_mask)]
    """`example.com`, `*.example.com`, `example.com/path/*`, an address or a subnet."""
    reason: Reason
    expires: Expiry | None = None


class WebProtocols(Settings):
    """Where names and addresses are read."""

    http: bool = True
    tls: bool = True
    quic: bool = True
    dns: bool = False


def _dns_answer(given: object) -> str | tuple[str, ...]:
    if given == NXDOMAIN:
        return NXDOMAIN
    texts = (given,) if isinstance(given, str) else given
    if not isinstance(texts, list | tuple) or not texts:
        raise ValueError(f"expected {NXDOMAIN} or addresses; write [192.0.2.1, '2001:db8::1'], or one of the two")
    found: dict[int, str] = {}
    for text in texts:
        try:
            address = ip_address(text if isinstance(text, str) else "")
        except ValueError:
            raise ValueError(f"{str(text)[:64]!r} is not an address; write {NXDOMAIN}, or addresses") from None
        if address.version in found:
            raise ValueError(f"has two addresses of IPv{address.version}; one is enough")
        found[address.version] = str(address)
    return tuple(found[version] for version in sorted(found))


DnsAnswer = Annotated[
    str | tuple[str, ...],
    PlainValidator(_dns_answer),
    PlainSerializer(lambda answer: answer if isinstance(answer, str) else list(answer), when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": NXDOMAIN},
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
            ]
        }
    ),
]
"""`nxdomain`, or the addresses of a sinkhole, IPv4 first: at most one of each version."""


class WebAddresses(Settings):
    """Web Addresses Scan; off until a policy turns it on."""

    enabled: bool = False
    categories: WebCategories = WebCategories()
    own_categories: CategoryActions = CategoryActions()
    """Actions of the categories that the operator's own lists bring, by their names."""
    never_block: Annotated[tuple[NeverBlockedAddress, ...], Field(max_length=MAX_ITEMS)] = ()
    protocols: WebProtocols = WebProtocols()
    block_page: Annotated[str, AfterValidator(_template)] | None = None
    """HTML page that a browser gets instead of a blocked one; without it, that of the product."""
    contact: Reason | None = None
    """Line on the block page: whom to ask."""
    encrypted_client_hello: HelloAction = HelloAction.ALLOW
    dns_answer: DnsAnswer = NXDOMAIN
    """What a blocked name resolves to."""


WEB_OFF: Final = WebAddresses()
"""What holds where no policy says anything."""
