"""The CRYPTO stream of an Initial space, put together from frames in any order. Pure, bounded.

A sender never says other bytes for an offset that it has used (RFC 9000, 2.2 and 19.6). Servers differ in which of two
versions they keep, so a frame that contradicts an earlier one is refused.
"""

from bisect import bisect_right

MAX_PIECES = 1024
"""Pieces that wait for what comes before them; Chromium cuts a hello into some ten to thirty."""


class CryptoPieces:
    """Bytes of a stream from its start.

    Args:
        limit: no byte at or beyond this offset is taken.
    """

    def __init__(self, limit: int) -> None:
        self.start = bytearray()
        """What is there without a gap from offset 0 on."""
        self._limit = limit
        self._offsets: list[int] = []
        self._pieces: list[bytes] = []

    @property
    def waiting(self) -> bool:
        """Whether there are bytes beyond a gap."""
        return bool(self._pieces)

    def add(self, offset: int, data: bytes) -> None:
        """Add the data of one frame.

        Raises:
            ValueError: it says other bytes than an earlier frame, is beyond the limit, or leaves too many pieces. What
                was there before stays.
        """
        end = offset + len(data)
        if end > self._limit:
            raise ValueError(f"CRYPTO data up to offset {end}, more than {self._limit}")
        known = len(self.start)
        overlap = min(end, known) - offset
        if overlap > 0:
            if self.start[offset : offset + overlap] != data[:overlap]:
                raise ValueError(f"CRYPTO frames contradict each other at offset {offset}")
            offset, data = offset + overlap, data[overlap:]
        if not data:
            return
        if offset == known and not self._pieces:
            self.start += data
            return
        self._insert(offset, data)
        self._join()

    def _insert(self, offset: int, data: bytes) -> None:
        """Put what is not there yet of the data among the waiting pieces."""
        at = max(bisect_right(self._offsets, offset) - 1, 0)
        while data and at < len(self._pieces):
            begin, piece = self._offsets[at], self._pieces[at]
            if begin >= offset + len(data):
                break
            before = max(begin - offset, 0)
            if before:
                self._put(at, offset, data[:before])
                at += 1
            offset, data = offset + before, data[before:]
            common = min(begin + len(piece) - offset, len(data))
            if common > 0:
                if piece[offset - begin : offset - begin + common] != data[:common]:
                    raise ValueError(f"CRYPTO frames contradict each other at offset {offset}")
                offset, data = offset + common, data[common:]
            at += 1
        if data:
            self._put(at, offset, data)

    def _put(self, at: int, offset: int, data: bytes) -> None:
        if len(self._pieces) == MAX_PIECES:
            raise ValueError(f"more than {MAX_PIECES} pieces of CRYPTO data beyond a gap")
        self._offsets.insert(at, offset)
        self._pieces.insert(at, data)

    def _join(self) -> None:
        """Move the pieces that have no gap before them any more."""
        count = 0
        for offset, piece in zip(self._offsets, self._pieces, strict=True):
            if offset != len(self.start):
                break
            self.start += piece
            count += 1
        del self._offsets[:count], self._pieces[:count]
