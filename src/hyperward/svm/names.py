"""What an SVM may be called."""

import re

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FALLBACK = "svm"


def check_svm_name(text: str) -> str:
    """Return `text` when it can be the name of an SVM.

    Raises:
        ValueError: it is not 1 to 63 letters, digits, '.', '_' or '-', or does not start with a letter or digit.
    """
    if not _NAME.fullmatch(text):
        raise ValueError(
            "not a name: 1 to 63 letters, digits, '.', '_', '-', first a letter or digit; shorten or change it"
        )
    return text


def svm_name_of(hostname: str) -> str:
    """Return the name an SVM has by default: the host's, less what a name cannot have."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", hostname).lstrip("._-")[:63]
    return name or _FALLBACK
