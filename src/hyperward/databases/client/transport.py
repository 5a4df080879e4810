"""Where bytes come from. A driver only brings bytes: whether they are the right ones is decided elsewhere."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from hyperward.databases.errors import SourceFault


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a file: it begins at byte `start`, whatever was asked for, and goes on until the file's end."""

    start: int
    chunks: Iterator[bytes]


class NotThereFault(SourceFault):
    """The source is there, the file is not."""


class Transport(Protocol):
    """A driver. `place` names the source in errors, without secrets."""

    place: str

    def open(self, path: str, offset: int = 0) -> AbstractContextManager[Piece]:
        """Open a file of the repository.

        Args:
            path: relative, with slashes.
            offset: byte to begin at, when the source can do that.

        Raises:
            NotThereFault: no such file.
            SlowSourceFault: it sends too slowly.
            SourceFault: anything else; reading from the piece may raise the same.
        """

    def close(self) -> None:
        """Let go of connections."""


class Counting:
    """Another driver, and the bytes that came through it.

    Args:
        inner: that driver.
    """

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.place = inner.place
        self.moved = 0

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[Piece]:
        """Open a file of the repository."""
        with self._inner.open(path, offset) as piece:
            yield Piece(piece.start, self._counted(piece.chunks))

    def close(self) -> None:
        """Let go of connections."""
        self._inner.close()

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.moved += len(chunk)
            yield chunk


class StubTransport:
    """Twin for tests: files in memory.

    Args:
        files: content by path; a test changes it at will.
        resumes: whether it can begin elsewhere than at the start.
    """

    place = "stub"

    def __init__(self, files: dict[str, bytes], *, resumes: bool = True) -> None:
        self.files = files
        self.resumes = resumes
        self.asked: list[tuple[str, int]] = []

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[Piece]:
        """Open a file of the repository."""
        self.asked.append((path, offset))
        if path not in self.files:
            raise NotThereFault(f"there is no {path}", where=self.place)
        start = offset if self.resumes and offset <= len(self.files[path]) else 0
        yield Piece(start, iter((self.files[path][start:],)))

    def close(self) -> None:
        """Nothing to let go of."""
