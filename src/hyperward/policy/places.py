"""Places in the inventory tree: datacenter, cluster, host, folder, pool, written like `/dc1/cluster2/host3`."""

from collections.abc import Iterator

ROOT = "/"
MAX_PLACE = 1024
MAX_DEPTH = 32


def parse_place(text: str) -> str:
    """Return a place in the inventory tree.

    Raises:
        ValueError: not a path from the root, too long or too deep, or a part of it is empty or cannot be read safely.
    """
    if not text.startswith(ROOT):
        raise ValueError("a path in the inventory tree starts with '/'; write it like /dc1/cluster2/host3")
    if text == ROOT:
        return text
    if len(text) > MAX_PLACE or text.count("/") > MAX_DEPTH:
        raise ValueError(f"at most {MAX_PLACE} characters and {MAX_DEPTH} levels are allowed; shorten it")
    for part in text[1:].split("/"):
        if not part:
            raise ValueError("an empty part between or behind slashes; remove the slash")
        if part in {".", ".."} or part != part.strip() or not part.isprintable():
            raise ValueError("a part is '.' or '..', has spaces at its ends or unprintable characters; write it out")
    return text


def depth(place: str) -> int:
    """Return how many levels a place lies below the root."""
    return 0 if place == ROOT else place.count("/")


def upwards(place: str) -> Iterator[str]:
    """Yield a place and all that it lies in, up to the root; nothing for an empty text."""
    while place and place != ROOT:
        yield place
        place = place.rpartition("/")[0] or ROOT
    if place:
        yield ROOT
