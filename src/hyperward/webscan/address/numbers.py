"""IP addresses as hosts: every notation that a browser's parser takes, in one canonical form.

IPv4 as the WHATWG URL standard reads it (section "IPv4 parser"): one to four numbers, each decimal, octal (`0...`) or
hexadecimal (`0x...`), the last one filling what is left. IPv6 as RFC 5952 writes it, except that an address which only
carries an IPv4 one is written as that one, since the connection goes there: IPv4-mapped (RFC 4291, section 2.5.5.2)
and the well-known prefix of NAT64 (RFC 6052, section 2.1). A zone (RFC 6874) means something on one machine only and
is left out.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_DOTTED: Final = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?=.)|\Z)){4}")
_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_MAPPED: Final = 0xFFFF
_NAT64: Final = 0x64FF9B << 64
_PARTS: Final = 4
_LONGEST: Final = 256
"""Characters of the longest host that is tried as a number: a name is at most 253 long."""


def ipv4(host: str) -> str | None:
    """Return a lower-case ASCII host as dotted decimal, or None when it is no IPv4 address in any notation."""
    if _DOTTED.fullmatch(host):
        return host
    if len(host) > _LONGEST:
        return None
    texts = host.split(".")
    if len(texts) > _PARTS:
        return None
    values = [_number(text) for text in texts]
    *first, last = values
    if last is None or last >= 256 ** (_PARTS + 1 - len(values)):
        return None
    address = last
    for place, value in enumerate(first):
        if value is None or value > 0xFF:  # noqa: PLR2004 - a byte
            return None
        address += value << 8 * (3 - place)
    return str(IPv4Address(address))


def ipv6(text: str) -> str | None:
    """Return the text between the brackets in its canonical form, or None when it is no IPv6 address."""
    text = text.partition("%")[0]
    if not _IPV6.fullmatch(text):
        return None
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return None
    number = int(address)
    if number >> 32 in (_MAPPED, _NAT64):
        return str(IPv4Address(number & 0xFFFFFFFF))
    return address.compressed


def is_ip(host: str) -> bool:
    """Tell whether a canonical host is an IPv4 or IPv6 address."""
    return ":" in host or _DOTTED.fullmatch(host) is not None


def _number(text: str) -> int | None:
    if not _NUMBER.fullmatch(text):
        return None
    if text[:2] in ("0x", "0X"):
        return int(text[2:] or "0", 16)
    if text[0] == "0" and len(text) > 1:
        try:
            return int(text, 8)
        except ValueError:
            return None
    return int(text)
