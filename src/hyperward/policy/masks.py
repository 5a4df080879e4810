"""Name masks: text in which `*` stands for any characters and `?` for one."""

import fnmatch
import re

WILDCARDS = "*?"
MAX_MASK = 255


def is_mask(text: str) -> bool:
    """Tell whether `text` has a wildcard; without one it is an exact name."""
    return any(sign in text for sign in WILDCARDS)


def literal_characters(mask: str) -> int:
    """Return how many characters of a mask are not wildcards: the more, the more specific it is."""
    return sum(sign not in WILDCARDS for sign in mask)


def compile_mask(mask: str) -> re.Pattern[str]:
    """Return a mask as a pattern for `match`. Case matters.

    fnmatch's translation does not backtrack between the parts of a mask, so that no mask makes matching slow. Its
    bracket sets are switched off, because names may have brackets.
    """
    return re.compile(fnmatch.translate(mask.replace("[", "[[]")))
