"""What a VM gets instead of an answer to a blocked request, in the protocol in which it asked. Pure."""

from typing import Final

from hyperward.webscan.protocols.dns import answer as dns_answer
from hyperward.webscan.protocols.http2_answer import block_response
from hyperward.webscan.protocols.model import Request, WebProtocol
from hyperward.webscan.settings import WebScan

TLS_ALERT: Final = bytes.fromhex("15 0303 0002 02 31")
"""A fatal alert `access_denied` (RFC 8446, section 6.2)."""
_HEADERS: Final = (
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("x-content-type-options", "nosniff"),
)
_LENGTH_BYTES: Final = 2


def http1_response(page: bytes, *, method: bytes) -> bytes:
    """Return a complete response with status 403 that closes the connection; to HEAD it has no body."""
    lines = [
        "HTTP/1.1 403 Forbidden",
        *(f"{name}: {value}" for name, value in _HEADERS),
        f"content-length: {len(page)}",
        "connection: close",
        "\r\n",
    ]
    head = "\r\n".join(lines).encode("ascii")
    return head if method == b"HEAD" else head + page


def dns_response(message: bytes, scan: WebScan) -> bytes:
    """Return the answer to a query over UDP."""
    return dns_answer(message, sinkhole4=scan.sinkhole4, sinkhole6=scan.sinkhole6)


def tcp_answer(request: Request, page: bytes, message: bytes, scan: WebScan, *, is_first: bool) -> bytes | None:
    """Return what the VM gets over TCP; None for a reset.

    Args:
        request: that is blocked.
        page: for a browser.
        message: bytes of the request.
        scan: settings of the policy.
        is_first: whether the other end has sent nothing yet.
    """
    if request.protocol is WebProtocol.TLS:
        return TLS_ALERT
    if request.protocol is WebProtocol.DNS:
        answer = dns_response(message[_LENGTH_BYTES:], scan)
        return len(answer).to_bytes(_LENGTH_BYTES, "big") + answer if answer else None
    if request.version == "2":
        html = b"" if request.method == b"HEAD" else page
        return block_response(request.stream, html, settings_needed=is_first)
    return http1_response(page, method=request.method)
