"""Make a delta: which lines of the fresh file can be copied from the base. Pure and deterministic."""

import hashlib

from hyperward.databases.delta.format import FileDelta


def make_delta(base: bytes, result: bytes) -> FileDelta:
    """Return how `base` becomes `result`.

    A line is copied where the base has it: next in order if it stands there, else from the place of its last
    occurrence. That takes one pass and finds sorted files, moved blocks and repeated lines alike.
    """
    old, fresh = _lines(base), _lines(result)
    places = {line: number for number, line in enumerate(old)}
    operations: list[int] = []
    inserted: list[bytes] = []
    line = start = copied = waiting = 0  # the next line of the base; the run being copied; inserted bytes behind it
    before = 0  # where the run before ended
    for text in fresh:
        if not waiting and line < len(old) and old[line] == text:
            copied += 1
            line += 1
            continue
        place = line if line < len(old) and old[line] == text else places.get(text)
        if place is None:
            inserted.append(text)
            waiting += len(text)
            continue
        if copied or waiting:
            operations += (start - before, copied, waiting)
            before = start + copied
        start, copied, waiting, line = place, 1, 0, place + 1
    if copied or waiting:
        operations += (start - before, copied, waiting)
    return FileDelta(_sha256(base), _sha256(result), len(result), tuple(operations), b"".join(inserted))


def _lines(text: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in text.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
