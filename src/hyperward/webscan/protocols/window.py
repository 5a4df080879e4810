"""The bytes of a client's stream that a parser has not read yet, and their place in the stream."""

from sys import maxsize

FOREVER = maxsize
"""Offset that no stream reaches: where a finished stream is decided up to."""


class Window:
    """Bytes of a stream from offset `start` on, of which those before index `pos` are read.

    Args:
        start: offset of the first byte that will come.

    Attributes:
        start: offset of `data[0]`.
        data: bytes from there to the end of what came.
        pos: index of the first byte that is not read.
        until: offset up to which bytes are of no interest, whether they come or not.
    """

    __slots__ = ("data", "pos", "start", "until")

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.data: bytes | bytearray = b""
        self.pos = 0
        self.until = start

    @property
    def at(self) -> int:
        """Offset of the first byte that is not read."""
        return self.start + self.pos

    @property
    def end(self) -> int:
        """Offset after the last byte that came."""
        return self.start + len(self.data)

    def put(self, offset: int, data: bytes) -> bool:
        """Append bytes; what came before is not taken twice, what is before `until` is dropped.

        Returns:
            False when bytes are missing before `offset`; nothing is taken then.
        """
        end = self.start + len(self.data)
        if offset > end:
            if offset > self.until:
                return False
            self.start, self.data, self.pos = offset, b"", 0
        elif offset < end:
            data = data[end - offset :]
        if self.data:
            if isinstance(self.data, bytes):
                self.data = bytearray(self.data)
            self.data += data
        else:
            self.data = data
        if self.start < self.until:
            self.skip(self.until)
        return True

    def skip(self, until: int) -> bool:
        """Pass over everything up to `until`; whether that was reached."""
        self.until = until
        wanted = until - self.start
        if wanted <= len(self.data):
            self.pos = wanted
            return True
        self.start += len(self.data)
        self.data, self.pos = b"", 0
        return False

    def settle(self) -> None:
        """Let go of the bytes that were read."""
        pos = self.pos
        if not pos:
            return
        self.start += pos
        self.data = b"" if pos == len(self.data) else self.data[pos:]
        self.pos = 0

    def clear(self) -> None:
        """Let go of all bytes."""
        self.start += len(self.data)
        self.data, self.pos = b"", 0
