"""JSON from outside to typed values, with one kind of error whatever is wrong.

msgspec itself raises three that have no common base of its own: DecodeError, UnicodeDecodeError and RecursionError.
"""

from typing import TypeVar

import msgspec

_Value = TypeVar("_Value")


def from_json(raw: bytes | bytearray | str, kind: type[_Value]) -> _Value:
    """Return the value in a JSON text.

    Raises:
        ValueError: it is not JSON, not UTF-8, nested too deeply, or of another shape; says which.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except RecursionError:
        raise ValueError("nested too deeply") from None
