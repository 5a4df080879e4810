"""Event ids: UUIDs of version 7 (RFC 9562), so that they sort by time."""

import secrets
from datetime import datetime
from hashlib import blake2b
from typing import Final
from uuid import UUID

_RANDOM_BITS: Final = 74


def random_id(time: datetime) -> str:
    """Return an id that no other event has."""
    return _uuid7(time, secrets.randbits(_RANDOM_BITS))


def derived_id(time: datetime, source: str, offset: int, line: bytes) -> str:
    """Return the id of an event read from a file: the same again when the same place is read again.

    Args:
        time: of the event.
        source: which file.
        offset: where in the file the line begins.
        line: its bytes.
    """
    digest = blake2b(digest_size=16, person=b"hyperward-event")
    digest.update(f"{source}\0{offset}\0".encode())
    digest.update(line)
    return _uuid7(time, int.from_bytes(digest.digest(), "big") & ((1 << _RANDOM_BITS) - 1))


def _uuid7(time: datetime, bits: int) -> str:
    milliseconds = max(0, int(time.timestamp() * 1000)) & ((1 << 48) - 1)
    high, low = bits >> 62, bits & ((1 << 62) - 1)
    return str(UUID(int=(milliseconds << 80) | (7 << 76) | (high << 64) | (2 << 62) | low))
