"""Apply a delta. Pure; a hostile delta costs no more than the size that was signed."""

import hashlib
from typing import Final

import numpy as np

from hyperward.databases.delta.format import FileDelta

_NEWLINE: Final = 10


def line_starts(text: bytes) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return where each line begins, and behind it the end of the text."""
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == _NEWLINE) + 1
    starts = np.concatenate((np.zeros(1, dtype=np.int64), ends))
    return starts if starts[-1] == len(text) else np.append(starts, len(text))


def apply_delta(base: bytes, delta: FileDelta, *, size: int) -> bytes:
    """Return what the delta makes of the base.

    Args:
        base: the file to start from.
        delta: its section.
        size: bytes that may come out, as the manifest says.

    Raises:
        ValueError: the base is another one, the delta reaches outside of it, would make more than `size` bytes, or
            something else comes out than it promises.
    """
    if hashlib.sha256(base).hexdigest() != delta.base:
        raise ValueError("the delta starts from another file")
    if delta.size != size:
        raise ValueError(f"the delta makes {delta.size} bytes, where {size} were signed")
    starts = line_starts(base).tolist()
    lines = len(starts) - 1
    parts: list[bytes] = []
    line = used = made = 0
    for skip, copy, insert in zip(*[iter(delta.operations)] * 3, strict=True):
        line += skip
        if copy < 0 or insert < 0 or not 0 <= line <= line + copy <= lines or used + insert > len(delta.inserted):
            raise ValueError("the delta reaches outside of the file it starts from")
        made += starts[line + copy] - starts[line] + insert
        if made > size:
            raise ValueError(f"the delta makes more than the {size} bytes that were signed")
        parts += (base[starts[line] : starts[line + copy]], delta.inserted[used : used + insert])
        line += copy
        used += insert
    result = b"".join(parts)
    if used != len(delta.inserted) or len(result) != size or hashlib.sha256(result).hexdigest() != delta.result:
        raise ValueError("the delta makes another file than it promises")
    return result
