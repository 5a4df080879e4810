"""The sites of the lab's outside host, and the address database that lists some of them. All names are made up.

They are below `.test` and `.example`, which nobody can own (RFC 2606); the lab's DNS server answers for them.
"""

from pathlib import Path
from typing import Final

from hyperward.webscan.database.model import Entry, EntryKind

MALWARE: Final = "malware.hyperward.test"
PHISHING: Final = "phishing.hyperward.test"
LOGIN: Final = f"login.{PHISHING}"
POPULAR: Final = "popular.example"
ADVERTISING: Final = "banners.example"
CLEAN: Final = "www.hyperward.test"
OTHER_CLEAN: Final = "news.example"
SITES: Final = (MALWARE, PHISHING, LOGIN, POPULAR, ADVERTISING, CLEAN, OTHER_CLEAN)

MALWARE_ENTRY: Final = Entry(EntryKind.HOST, MALWARE, "malicious", "lab-malware", "1001")
PHISHING_ENTRY: Final = Entry(EntryKind.DOMAIN, PHISHING, "phishing", "lab-phishing", "2001")
PATH_ENTRY: Final = Entry(EntryKind.PREFIX, f"{POPULAR}/site/~mallory/", "malicious", "lab-malware", "1002")
ADVERTISING_ENTRY: Final = Entry(EntryKind.DOMAIN, ADVERTISING, "advertising", "lab-advertising", "3001")
ENTRIES: Final = (MALWARE_ENTRY, PHISHING_ENTRY, PATH_ENTRY, ADVERTISING_ENTRY)

VERSION: Final = "lab-1"
"""Of the database; every event names it."""


def build_database(path: Path) -> None:
    """Write the lab's address database to a file.

    Raises:
        SystemFault: it cannot be written.
    """
    from hyperward.webscan.database.builder import build

    build(ENTRIES, path, version=VERSION)
