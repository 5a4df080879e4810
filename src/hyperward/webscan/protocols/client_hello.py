"""What a TLS ClientHello says about where the client wants to go. Pure: a handshake message in, a value out.

Names are kept as written. RFC 6066, section 3, allows one; a list with more is refused by OpenSSL and BoringSSL, but
not by every server, so all of them are given. A message whose extensions are broken is read up to the break: a server
that refuses it serves nothing, and one that does not reads the same names.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hyperward.webscan.protocols.model import Request, WebProtocol

CLIENT_HELLO = 1
"""HandshakeType of a ClientHello (RFC 8446, 4)."""
HANDSHAKE_HEADER = 4
"""Bytes of type and length before the body of a handshake message."""
MAX_HELLO = 65536
"""Bytes of a ClientHello at most; real ones have 200 to 2,500."""

_SERVER_NAME, _EARLY_DATA = 0, 42  # RFC 6066, 3; RFC 8446, 4.2.10
_ENCRYPTED_HELLO = 0xFE0D  # RFC 9849, 5
_ENCRYPTED_NAME = 0xFFCE  # draft-ietf-tls-esni-02 to -06, the form that Firefox 64 to 84 could send
_MAX_NAMES = 8
_FIXED = 34  # legacy_version and random

PUBLIC_NAMES = frozenset((b"cloudflare-ech.com", b"cover.defo.ie", b"ech-public.atmeta.com", b"public.tls-ech.dev"))
"""Outer names that servers publish for Encrypted Client Hello and that are no site of their own.

The first is of Cloudflare, which serves nearly all sites that offer it; the others are of Meta and of two public test
sites.
"""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What was read.

    Args:
        names: host names of the server_name extension, distinct, in order; empty when there is none.
        hides_name: another name than these is hidden, see `_hides_name`.
        early_data: the client may send encrypted records before the server answers.
    """

    names: tuple[bytes, ...]
    hides_name: bool = False
    early_data: bool = False

    def requests(self, protocol: WebProtocol) -> tuple[Request, ...]:
        """Return one request for each name, or one without host when there is no name."""
        return tuple(Request(protocol, host=name, encrypted_hello=self.hides_name) for name in self.names or (b"",))


def parse_client_hello(message: bytes) -> ClientHello:
    """Read a ClientHello.

    Args:
        message: the handshake message with its header of four bytes; what follows the declared length is ignored.

    Raises:
        ValueError: it is not a complete ClientHello.
    """
    if len(message) < HANDSHAKE_HEADER or message[0] != CLIENT_HELLO:
        raise ValueError("no ClientHello")
    end = HANDSHAKE_HEADER + int.from_bytes(message[1:4], "big")
    if end > len(message):
        raise ValueError(f"a ClientHello of {end} bytes, of which {len(message)} are there")
    try:
        at = HANDSHAKE_HEADER + _FIXED
        at += 1 + message[at]  # legacy_session_id
        at += 2 + (message[at] << 8 | message[at + 1])  # cipher_suites
        at += 1 + message[at]  # legacy_compression_methods
    except IndexError:
        raise ValueError("the ClientHello ends within its fixed part") from None
    if at > end:
        raise ValueError("the ClientHello ends within its fixed part")
    names: dict[bytes, None] = {}
    encrypted = plainly_hidden = early = False
    for kind, data in _extensions(message, at + 2, end):
        if kind == _SERVER_NAME:
            names.update(dict.fromkeys(_host_names(data)))
        elif kind == _ENCRYPTED_HELLO:
            encrypted = True
        elif kind == _ENCRYPTED_NAME:
            plainly_hidden = True
        elif kind == _EARLY_DATA:
            early = True
    kept = tuple(names)[:_MAX_NAMES]
    return ClientHello(kept, plainly_hidden or (encrypted and _hides_name(kept)), early)


def _hides_name(names: tuple[bytes, ...]) -> bool:
    """Tell whether a ClientHello with an encrypted_client_hello extension hides another name, as far as can be told.

    The extension alone says nothing: a client that knows no key of the server sends a random one (GREASE, RFC 9849,
    6.2), made so that nobody on the path can tell it from a real one, and the browsers do so on every connection. To
    report or reset all of those would be noise, or the end of browsing. What differs is the outer name: with GREASE it
    is the site that the client wants; with a real one it is the public name from the server's configuration, which at
    the large providers is one name made for this and no site. So the outer name decides. What remains unseen: a server
    whose public name is an ordinary site; that name is judged as any other.
    """
    return any(name.rstrip(b".").lower() in PUBLIC_NAMES for name in names)


def _extensions(message: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= end:
        kind = message[at] << 8 | message[at + 1]
        stop = at + 4 + (message[at + 2] << 8 | message[at + 3])
        if stop > end:
            return
        yield kind, message[at + 4 : stop]
        at = stop


def _host_names(data: bytes) -> Iterator[bytes]:
    """Yield the names of type host_name (0) from a ServerNameList; other types have the same form (RFC 6066, 3)."""
    at = 2
    while at + 3 <= len(data):
        stop = at + 3 + (data[at + 1] << 8 | data[at + 2])
        if stop > len(data):
            return
        if data[at] == 0:
            yield data[at + 3 : stop]
        at = stop
