"""How a policy names rules to exclude: `gid:sid:rev`, `gid:sid`, or a mask of rule names."""

import re

from hyperward.policy.masks import MAX_MASK, literal_characters

_MAX_NUMBER = 2**32 - 1
_LOOKS_LIKE_ID = re.compile(r"\s*[-+]?[0-9]+\s*(?::.*)?")
_ID = re.compile(r"([0-9]{1,10}):([0-9]{1,10})(?::([0-9]{1,10}))?")
# "ET *" is fine; "*" or "?*" would switch off a whole feature by accident.
_MIN_LITERALS = 2


def parse_rule_reference(text: str) -> str:
    """Return a rule reference in canonical form: numbers without leading zeros, masks as they are.

    Raises:
        ValueError: not an id, or a mask that is empty, too long or matches nearly everything.
    """
    if _LOOKS_LIKE_ID.fullmatch(text):
        return _parse_id(text)
    if text != text.strip() or not text.isprintable():
        raise ValueError("a rule name has spaces at its ends or unprintable characters; remove them")
    if len(text) > MAX_MASK:
        raise ValueError(f"a rule name mask has at most {MAX_MASK} characters; shorten it with *")
    if literal_characters(text) < _MIN_LITERALS:
        raise ValueError("the mask excludes nearly every rule; switch the feature off instead")
    return text


def _parse_id(text: str) -> str:
    found = _ID.fullmatch(text)
    if not found:
        raise ValueError("not a rule id; write gid:sid or gid:sid:rev as the event prints it, such as 1:2001219:5")
    numbers = [int(part) for part in found.groups() if part is not None]
    if any(number > _MAX_NUMBER for number in numbers) or 0 in numbers[:2]:
        raise ValueError(f"not a rule id: gid and sid go from 1 to {_MAX_NUMBER}; copy it from the event")
    return ":".join(str(number) for number in numbers)
