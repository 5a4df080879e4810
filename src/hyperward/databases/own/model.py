"""What the operator's own files are, and what became of them. Values."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from hyperward.webscan.lists.model import ListOptions


class OwnState(StrEnum):
    """Of an own file."""

    VALID = "valid"
    WARNING = "warning"
    """Some of it was refused; the rest is in force."""
    INVALID = "invalid"
    """Nothing of it can be used; the last good content stays in force, if there was any."""


class OwnKind(StrEnum):
    """What an own file holds."""

    RULES = "rules"
    ADDRESSES = "addresses"


@dataclass(frozen=True, slots=True)
class OwnAddresses:
    """An own list, and how to read it."""

    path: Path
    options: ListOptions


class OwnProblem(msgspec.Struct, frozen=True):
    """Something in an own file that cannot be used.

    Args:
        place: `file:line`, or the file.
        reason: why.
        text: the beginning of what is there; may be empty.
    """

    place: str
    reason: str
    text: str = ""


class OwnReport(msgspec.Struct, frozen=True):
    """What became of an own file.

    Args:
        path: of the operator's file.
        kind: what it holds.
        state: what it amounts to.
        used: rules or entries that are usable.
        refused: rules or lines that are not.
        problems: the first of them.
        digest: SHA-256 of the content that was looked at; empty when it could not be read.
        kept: the last good content is in force instead of this one.
    """

    path: str
    kind: OwnKind
    state: OwnState
    used: int = 0
    refused: int = 0
    problems: tuple[OwnProblem, ...] = ()
    digest: str = ""
    kept: bool = False


def state_of(used: int, refused: int) -> OwnState:
    """Return what counts amount to; a file that says nothing at all is valid."""
    if not refused:
        return OwnState.VALID
    return OwnState.WARNING if used else OwnState.INVALID
