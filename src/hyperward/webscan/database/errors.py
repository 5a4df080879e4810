"""The one error that callers of the address database tell apart."""

from hyperward.errors import InputError


class DatabaseError(InputError):
    """An address database file is missing, damaged, truncated or of another format. It is not used."""
