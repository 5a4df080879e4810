"""TCP sequence numbers: 32 bits that wrap around (RFC 9293, section 3.4). Pure."""

from typing import Final

MASK: Final = 0xFFFFFFFF
HALF: Final = 0x80000000


def ahead(number: int, of: int) -> int:
    """Return by how much `number` is ahead of `of`, negative where it is behind: from -2^31 to 2^31 - 1."""
    return ((number - of + HALF) & MASK) - HALF
