"""The databases that a scanner has open: those that can be opened, whatever the others are like."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperward.errors import HyperwardError, InputError
from hyperward.webscan.database import Database, open_database
from hyperward.webscan.scanner.status import Identity, identity

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class OpenDatabases:
    """Open databases in the order in which they are asked.

    Args:
        held: by path, with what the file was when it was opened.
        unusable: why a file cannot be used, by path; what was open under that path before is still in `held`.
    """

    held: dict[str, tuple[Identity, Database]]
    unusable: dict[str, str]

    def versions(self) -> dict[str, str]:
        """Return the version of each by its path."""
        return {path: database.version for path, (_, database) in self.held.items()}

    def close_all_but(self, kept: "OpenDatabases") -> None:
        """Close those that `kept` does not hold."""
        staying = {id(database) for _, database in kept.held.values()}
        for _, database in self.held.values():
            if id(database) not in staying:
                database.close()


NOTHING_OPEN = OpenDatabases({}, {})


def reopened(paths: Sequence[str], before: OpenDatabases) -> OpenDatabases:
    """Open what is not open yet or is another file now; never raises for what the files hold.

    Args:
        paths: of the files.
        before: what is open; a file whose replacement cannot be used stays, unless it is the same file, overwritten.
    """
    held = dict[str, tuple[Identity, Database]]()
    unusable = dict[str, str]()
    for path in paths:
        known = before.held.get(path)
        try:
            now = _identity(path)
            held[path] = known if known and known[0] == now else (now, open_database(Path(path)))
        except HyperwardError as error:
            unusable[path] = error.line()[:LONGEST_REASON]
        except Exception as fault:  # noqa: BLE001 - one database must not end the scan under the others
            unusable[path] = f"{path}: {type(fault).__name__}: {fault}"[:LONGEST_REASON]
        if path in unusable and known and not _changed_in_place(path, known[0]):
            held[path] = known
            unusable[path] += f"; version {known[1].version} is still used"
    return OpenDatabases(held, unusable)


def _changed_in_place(path: str, known: Identity) -> bool:
    try:
        return _identity(path)[:2] == known[:2]
    except InputError:
        return False  # gone: what is open is whole


def _identity(path: str) -> Identity:
    try:
        return identity(Path(path))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=path) from None
