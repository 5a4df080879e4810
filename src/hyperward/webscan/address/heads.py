"""The address that a request asks for, from the host and the target that its head carries (RFC 9112, section 3.2)."""

import re
from typing import Final

from hyperward.webscan.address.errors import AddressError, shown
from hyperward.webscan.address.host import MAX_LENGTH, canonical_host
from hyperward.webscan.address.model import Address
from hyperward.webscan.address.path import canonical_path
from hyperward.webscan.address.url import canonical, split_authority

_PLAIN_HOST: Final = re.compile(rb"(?:[a-z0-9_](?:[a-z0-9_-]*+)\.)++[a-z][a-z0-9-]*+")
_PLAIN_TARGET: Final = re.compile(
    rb"((?:/(?!\.)[!$&-.0-;=@-\[\]-~<>\"]++)*+/?+)"
    rb"(?:\?([!\"$&-~]*+))?+"
)
_ABSOLUTE: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*+://")
_AUTHORITY: Final = re.compile(rb"[^/\\?#@]+:[0-9]{1,5}")
_HTTP: Final = 80
_HTTPS: Final = 443


def from_request(host: bytes, target: bytes | None) -> Address:
    """Return the canonical address of a request.

    Args:
        host: the Host field, `:authority`, a server name of TLS or a name of a DNS query, as written; may have a port.
        target: the request target in any form: `/path?query`, `http://host/path` (whose host then counts, as RFC 9112
            section 3.2.2 demands of servers), `host:port` of CONNECT, `*`; anything else is taken for a path. None
            where the protocol has none.

    Returns:
        With an empty path when only a host is known (target None, `*`, `host:port`).

    Raises:
        AddressError: there is no host, or more than `MAX_LENGTH` bytes.
    """
    simple = _PLAIN_HOST.fullmatch(host) is not None and len(host) <= MAX_LENGTH
    if target is None:
        return Address(host.decode("ascii"), "") if simple else _host_only(host, None)
    if simple:
        plain = _PLAIN_TARGET.fullmatch(target)
        if plain is not None and len(target) <= MAX_LENGTH:
            path, query = plain.groups()
            known = None if query is None else query.decode("ascii")
            return Address(host.decode("ascii"), path.decode("ascii") or "/", known)
    if len(target) > MAX_LENGTH:
        raise AddressError(f"the target has {len(target)} bytes, more than {MAX_LENGTH}", where=shown(target))
    if target == b"*":
        return _host_only(host, _HTTP)
    if _ABSOLUTE.match(target):
        return canonical(target)
    if _AUTHORITY.fullmatch(target):
        return _host_only(target, _HTTPS)
    name, port = _split(host, _HTTP)
    path, query = canonical_path(target.partition(b"#")[0])
    return Address(canonical_host(name), path, query, port)


def _host_only(host: bytes, default: int | None) -> Address:
    name, port = _split(host, default)
    return Address(canonical_host(name), "", None, port)


def _split(host: bytes, default: int | None) -> tuple[bytes, int | None]:
    """Return host and port; a port that is none is left out, since a server may do so too."""
    try:
        return split_authority(host.strip(), default)
    except AddressError:
        return host.rpartition(b"@")[2].partition(b":")[0], None
