"""The path and the query of a web address in canonical form.

As Safe Browsing does: percent-escapes are decoded until none is left, then path and query are told apart, `.` and `..`
resolved, runs of slashes made one, and what has to be is escaped once. A backslash in a path is a slash, because
browsers and some servers take it so.
"""

import re
from typing import Final

from hyperward.webscan.address.escapes import decode, encode

_SLASHES: Final = re.compile(rb"//+")


def canonical_path(target: bytes) -> tuple[str, str | None]:
    """Return path and query of a target such as `/a/../b?c`; the query is None when there is no `?`.

    Args:
        target: what follows host and port, without a fragment; a slash is put before it where it has none.
    """
    decoded = decode(target)
    path, mark, query = decoded.partition(b"?")
    return encode(_resolved(path)), encode(query) if mark else None


def _resolved(path: bytes) -> bytes:
    path = path.replace(b"\\", b"/")
    if not path.startswith(b"/"):
        path = b"/" + path
    if b"/." in path:
        segments: list[bytes] = []
        parts = path[1:].split(b"/")
        for segment in parts:
            if segment == b"..":
                del segments[-1:]
            elif segment != b".":
                segments.append(segment)
        if parts[-1] in (b".", b".."):
            segments.append(b"")
        path = b"/" + b"/".join(segments)
    return _SLASHES.sub(b"/", path) if b"//" in path else path
