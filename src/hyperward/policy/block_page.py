"""The operator's own block page: HTML in which `{{address}}` and the like stand for what was blocked. Pure."""

import re
from typing import Final

MAX_TEMPLATE: Final = 32 * 1024
"""Characters of a page; the scanner sends it in one go."""
PLACEHOLDERS: Final = ("address", "category", "vm", "policy", "time", "event", "contact")
_PLACEHOLDER: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_SHOWN: Final = 40


def check_template(text: str) -> str:
    """Return the text of a block page when it can be used.

    Raises:
        ValueError: it is empty or too large, or has a placeholder that is not one of `PLACEHOLDERS`; the line is named.
    """
    if not text.strip():
        raise ValueError("must not be empty; remove the key for the page of the product")
    if len(text) > MAX_TEMPLATE:
        raise ValueError(f"has {len(text)} characters; at most {MAX_TEMPLATE} are allowed")
    for found in _PLACEHOLDER.finditer(text):
        if found[1].strip() not in PLACEHOLDERS:
            line = text.count("\n", 0, found.start()) + 1
            known = ", ".join(f"{{{{{name}}}}}" for name in PLACEHOLDERS)
            raise ValueError(f"no placeholder is called '{found[1].strip()[:_SHOWN]}' (line {line} of it); use {known}")
    return text
