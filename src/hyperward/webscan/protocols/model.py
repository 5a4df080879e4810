"""What the parsers of client bytes have in common: the request they find, and how much of a stream they want to see.

Offsets count the bytes of the client's stream from its start (0).
"""

from enum import StrEnum
from typing import Protocol as Interface

import msgspec


class WebProtocol(StrEnum):
    """Where a name was read; the names of the policy's `protocols`."""

    HTTP = "http"
    TLS = "tls"
    QUIC = "quic"
    DNS = "dns"


class Request(msgspec.Struct, frozen=True, gc=False):
    """What a client asks for, as it wrote it: not canonical yet, and hostile.

    Args:
        protocol: where it was read.
        host: name or address, as written, without a port where the protocol keeps that apart; empty when unknown.
        target: path and query as written; None where the protocol has no path.
        method: of an HTTP request; empty elsewhere.
        version: `1.0`, `1.1`, `2` of HTTP; empty elsewhere.
        stream: of HTTP/2; 0 elsewhere.
        encrypted_hello: the name is of the outer ClientHello and another one is hidden (Encrypted Client Hello).
        query_id: number of a DNS query; 0 elsewhere.
    """

    protocol: WebProtocol
    host: bytes
    target: bytes | None = None
    method: bytes = b""
    version: str = ""
    stream: int = 0
    encrypted_hello: bool = False
    query_id: int = 0


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A request whose head is complete and ends at offset `end` (exclusive)."""

    request: Request
    end: int


class Body(msgspec.Struct, frozen=True, gc=False):
    """Bytes up to offset `until` (exclusive) need no look.

    What was not fed before `until` is not missing: the next `feed` may begin at any offset up to `until`, and the
    parser skips what is before it.
    """

    until: int


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The rest of the stream needs no look; `why` is one line for the debug log."""

    why: str


Step = Asked | Body | Finished


class ClientStream(Interface):
    """An incremental parser of what a client sends on one connection. Never raises on any input."""

    @property
    def decided(self) -> int:
        """Offset up to which every byte belongs to a complete head, a body or a finished stream.

        Bytes from here on are held back until more is known.
        """

    def feed(self, offset: int, data: bytes) -> list[Step]:
        """Take the next bytes of the stream in order and return what they show.

        Args:
            offset: of `data[0]`; equal to the end of what was fed before, or beyond it within a `Body`.
            data: may be any length, also 1.
        """
