"""Several databases asked as one: those of the operator's own lists beside those that come with updates."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from hyperward.webscan.address.model import Address
from hyperward.webscan.database.database import Database
from hyperward.webscan.database.model import Match
from hyperward.webscan.database.order import exactness


class Layers:
    """Databases, the most important first. To switch versions, make another one and let the old one go."""

    def __init__(self, databases: Iterable[Database]) -> None:
        self.databases = tuple(databases)

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
            DatabaseError: a file was changed after it was opened.
            ValueError: a database is closed.
        """
        found = [match for database in self.databases for match in database.lookup(address)]
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
