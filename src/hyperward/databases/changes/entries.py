"""Two versions of lists of addresses side by side, in memory that does not grow with them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

from hyperward.databases.changes.model import MAX_ENTRIES, Change, ListChange
from hyperward.databases.contents import Listed

Row = tuple[str, str, str]
"""List id, `added` or `removed`, and `KIND text`."""


def list_changes(
    before: Iterable[Listed], after: Iterable[Listed], tell: Callable[[Row], None] = lambda _: None
) -> Iterator[ListChange]:
    """Yield the lists of which anything changed, by id.

    Args:
        before: files in the form of `entrylines`: their lines are sorted.
        after: likewise.
        tell: gets every entry that was added or removed.

    Raises:
        OSError: a file cannot be read.
    """
    old, fresh = ({one.file.list_id: one for one in listed} for listed in (before, after))
    for name in sorted(old.keys() | fresh.keys()):
        was, now = old.get(name), fresh.get(name)
        if was is not None and now is not None and was.file.sha256 == now.file.sha256:
            if was.file.category != now.file.category:
                yield ListChange(name, now.file.category, was.file.count, now.file.count, 0, 0)
            continue
        yield _change(name, was, now, tell)


def _change(name: str, was: Listed | None, now: Listed | None, tell: Callable[[Row], None]) -> ListChange:
    added, removed = _Found(name, Change.ADDED, tell), _Found(name, Change.REMOVED, tell)
    with ExitStack() as stack:
        for change, line in walk(_lines(was, stack), _lines(now, stack)):
            (added if change is Change.ADDED else removed).add(line)
    present = now or was
    return ListChange(
        list=name,
        category=present.file.category if present is not None else "",
        before=was.file.count if was is not None else 0,
        after=now.file.count if now is not None else 0,
        added=added.count,
        removed=removed.count,
        first_added=tuple(added.first),
        first_removed=tuple(removed.first),
    )


def walk(before: Iterator[bytes], after: Iterator[bytes]) -> Iterator[tuple[Change, bytes]]:
    """Yield the lines of only one of two sorted sequences; of each, one is held at a time."""
    old, fresh = next(before, None), next(after, None)
    while old is not None or fresh is not None:
        if fresh is None or (old is not None and old < fresh):
            yield Change.REMOVED, old or b""
            old = next(before, None)
        elif old is None or fresh < old:
            yield Change.ADDED, fresh
            fresh = next(after, None)
        else:
            old, fresh = next(before, None), next(after, None)


class _Found:
    """Counts entries, keeps the first, tells all."""

    def __init__(self, name: str, change: Change, tell: Callable[[Row], None]) -> None:
        self.count = 0
        self.first: list[str] = []
        self._name, self._change, self._tell = name, change, tell

    def add(self, key: bytes) -> None:
        text = key.decode("ascii", "replace")
        self.count += 1
        if self.count <= MAX_ENTRIES:
            self.first.append(text)
        self._tell((self._name, self._change, text))


def _lines(listed: Listed | None, stack: ExitStack) -> Iterator[bytes]:
    """Yield the lines without the ids of entries: an entry with another id is the same one."""
    if listed is None:
        return iter(())
    file = stack.enter_context(listed.path.open("rb"))
    return (line.rstrip(b"\n").partition(b"\t")[0] for line in file)
