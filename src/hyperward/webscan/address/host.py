"""The host of a web address in canonical form.

Percent-escapes decoded, non-ASCII names mapped by UTS #46 (non-transitional, as browsers do) and written in Punycode,
lower case, no empty label, IP addresses in one notation. What no browser would resolve (invalid UTF-8, code points
that UTS #46 refuses, characters that no host has) is kept, escaped: it is what the client wrote, and an entry for it
would have to be written the same way.
"""

import re
from typing import Final

import idna

from hyperward.webscan.address.errors import AddressError, shown
from hyperward.webscan.address.escapes import decode, escape
from hyperward.webscan.address.numbers import ipv4, ipv6

MAX_LENGTH: Final = 65_536
"""Bytes of the longest text that is looked at: the longest request head."""

_PLAIN: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*+)\.)++[a-z][a-z0-9-]*+")
_UNSAFE: Final = re.compile(rb"[\x00-\x20\x7f-\xff#%/:<>?@\[\\\]^|]")
_DOTS: Final = re.compile(rb"\.\.+")
_LONGEST_NAME: Final = 1024
"""Characters of the longest non-ASCII name that is mapped; a name in DNS has at most 253."""


def canonical_host(host: str | bytes) -> str:
    """Return a host in canonical form: lower-case ASCII, dotted IPv4, or IPv6 without brackets.

    Args:
        host: a name or an address in any notation, without a port; IPv6 with or without brackets.

    Raises:
        AddressError: it is empty or longer than `MAX_LENGTH`.
    """
    if isinstance(host, str):
        if _PLAIN.fullmatch(host) and len(host) <= MAX_LENGTH:
            return host
        host = to_bytes(host)
    if len(host) > MAX_LENGTH:
        raise AddressError(f"the host has {len(host)} bytes, more than {MAX_LENGTH}", where=shown(host))
    # Before anything depends on it, so that the canonical form of the canonical form is the same.
    decoded = _without_empty_labels(decode(host))
    if b":" in decoded:
        address = ipv6(_unbracketed(decoded).decode("utf-8", "replace"))
        if address is not None:
            return address
    name = _without_empty_labels(_ascii_name(decoded))
    if not name:
        raise AddressError("there is no host", where=shown(host), hint="write a name or an address")
    written = escape(name, _UNSAFE)
    return ipv4(written) or written


def to_bytes(text: str) -> bytes:
    """Return a text as UTF-8, lone surrogates replaced as browsers do."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _without_empty_labels(host: bytes) -> bytes:
    return _DOTS.sub(b".", host).strip(b".")


def _unbracketed(host: bytes) -> bytes:
    return host[1:-1] if host[:1] == b"[" and host[-1:] == b"]" else host


def _ascii_name(host: bytes) -> bytes:
    """Return a name mapped and in Punycode, or itself in lower case where that cannot be done."""
    if host.isascii():
        return host.lower()
    try:
        mapped = _to_ascii(host.decode())
    except UnicodeError:
        return host.lower()
    return mapped or host.lower()


def _to_ascii(name: str) -> bytes:
    """Return a non-ASCII name mapped and in Punycode; empty when it maps to what no host may have.

    Raises:
        UnicodeError: UTS #46 does not allow it.
    """
    if len(name) > _LONGEST_NAME:
        return b""
    mapped = idna.uts46_remap(name, std3_rules=False)
    if len(mapped) > _LONGEST_NAME:
        return b""
    labels = [label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in mapped.split(".")]
    text = ".".join(labels).encode()
    # A sign that only the mapping brought in, such as a full-width percent, must not be taken for an escape.
    return b"" if _UNSAFE.search(text) else text
