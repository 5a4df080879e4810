"""What a flow may ask while it decides."""

import re
from dataclasses import dataclass
from typing import Final, Protocol

from hyperward.webscan.protocols.model import Request
from hyperward.webscan.scanner.frames import Packet
from hyperward.webscan.scanner.verdict import Verdict

_START: Final = re.compile(
    rb"\x16\x03[\x00-\x04]"  # TLS handshake record
    rb"|(?:\r?\n){0,4}[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} +[/*\[0-9A-Za-z]"  # request line, also `PRI * HTTP/2.0`
)


def looks_like_start(data: bytes) -> bool:
    """Tell whether `data` may begin a TLS connection, or a request of HTTP/1 or HTTP/2."""
    return _START.match(data) is not None


@dataclass(frozen=True, slots=True)
class Blocked:
    """A request that is blocked.

    Args:
        packet: that completed it.
        request: what was asked for.
        verdict: why it is blocked.
        event: id of the event.
        message: bytes of the request.
        is_first: whether the other end has sent nothing on the connection yet.
    """

    packet: Packet
    request: Request
    verdict: Verdict
    event: str
    message: bytes
    is_first: bool = False


class Around(Protocol):
    """The world of a flow."""

    def judge(self, packet: Packet, request: Request) -> Verdict:
        """Return what is to be done with a request."""

    def acknowledged(self, packet: Packet) -> int | None:
        """Return what the other end acknowledged last; None where it said nothing yet, or nobody knows."""

    def answer(self, blocked: Blocked) -> bytes | None:
        """Return what the VM gets for a blocked request; None for a reset."""

    def event_id(self) -> str:
        """Return an id for an event."""
