"""Bytes of a stream that were judged, kept until the other end has acknowledged them. Pure.

What a sender sends again must be what it sent before: the receiver may not have got the first one, and would believe
the second.
"""

from typing import Final

from hyperward.webscan.scanner.sequence import ahead

MAX_BYTES: Final = 160_000
"""More than the longest head (64 KB) and what is in flight behind it."""
MAX_PIECES: Final = 2_048


class Kept:
    """Judged pieces in the order of the stream; the last bytes of it may be missing where a body passed by itself."""

    __slots__ = ("_pieces", "bytes")

    def __init__(self) -> None:
        self._pieces: list[tuple[int, bytes]] = []
        self.bytes = 0

    def __len__(self) -> int:
        """Return how many pieces are kept."""
        return len(self._pieces)

    def add(self, seq: int, data: bytes) -> None:
        """Keep a piece that follows all others."""
        self._pieces.append((seq, data))
        self.bytes += len(data)

    def is_full(self) -> bool:
        """Tell whether nothing more should be taken before something was acknowledged."""
        return self.bytes >= MAX_BYTES or len(self._pieces) >= MAX_PIECES

    def acknowledged(self, ack: int) -> None:
        """Forget pieces that end before `ack`."""
        gone = 0
        for seq, data in self._pieces:
            if ahead(ack, seq) < len(data):
                break
            self.bytes -= len(data)
            gone += 1
        del self._pieces[:gone]

    def agrees(self, seq: int, data: bytes, ack: int | None) -> bool:
        """Tell whether `data` at `seq` is what is kept of there; what lies before `ack` does not count any more."""
        for start, piece in self._pieces:
            at = ahead(start, seq)  # where the piece begins in data
            begin, end = max(at, 0), min(at + len(piece), len(data))
            if ack is not None:
                begin = max(begin, ahead(ack, seq))
            if begin < end and data[begin:end] != piece[begin - at : end - at]:
                return False
        return True

    def last(self, count: int) -> bytes:
        """Return the last `count` bytes, fewer where they are not kept any more."""
        pieces: list[bytes] = []
        for _, data in reversed(self._pieces):
            if count <= 0:
                break
            pieces.append(data[-count:])
            count -= len(data)
        return b"".join(reversed(pieces))
