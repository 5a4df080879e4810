"""Which requests a server can read in the fields of an HTTP/2 header block. Pure."""

from hyperward.webscan.protocols.model import Request, WebProtocol

_MAX_VALUES = 4  # of each name; servers refuse a second one, or take the first or the last


def requests(fields: list[tuple[bytes, bytes]], stream: int) -> tuple[Request, ...]:
    """Return the requests of a header block; none for trailers.

    `:authority` and a `host` that differs are both returned, as servers differ in which they take (RFC 9113, 8.3.1). A
    CONNECT has a target only when it is an extended one (RFC 8441).
    """
    hosts = _values(fields, b":authority", b"host")
    methods = _values(fields, b":method")
    paths: tuple[bytes | None, ...] = _values(fields, b":path")
    if not any(name.startswith(b":") for name, _ in fields):
        return ()
    method = methods[0] if methods else b""
    if not paths:
        paths = (None,) if method == b"CONNECT" else (b"/",)
    return tuple(
        Request(WebProtocol.HTTP, host, path, method, "2", stream) for host in hosts or (b"",) for path in paths
    )


def _values(fields: list[tuple[bytes, bytes]], *names: bytes) -> tuple[bytes, ...]:
    """Return the distinct values of the named fields, the first and the last ones."""
    values = tuple(dict.fromkeys(value.strip(b" \t") for name, value in fields if name.lower() in names))
    return values if len(values) <= 2 * _MAX_VALUES else values[:_MAX_VALUES] + values[-_MAX_VALUES:]
