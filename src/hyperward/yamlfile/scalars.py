"""What an unquoted scalar means: the core schema of YAML 1.2 (section 10.3), less what surprises people.

Left out on purpose: octal, hexadecimal and sexagesimal numbers, fractions, infinities, timestamps and the booleans of
YAML 1.1 (`yes`, `no`, `on`, `off`). They stay the text that was written.
"""

import re

_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
# 18 digits always fit into 64 bits; no setting is larger.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")


def plain_scalar(text: str) -> str | int | bool | None:
    """Return the value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _INTEGER.fullmatch(text) else text
