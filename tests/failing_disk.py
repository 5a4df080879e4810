"""A disk on which the power goes off, or the room runs out, at a chosen step."""

import errno
import os
from pathlib import Path

from hyperward.databases.disk import Disk


class PowerCut(BaseException):
    """Nothing runs after this, no handler either."""


class CutDisk(Disk):
    """The power goes off at a primitive step: a write is half done, anything else has not happened.

    Args:
        at: number of the step, counted from 0; -1 never.
    """

    def __init__(self, at: int = -1) -> None:
        self.at = at
        self.steps = 0

    def _cut(self) -> bool:
        self.steps += 1
        return self.steps - 1 == self.at

    def _step(self) -> None:
        if self._cut():
            raise PowerCut

    def put(self, descriptor: int, content: bytes) -> None:
        if self._cut():
            os.write(descriptor, content[: len(content) // 2])
            raise PowerCut
        super().put(descriptor, content)

    def sync(self, descriptor: int) -> None:  # noqa: ARG002 - what is written stays: the test is about the order of steps
        self._step()

    def move(self, source: Path, target: Path) -> None:
        self._step()
        super().move(source, target)

    def unlink(self, path: Path) -> None:
        self._step()
        super().unlink(path)

    def make_folder(self, path: Path, mode: int) -> None:
        self._step()
        super().make_folder(path, mode)

    def clear(self, path: Path) -> None:
        if self._cut():
            for inside in sorted(path.rglob("*")):
                if inside.is_file():
                    inside.unlink()
                    break
            raise PowerCut
        super().clear(path)


class FullDisk(Disk):
    """No room for contents that are longer than some bytes."""

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def put(self, descriptor: int, content: bytes) -> None:
        if len(content) > self.longest:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().put(descriptor, content)
