"""A whole web address in canonical form, from a text as lists, people and proxies write it.

The steps of Safe Browsing's canonicalisation ("URLs and Hashing"), with two points taken from browsers: host and path
are told apart before anything is decoded, so that an escaped `/` or `@` cannot move a path into the host; and a
backslash before the query is a slash.
"""

import re
from typing import Final

from hyperward.webscan.address.errors import AddressError, shown
from hyperward.webscan.address.host import MAX_LENGTH, canonical_host, to_bytes
from hyperward.webscan.address.model import Address
from hyperward.webscan.address.path import canonical_path

_PLAIN: Final = re.compile(
    r"(?:https?://)?+"
    r"((?:[a-z0-9_](?:[a-z0-9_-]*+)\.)++[a-z][a-z0-9-]*+)"
    r"((?:/(?!\.)[!$&-.0-;=@-\[\]-~<>\"]++)*+/?+)"
    r"(?:\?([!\"$&-~]*+))?+"
)
"""An address that is canonical as it is: no escape, dot segment, empty segment, port, and a name that is no number."""

_IGNORED: Final = re.compile(rb"[\t\r\n]")
_AROUND: Final = bytes(range(0x21))
_SCHEME: Final = re.compile(
    rb"([A-Za-z][A-Za-z0-9+.-]*+):(?=//)|(https?|wss?|ftp):(?![0-9]{1,5}(?:[/\\?]|\Z))", re.IGNORECASE
)
_OTHER_SCHEME: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+-]*+):(?![0-9]*+(?:[/\\?]|\Z))")
_BARE_IPV6: Final = re.compile(rb"[0-9A-Fa-f]*+:[0-9A-Fa-f]*+:[0-9A-Fa-f:.]*+(?=[/\\?]|\Z)")
_AUTHORITY_END: Final = re.compile(rb"[/\\?]")
_PORT: Final = re.compile(rb":([0-9]*+)\Z")
_SLASHES: Final = b"/\\"
_DEFAULT_PORTS: Final = {b"http": 80, b"ws": 80, b"https": 443, b"wss": 443, b"ftp": 21}
_LAST_PORT: Final = 65_535


def canonical(url: str | bytes) -> Address:
    """Return the canonical form of a web address; without a scheme it is taken for one of HTTP.

    Args:
        url: as written, of any origin; at most `MAX_LENGTH` bytes of UTF-8.

    Raises:
        AddressError: it has no host, a port that is none, a scheme without a host, or is too long.
    """
    if url.isascii() and len(url) <= MAX_LENGTH:
        plain = _PLAIN.fullmatch(url if isinstance(url, str) else url.decode("ascii"))
        if plain is not None:
            host, path, query = plain.groups()
            return Address(host, path or "/", query)
    if isinstance(url, str):
        url = to_bytes(url)
    if len(url) > MAX_LENGTH:
        raise AddressError(f"the address has {len(url)} bytes, more than {MAX_LENGTH}", where=shown(url))
    text = _IGNORED.sub(b"", url.strip(_AROUND)).partition(b"#")[0]
    scheme, rest = _without_scheme(text)
    end = _AUTHORITY_END.search(rest)
    cut = end.start() if end else len(rest)
    host, port = split_authority(rest[:cut], _DEFAULT_PORTS.get(scheme))
    path, query = canonical_path(rest[cut:])
    return Address(canonical_host(host), path, query, port)


def split_authority(authority: bytes, default: int | None) -> tuple[bytes, int | None]:
    """Return host and port of `user@host:port`; the port is None for the default one and where there is none.

    Raises:
        AddressError: what follows the colon is no port.
    """
    host = authority.rpartition(b"@")[2]
    if _BARE_IPV6.fullmatch(host):
        return host, None
    bracket = host.rfind(b"]")
    colon = host.find(b":", bracket + 1)
    if colon < 0:
        return host, None
    digits = _PORT.search(host, colon)
    if digits is None or digits.start() != colon:
        raise AddressError("what follows the host is not a port", where=shown(authority), hint="write HOST:NUMBER")
    number = int(digits[1][:6] or b"0")
    if number > _LAST_PORT or len(digits[1].lstrip(b"0")) > len(str(_LAST_PORT)):
        raise AddressError(f"the port is above {_LAST_PORT}", where=shown(authority))
    return host[:colon], number if digits[1] and number != default else None


def _without_scheme(text: bytes) -> tuple[bytes, bytes]:
    """Return the scheme in lower case, empty when there is none, and what follows the slashes after it."""
    found = _SCHEME.match(text)
    if found is not None:
        scheme = (found[1] or found[2]).lower()
        rest = text[found.end() :]
        # Browsers skip any number of slashes, of both kinds, after a scheme that has a host.
        return scheme, rest.lstrip(_SLASHES) if scheme in _DEFAULT_PORTS else rest[2:]
    other = _OTHER_SCHEME.match(text)
    if other is not None and not _BARE_IPV6.match(text):
        name = other[1].decode("ascii")
        raise AddressError(f"the scheme {shown(name)} has no host", where=shown(text), hint="write a web address")
    return b"", text.lstrip(_SLASHES) if text[:2] == b"//" else text
