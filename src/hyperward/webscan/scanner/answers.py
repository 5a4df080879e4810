"""What a VM gets instead of an answer to a blocked request, in the protocol in which it asked. Pure."""

from typing import Final

from hpack import Encoder
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, SettingsFrame

from hyperward.webscan.protocols.dns import answer as dns_answer
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
_MAX_FRAME: Final = 16_384
"""SETTINGS_MAX_FRAME_SIZE before a client says otherwise (RFC 9113, section 6.5.2)."""
_MAX_WINDOW: Final = 65_535
"""Bytes of bodies before a client grants more (RFC 9113, section 6.9.2)."""
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


def http2_response(page: bytes, *, method: bytes, stream: int) -> bytes:
    """Return what an HTTP/2 server sends first, a response with status 403 on the stream, and its farewell.

    It is right only as long as the other end has not sent any header: header compression has a state.
    """
    page = page[:_MAX_WINDOW]
    length = ("content-length", str(len(page)))
    block = Encoder().encode([(":status", "403"), *_HEADERS, length])
    headers = HeadersFrame(stream, block, flags=["END_HEADERS"])
    frames = [SettingsFrame(0), SettingsFrame(0, flags=["ACK"]), headers]
    if method == b"HEAD":
        headers.flags.add("END_STREAM")
    else:
        frames += [DataFrame(stream, page[at : at + _MAX_FRAME]) for at in range(0, max(1, len(page)), _MAX_FRAME)]
        frames[-1].flags.add("END_STREAM")
    frames.append(GoAwayFrame(0, last_stream_id=stream))
    return b"".join(frame.serialize() for frame in frames)


def dns_response(message: bytes, scan: WebScan) -> bytes:
    """Return the answer to a query over UDP."""
    return dns_answer(message, sinkhole4=scan.sinkhole4, sinkhole6=scan.sinkhole6)


def tcp_answer(request: Request, page: bytes, message: bytes, scan: WebScan) -> bytes | None:
    """Return what the VM gets over TCP; None for a reset."""
    if request.protocol is WebProtocol.TLS:
        return TLS_ALERT
    if request.protocol is WebProtocol.DNS:
        answer = dns_response(message[_LENGTH_BYTES:], scan)
        return len(answer).to_bytes(_LENGTH_BYTES, "big") + answer if answer else None
    if request.version == "2":
        return http2_response(page, method=request.method, stream=request.stream)
    return http1_response(page, method=request.method)
