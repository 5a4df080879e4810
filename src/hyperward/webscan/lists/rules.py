"""One rule of an ad blocker, as far as it speaks of whole names and addresses.

- `||name^`: DOMAIN, the name and every name below it.
- `||name/path^`: PREFIX, this path with any query, there and on every name below; a folder when it ends with a slash.
- `|http://name/path|`: EXACT.
- `|http://name^`: HOST.
- `name`: HOST, as ad blockers for DNS read it.
- `@@` before one of these: an exception.

A rule whose options narrow it to some pages, kinds of content or programs cannot be an entry: a network sees none of
that. Neither can rules that hide parts of pages, regular expressions, or patterns of a part of an address.
"""

import re
from dataclasses import dataclass
from typing import Final

from hyperward.webscan.address.numbers import is_ip
from hyperward.webscan.database.model import EntryKind
from hyperward.webscan.lists.make import Maker, checked_length, listed_text
from hyperward.webscan.lists.model import Refusal

_COSMETIC: Final = re.compile(rb"#@?[?$%]{0,2}@?#|\$\$")
_OPTIONS: Final = re.compile(rb"\$(~?[a-zA-Z0-9_-]+(?:=[^,]*)?(?:,~?[a-zA-Z0-9_-]+(?:=[^,]*)?)*)\Z")
_WHOLE: Final = frozenset((b"all", b"doc", b"document", b"important"))
"""Options that leave a rule to mean the whole name or address."""
_ANCHORED: Final = re.compile(rb"\|https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that an entry can stand for.

    Args:
        kind: of the entry.
        text: of the entry.
        exception: it takes the address out instead.
    """

    kind: EntryKind
    text: str
    exception: bool


def parse_rule(line: bytes, maker: Maker) -> Rule | None:
    """Return what a rule says; None for an empty line and a comment.

    Raises:
        Refusal: no entry can stand for it.
    """
    text = checked_length(line).strip()
    if not text or (text.startswith(b"[") and text.endswith(b"]")):
        return None
    if text.startswith(b"!#"):
        raise Refusal("a directive of an ad blocker")
    if text.startswith(b"!"):
        return None
    if _COSMETIC.search(text):
        raise Refusal("hides parts of pages")
    if text.startswith(b"#"):
        return None
    exception = text.startswith(b"@@")
    pattern = _without_options(text[2:] if exception else text)
    if pattern.startswith(b"/") and pattern.endswith(b"/"):
        raise Refusal("a regular expression")
    kind, entry = _pattern(pattern, maker)
    return Rule(kind, entry, exception)


def _without_options(text: bytes) -> bytes:
    found = _OPTIONS.search(text)
    if found is None:
        return text
    if not _WHOLE.issuperset(found[1].lower().split(b",")):
        raise Refusal("its options narrow it to what a network cannot see")
    return text[: found.start()]


def _pattern(pattern: bytes, maker: Maker) -> tuple[EntryKind, str]:
    if pattern.startswith(b"||"):
        return _domain(_plain(pattern[2:].removesuffix(b"|")), maker)
    if _ANCHORED.match(pattern):
        ended = pattern.endswith(b"|")
        return _anchored(_plain(pattern[1:].removesuffix(b"|")), maker, ended=ended)
    if b"." in pattern and not pattern.startswith((b".", b"-", b"|", b"*")) and b"/" not in pattern:
        address = maker.parse(_plain(pattern))
        return EntryKind.HOST, _host(address.host)
    raise Refusal("a pattern of a part of an address")


def _domain(body: bytes, maker: Maker) -> tuple[EntryKind, str]:
    address = maker.parse(body)
    if b"/" not in body and b"?" not in body:
        whole = is_ip(address.host) or address.port is not None
        return EntryKind.HOST if whole else EntryKind.DOMAIN, _host(address.host)
    return EntryKind.PREFIX, listed_text(address)


def _anchored(body: bytes, maker: Maker, *, ended: bool) -> tuple[EntryKind, str]:
    address = maker.parse(body)
    if address.path == "/" and address.query is None and not ended:
        return EntryKind.HOST, _host(address.host)
    return EntryKind.EXACT, listed_text(address)


def _plain(body: bytes) -> bytes:
    """Return a pattern without the signs at its end that change nothing for an entry."""
    body = body.removesuffix(b"^*").removesuffix(b"^")
    if body.endswith(b"/*"):
        body = body[:-1]
    if b"*" in body or b"^" in body or b"|" in body:
        raise Refusal("a wildcard inside an address")
    if b"@" in body.partition(b"/")[0]:
        raise Refusal("a user name before the host")
    return body


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
