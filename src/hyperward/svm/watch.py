"""Notice that files changed, by looking: works on every file system and with every way an editor saves."""

from collections.abc import Iterable
from pathlib import Path

LOOK_SECONDS = 0.2
"""Time between two looks; a handful of stat calls."""

_Mark = tuple[int, int, int]


class FileWatch:
    """Remembers size, time and inode of files.

    Args:
        paths: the files; one that is missing is a state like any other.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._marks: list[_Mark | None] | None = self._look()

    def forget(self) -> None:
        """Make the next look find a change whatever it sees."""
        self._marks = None

    def changed(self) -> bool:
        """Tell whether any file is another than at the last call."""
        marks = self._look()
        changed, self._marks = marks != self._marks, marks
        return changed

    def _look(self) -> list[_Mark | None]:
        marks: list[_Mark | None] = []
        for path in self._paths:
            try:
                status = path.stat()
            except OSError:
                marks.append(None)
            else:
                marks.append((status.st_ino, status.st_size, status.st_mtime_ns))
        return marks
