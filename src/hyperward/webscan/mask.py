"""One address mask, as `never_block` and the operator's own lists write it.

| mask | stands for |
|---|---|
| `example.com` | the host, `www.` before it, every path |
| `*.example.com` | every host below it, every path |
| `example.com/path/*` | the host, `www.` before it, every path in that folder |
| `example.com/path` | this one path, with any query; with `?query` only that one |
| `192.0.2.1`, `[2001:db8::1]` | the address as a host, in any notation; a path may follow |
| `192.0.2.0/24`, `2001:db8::/32` | every address of the subnet |
"""

import re
from dataclasses import dataclass
from typing import Final, NoReturn

from hyperward.policy.networks import parse_network
from hyperward.webscan.address import AddressError, canonical_host
from hyperward.webscan.address.numbers import is_ip
from hyperward.webscan.address.path import canonical_path

MAX_LENGTH: Final = 2048
"""Characters of a mask: the longest addresses that browsers of all makers take."""
MAX_NAME: Final = 253
"""Characters of a host name: the 255 octets of RFC 1035, section 2.3.4, as they are written."""

_SUBNET: Final = re.compile(r"[0-9]+(?:\.[0-9]+){3}/[0-9]+|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:/[0-9]+)?")
_STRANGE: Final = re.compile(r"[^\w.*/?:\[\]%!$&'()+,;=~{}|^`\"<>@-]|[#\\]")
_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")
_SUBDOMAINS: Final = "*."
_FOLDER: Final = "/*"


@dataclass(frozen=True, slots=True)
class AddressMask:
    """What a mask stands for.

    Args:
        text: as it was written.
        host: canonical; empty for a subnet.
        below: the hosts below `host` are meant, and not itself.
        network: subnet in CIDR notation; empty for a host.
        path: canonical; empty for every path; ends with `/*` for a folder; with `?query` for one query only.
    """

    text: str
    host: str = ""
    below: bool = False
    network: str = ""
    path: str = ""


def parse_mask(text: str) -> AddressMask:
    """Return what a mask stands for.

    Raises:
        ValueError: it is no mask; the message has the position, counted from 1, and says what to write.
    """
    if not text:
        raise ValueError("a mask is empty; write a name such as example.com")
    if len(text) > MAX_LENGTH:
        _refuse(text, MAX_LENGTH, f"the mask is longer than {MAX_LENGTH} characters", "cut it behind a folder: /path/*")
    if _SUBNET.fullmatch(text):
        return _subnet(text)
    _check_signs(text)
    below = text.startswith(_SUBDOMAINS)
    start = len(_SUBDOMAINS) if below else 0
    end = min((place for sign in "/?" if (place := text.find(sign, start)) >= 0), default=len(text))
    host = _host(text, start, end)
    if below and is_ip(host):
        _refuse(text, 0, "an address has no subdomains", "write a subnet such as 192.0.2.0/24")
    return AddressMask(text, host, below, path=_path(text, end))


def _subnet(text: str) -> AddressMask:
    try:
        network = parse_network(text)
    except ValueError as error:
        place = text.find("/") + 1 if "bits set" in str(error) else 0
        _refuse(text, place, str(error))
    if network.prefixlen == network.max_prefixlen:
        return AddressMask(text, canonical_host(str(network.network_address)))
    return AddressMask(text, network=str(network))


def _check_signs(text: str) -> None:
    strange = _STRANGE.search(text)
    if strange is not None:
        hint = "a mask has no part behind '#'" if strange[0] == "#" else f"write it as {_escaped(strange[0])} in a path"
        _refuse(text, strange.start(), f"{strange[0]!a} cannot be in a mask", hint)
    scheme = text.find("://")
    if scheme >= 0:
        _refuse(text, scheme, "a mask has no scheme", f"write {text[scheme + 3 :]}")
    star = text.find("*", 1 if text.startswith(_SUBDOMAINS) else 0)
    if star >= 0 and not (star == len(text) - 1 and text.endswith(_FOLDER)):
        _refuse(
            text, star, "'*' cannot be here", "write '*.' at the start for subdomains, '/*' at the end for a folder"
        )


def _host(text: str, start: int, end: int) -> str:
    written = text[start:end]
    if not written:
        _refuse(text, start, "there is no host", "write a name such as example.com, or an address")
    for sign, hint in (("@", "write the host without a user"), ("%", "write the host without escapes")):
        if sign in written:
            _refuse(text, start + written.index(sign), f"{sign!r} cannot be in a host", hint)
    if written[0] == ".":
        _refuse(text, start, "a host does not begin with a dot", f"write *{written} for the subdomains")
    if ".." in written:
        _refuse(text, start + written.index("..") + 1, "a host has no empty label", "remove a dot")
    try:
        host = canonical_host(written)
    except AddressError as error:
        _refuse(text, start, error.what)
    if ":" in written and not is_ip(host):
        _refuse(text, start + written.index(":"), "a mask has no port, and this is no IPv6 address", "remove it")
    if not is_ip(host):
        _check_name(text, start, written, host)
    return host


def _check_name(text: str, start: int, written: str, host: str) -> None:
    if len(host) > MAX_NAME:
        _refuse(text, start + MAX_NAME, f"a host name has at most {MAX_NAME} characters")
    labels = host.split(".")
    for number, label in enumerate(labels):
        if not _LABEL.fullmatch(label):
            given = written.split(".")
            place = start + sum(len(part) + 1 for part in given[:number]) if len(given) == len(labels) else start
            _refuse(text, place, "this is no label of a host name", "write letters, digits and '-', at most 63")


def _path(text: str, start: int) -> str:
    written = text[start:]
    if not written or written == _FOLDER:
        return ""
    folder = written.endswith(_FOLDER)
    path, query = canonical_path(written.removesuffix("*").encode())
    if query is None:
        return f"{path}*" if folder else path
    if folder:
        _refuse(text, start + max(written.find("?"), 0), "a folder has no query", "remove it, or the '*'")
    return f"{path}?{query}"


def _escaped(sign: str) -> str:
    return "".join(f"%{byte:02X}" for byte in sign.encode("utf-8", "replace"))


def _refuse(text: str, place: int, what: str, hint: str = "") -> NoReturn:
    cut = text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - one line
    told = f"{cut!a}, character {place + 1}: {what}"
    raise ValueError(f"{told}; {hint}" if hint else told)
