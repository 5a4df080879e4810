"""Names and sizes that a manifest may use. Pure checks; every manifest is hostile until it passed them."""

import re
from typing import Final

MAX_FILES: Final = 4096
"""Files of one version."""
MAX_FILE_BYTES: Final = 512 << 20
"""One file, expanded."""
MAX_TOTAL_BYTES: Final = 2 << 30
"""All files of one version, expanded."""
MAX_MANIFEST_BYTES: Final = 4 << 20
MAX_VERSION: Final = (1 << 53) - 1
"""Largest version number: the integers that every JSON reader keeps (RFC 8259, section 6)."""
MAX_TEXT: Final = 1024
"""Length of a label, licence, address or title."""

_PART: Final = r"[A-Za-z0-9][A-Za-z0-9_+.-]{0,99}"
_PATH: Final = re.compile(rf"{_PART}(?:/{_PART}){{0,7}}")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_TIME: Final = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ")
_PRODUCT: Final = re.compile(r"\d{1,6}(?:\.\d{1,6}){0,3}")


def path_problem(path: str) -> str:
    """Return why this is no path inside a version, or an empty text."""
    if not _PATH.fullmatch(path):
        return f"the path {path[:120]!r} is not one inside the version (letters, digits, _ + . - and single slashes)"
    return ""


def identifier_problem(what: str, value: str) -> str:
    """Return why this is no id of a list, category or source, or an empty text."""
    return "" if _IDENTIFIER.fullmatch(value) else f"{what} {value[:120]!r} is no id (letters, digits, _ . : -)"


def sha256_problem(value: str) -> str:
    """Return why this is no SHA-256 in hexadecimal, or an empty text."""
    return "" if _SHA256.fullmatch(value) else f"{value[:80]!r} is no SHA-256 in lower-case hexadecimal"


def time_problem(value: str) -> str:
    """Return why this is no UTC time of RFC 3339 with whole seconds, or an empty text."""
    return "" if _TIME.fullmatch(value) else f"{value[:80]!r} is no time like 2026-01-31T12:00:00Z"


def text_problem(what: str, value: str) -> str:
    """Return why this may not stand as a label, licence or title, or an empty text."""
    if len(value) > MAX_TEXT:
        return f"{what} is longer than {MAX_TEXT} characters"
    return "" if value.isprintable() else f"{what} contains control characters"


def product_number(value: str) -> tuple[int, ...] | None:
    """Return the numbers of a product version such as `0.1.0`, None where it is none."""
    if not _PRODUCT.fullmatch(value):
        return None
    numbers = tuple(int(part) for part in value.split("."))
    return numbers + (0,) * (4 - len(numbers))
