"""Which of several entries for one address says most about it. Pure."""

from hyperward.webscan.database.keys import split
from hyperward.webscan.database.model import Entry


def exactness(entry: Entry) -> tuple[int, int, int, str, str, str, str]:
    """Return what entries for one address are sorted by, the most exact first.

    EXACT before PREFIX before HOST before DOMAIN; then the longer host, then the longer path; what is still equal, by
    category, list, entry id and text.
    """
    host, path = split(entry.kind, entry.text) or ("", "")
    return -entry.kind, -len(host), -len(path), entry.category, entry.list_id, entry.entry_id, entry.text
