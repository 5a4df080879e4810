"""Playing bytes into a parser of a client's stream, in pieces, as a network and the kernel may hand them over."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from hyperward.webscan.protocols.model import Asked, Body, ClientStream, Finished, Step


@dataclass(frozen=True)
class Played:
    """What a stream showed."""

    asked: tuple[Asked, ...]
    decided: int
    why: str = ""

    @property
    def names(self) -> list[bytes]:
        return [asked.request.host for asked in self.asked]

    @property
    def lines(self) -> list[tuple[bytes, bytes, bytes | None]]:
        return [(one.request.method, one.request.host, one.request.target) for one in self.asked]


def play(make: Callable[[], ClientStream], data: bytes, cuts: Iterable[int] = (), *, skip: bool = False) -> Played:
    """Feed the bytes in pieces that end at `cuts`.

    Args:
        make: returns a fresh parser.
        data: the whole stream.
        cuts: offsets; those outside the stream, and repeated ones, do not count.
        skip: as the kernel does, hand over no piece that lies within a body.

    Raises:
        AssertionError: the stream breaks a promise that holds for any input.
    """
    stream = make()
    steps: list[Step] = []
    until = 0
    for begin, end in pairwise((0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data))):
        if skip and end <= until:
            continue
        before = stream.decided
        found = stream.feed(begin, data[begin:end])
        steps += found
        for step in found:
            if isinstance(step, Body):
                until = step.until
            if isinstance(step, Asked) and not before < step.end <= min(end, stream.decided):
                raise AssertionError(f"{step} in the piece {begin} to {end}, decided {stream.decided}")
        if stream.decided < before:
            raise AssertionError(f"took back what was decided: {before} to {stream.decided}")
    asked = tuple(step for step in steps if isinstance(step, Asked))
    ends = [step.why for step in steps if isinstance(step, Finished)]
    if len(ends) > 1 or (ends and not isinstance(steps[-1], Finished)):
        raise AssertionError(f"goes on after its end: {steps}")
    return Played(asked, stream.decided, "".join(ends))
