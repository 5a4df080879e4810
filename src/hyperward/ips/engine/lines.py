"""Bytes of a growing file to complete lines with their offsets. Pure."""

from dataclasses import dataclass
from typing import Final

NEWLINE: Final = b"\n"


@dataclass(frozen=True, slots=True)
class Line:
    """A complete line without its newline, and where it begins in the file."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Split:
    """What a piece of a file holds.

    Args:
        lines: complete lines that are short enough.
        too_long: offsets of lines (also of the begun one) that are too long.
        consumed: bytes that need not be read again.
        skipping: whether the piece ends within a line that is too long.
    """

    lines: list[Line]
    too_long: list[int]
    consumed: int
    skipping: bool


def split(data: bytes, offset: int, *, skipping: bool, max_line: int) -> Split:
    """Cut a piece of a file into lines.

    Args:
        data: the piece.
        offset: where it begins in the file.
        skipping: whether it begins within a line that is too long.
        max_line: bytes of the longest line that is taken.
    """
    lines: list[Line] = []
    too_long: list[int] = []
    position = 0
    if skipping:
        end = data.find(NEWLINE)
        if end < 0:
            return Split(lines, too_long, len(data), skipping=True)
        position = end + 1
    while (end := data.find(NEWLINE, position)) >= 0:
        if end - position > max_line:
            too_long.append(offset + position)
        else:
            lines.append(Line(offset + position, data[position:end]))
        position = end + 1
    if len(data) - position > max_line:
        too_long.append(offset + position)
        return Split(lines, too_long, len(data), skipping=True)
    return Split(lines, too_long, position, skipping=False)
