"""The words of a database that its records have by number: categories, lists; and its version."""

import msgspec

from hyperward.fromjson import from_json
from hyperward.webscan.database.limits import (
    MAX_ABOUT,
    MAX_CATEGORIES,
    MAX_LISTS,
    name_refusal,
)


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Version and words of one database.

    Args:
        version: of the whole database.
        categories: in alphabetical order; a record has the index.
        list_ids: in alphabetical order; a record has the index.
        about: what is said about lists, by list id.
    """

    version: str
    categories: tuple[str, ...]
    list_ids: tuple[str, ...]
    about: dict[str, str]

    def refusal(self) -> str:
        """Return why a database cannot have these words, as a phrase without a full stop; empty when it can."""
        if len(self.categories) > MAX_CATEGORIES:
            return f"there are {len(self.categories)} categories, at most {MAX_CATEGORIES} are possible"
        if len(self.list_ids) > MAX_LISTS or len(self.about) > MAX_LISTS:
            return f"there are more than {MAX_LISTS} lists"
        for name in (self.version, *self.categories, *self.list_ids, *self.about):
            if why := name_refusal(name):
                return f"{name[:40]!r}: {why}"
        for list_id, about in self.about.items():
            if len(about) > MAX_ABOUT or (about and not about.isprintable()):
                return f"what is said about list {list_id!r} must be printable and have at most {MAX_ABOUT} characters"
        return ""


def encode_names(names: Names) -> bytes:
    """Return the words as JSON, the same bytes for the same words."""
    return msgspec.json.encode(names, order="deterministic")


def decode_names(data: bytes) -> Names:
    """Return the words from JSON.

    Raises:
        ValueError: they are not what `encode_names` wrote.
    """
    names = from_json(data, Names)
    if why := names.refusal():
        raise ValueError(why)
    return names
