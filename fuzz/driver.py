"""Throws damaged inputs at a target: made from its seeds, the same ones for the same number, each within its time.

A module of a target has `SEEDS`, valid inputs, and `target(data)`, which raises on anything wrong; it may have
`TOKENS`, pieces worth putting anywhere.
"""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

MAX_SECONDS = 1.0
"""CPU time for one input, which has at most `MAX_BYTES`: a hundred times what the slowest one takes."""
MAX_BYTES = 8192
MAX_GROWTH = 64 << 20
"""Bytes that the process may grow by after the first tenth of the inputs."""
_MAX_CHANGES = 6
_EDGES = (
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff",
    b"\x00\x00",
    b"\x40\x00",
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
)


@dataclass(frozen=True)
class Report:
    """What a run took.

    Args:
        inputs: that were tried.
        slowest: CPU seconds of the slowest one.
        grown: bytes that the process grew by after its first tenth.
    """

    inputs: int
    slowest: float
    grown: int


class Found(Exception):  # noqa: N818 - what a fuzzer is for
    """An input that the code under test does something wrong with; the cause is chained."""

    def __init__(self, number: int, data: bytes, why: str) -> None:
        super().__init__(f"input {number}: {why}\n{data!r}")
        self.data = data


def run(
    target: Callable[[bytes], object],
    seeds: Sequence[bytes],
    inputs: int,
    *,
    tokens: Sequence[bytes] = (),
    seed: int = 1,
    told: Callable[[int], None] = lambda _number: None,
) -> Report:
    """Try that many inputs, the seeds themselves first.

    Args:
        target: raises on anything wrong.
        seeds: valid inputs.
        inputs: how many to try.
        tokens: pieces worth putting anywhere.
        seed: the same one makes the same inputs.
        told: called with the number of each input that went well.

    Raises:
        Found: at the first one that goes wrong.
    """
    slowest, resident = 0.0, 0
    for number, data in enumerate(_inputs(seeds, (*tokens, *_EDGES), inputs, Random(seed))):  # noqa: S311 - no secret
        begin = time.thread_time()
        try:
            target(data)
        except Exception as error:
            raise Found(number, data, f"{type(error).__name__}: {error}") from error
        spent = time.thread_time() - begin
        slowest = max(slowest, spent)
        if spent > MAX_SECONDS:
            raise Found(number, data, f"{spent:.1f} s")
        if number == inputs // 10:
            resident = _resident()
        told(number)
    grown = max(0, _resident() - resident)
    if grown > MAX_GROWTH:
        raise Found(inputs, b"", f"the process grew by {grown >> 20} MB")
    return Report(inputs, slowest, grown)


def _inputs(seeds: Sequence[bytes], tokens: Sequence[bytes], count: int, random: Random) -> Iterator[bytes]:
    yield from seeds[:count]
    for _ in range(count - len(seeds)):
        data = bytearray(random.choice(seeds))
        for _ in range(random.randint(1, _MAX_CHANGES)):
            _change(data, random, seeds, tokens)
        yield bytes(data[:MAX_BYTES])


def _change(data: bytearray, random: Random, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    """Change something somewhere."""
    at = random.randint(0, len(data))
    size = min(random.choice((1, 1, 2, 4, 16, 64)), len(data) - at)
    match random.randrange(8):
        case 0 if size:
            data[at] ^= 1 << random.randrange(8)
        case 1 if size:
            data[at] = random.randrange(256)
        case 2:
            data[at:at] = random.choice(tokens)
        case 3:
            data[at : at + size] = random.choice(tokens)
        case 4:
            del data[at : at + size]
        case 5:
            place = random.randint(0, len(data))
            data[place:place] = data[at : at + size]
        case 6:
            other = random.choice(seeds)
            data[at:] = other[random.randint(0, len(other)) :]
        case _:
            data[at:at] = random.choice(seeds)


def _resident() -> int:
    """Return the most memory that the process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
