"""The starter content: rules and test addresses of the package, in force before there is any version of databases."""

from pathlib import Path
from typing import Final

from hyperward.databases.contents import Contents, Listed
from hyperward.databases.entrylines import print_entries
from hyperward.databases.manifest import EntriesFile, content_id
from hyperward.files import write_atomically
from hyperward.ips.rules.data import starter_rules_path
from hyperward.webscan.lists.model import ListFormat, ListOptions, ReadReport
from hyperward.webscan.lists.read import read_list

CATEGORIES: Final = ("malicious", "phishing", "advertising", "other")
LICENCE: Final = "Apache-2.0"
_FOLDER: Final = Path(__file__).resolve().parent


def addresses_path(category: str) -> Path:
    """Return the package's list of test addresses of a category."""
    return _FOLDER / "addresses" / f"{category}.txt"


def starter_contents(folder: Path) -> Contents:
    """Return the starter content, its addresses in the form of a version.

    Args:
        folder: for the files of addresses; made where it is missing.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return Contents(0, "", (starter_rules_path(),), tuple(_listed(category, folder) for category in CATEGORIES))


def _listed(category: str, folder: Path) -> Listed:
    options = ListOptions(category=category, list_id=f"starter-{category}", format=ListFormat.PLAIN, folders=True)
    text = print_entries(read_list(addresses_path(category), options, ReadReport(category)))
    path = folder / f"{options.list_id}.addresses"
    if not path.is_file() or path.read_bytes() != text:
        write_atomically(path, text, mode=0o644)
    file = EntriesFile(
        path=f"addresses/{path.name}",
        sha256=content_id(text),
        size=len(text),
        category=category,
        list_id=options.list_id,
        count=text.count(b"\n"),
        source="starter",
        licence=LICENCE,
    )
    return Listed(path, file)
