"""Several databases asked as one: those of the operator's own lists beside those that come with updates."""

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from hyperward.webscan.address.model import Address
from hyperward.webscan.database.database import Database
from hyperward.webscan.database.errors import DatabaseError
from hyperward.webscan.database.model import Match
from hyperward.webscan.database.order import exactness


class Layers:
    """Databases, the most important first. To switch versions, make another one and let the old one go.

    Args:
        databases: to ask.
        damaged: is told of a database that turns out to be damaged, whose place the others then take; None lets the
            lookup fail.
    """

    def __init__(self, databases: Iterable[Database], damaged: Callable[[DatabaseError], None] | None = None) -> None:
        self.databases = tuple(databases)
        self._damaged = damaged

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def lookup(self, address: Address) -> tuple[Match, ...]:
        """Return all entries of all databases for an address, the most exact first.

        Of entries that are equally exact (same kind, host and path), those of the earlier database come first.

        Raises:
            DatabaseError: a file was changed after it was opened, and nobody wants to be told instead.
            ValueError: a database is closed.
        """
        found: list[Match] = []
        for database in self.databases:
            try:
                found += database.lookup(address)
            except DatabaseError as error:
                if self._damaged is None:
                    raise
                self._damaged(error)
        if len(found) > 1:
            found.sort(key=lambda match: exactness(match.entry)[:3])
        return tuple(found)

    def may_list(self, host: str) -> bool:
        """Tell whether an entry of any database may stand for some address on a host; False is certain.

        Raises:
            ValueError: a database is closed.
        """
        return any(database.may_list(host) for database in self.databases)

    def close(self) -> None:
        """Close all databases; later lookups raise ValueError."""
        for database in self.databases:
            database.close()
