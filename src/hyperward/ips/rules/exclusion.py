"""Which rules an operator turned off: by number as an event prints it, or by a mask over the rule's name."""

import fnmatch
import re
from dataclasses import dataclass

from hyperward.errors import InputError
from hyperward.ips.rules.rule import Rule

_MAX_LENGTH = 256
_MAX_NUMBER = (1 << 32) - 1
_NUMBERS = re.compile(r"[0-9:]+\Z")
_WILDCARDS = frozenset("*?")
_EXAMPLES = "write gid:sid:rev, gid:sid or a rule name with * and ?"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One row of `excluded_rules`. Make it with `parse_exclusion`.

    Attributes:
        text: as the operator wrote it.
        gid: generator number, 0 for a mask.
        sid: signature number, 0 for a mask.
        rev: revision number; None when any revision is meant.
        pattern: the mask as a regular expression over the lower-cased name, empty for numbers.
    """

    text: str
    gid: int = 0
    sid: int = 0
    rev: int | None = None
    pattern: str = ""

    def matches(self, rule: Rule) -> bool:
        """Tell whether the rule is meant."""
        if self.pattern:
            return re.match(self.pattern, rule.msg.lower()) is not None
        return (self.gid, self.sid) == rule.id[:2] and self.rev in {None, rule.id.rev}


def parse_exclusion(text: str) -> Exclusion:
    """Read `gid:sid:rev`, `gid:sid` or a mask over the rule's name (`*`, `?`, `[a-z]`; cases are the same).

    Raises:
        InputError: the text is none of these; the message says at which character.
    """
    if len(text) > _MAX_LENGTH:
        raise _bad(text, _MAX_LENGTH, f"longer than {_MAX_LENGTH} characters")
    for position, letter in enumerate(text):
        if not letter.isprintable():
            raise _bad(text, position, "a control character")
    stripped = text.strip()
    if not stripped:
        raise _bad(text, 0, "empty")
    if _NUMBERS.match(stripped):
        return _numbers(stripped)
    if set(stripped) <= _WILDCARDS | {" "}:
        raise InputError(
            "a mask of wildcards alone would turn every rule off",
            where=f"excluded rule {text!r}, character 1",
            hint="disable the class of rules instead",
        )
    opened = stripped.find("[")
    while opened >= 0:
        closed = stripped.find("]", opened + 2)
        if closed < 0:
            raise _bad(text, text.index(stripped) + opened, "a bracket that is not closed")
        opened = stripped.find("[", closed)
    return Exclusion(stripped, pattern=fnmatch.translate(stripped.lower()))


def _numbers(text: str) -> Exclusion:
    parts = text.split(":")
    if len(parts) not in {2, 3}:
        raise _bad(text, 0, "not two or three numbers with colons between them")
    numbers: list[int] = []
    position = 0
    for part, smallest in zip(parts, (1, 1, 0), strict=False):
        if not part or not smallest <= int(part) <= _MAX_NUMBER:
            raise _bad(text, position, f"not a number from {smallest} to {_MAX_NUMBER}")
        numbers.append(int(part))
        position += len(part) + 1
    gid, sid, *rev = numbers
    return Exclusion(text, gid, sid, rev[0] if rev else None)


def _bad(text: str, position: int, what: str) -> InputError:
    shown = text if len(text) <= _MAX_LENGTH else f"{text[:40]}..."
    return InputError(what, where=f"excluded rule {shown!r}, character {position + 1}", hint=_EXAMPLES)
