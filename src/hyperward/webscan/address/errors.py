"""What a text is told that is no web address."""

from hyperward.errors import InputError

_SHOWN = 60


class AddressError(InputError):
    """A text is not a web address: it has no host, is too long, or its scheme has no host."""


def shown(text: str | bytes) -> str:
    """Return the start of a hostile text, printable and on one line."""
    start = text[: _SHOWN + 1]
    if isinstance(start, bytes):
        start = start.decode("utf-8", "backslashreplace")
    cut = start[:_SHOWN] + ("..." if len(start) > _SHOWN else "")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in cut)
