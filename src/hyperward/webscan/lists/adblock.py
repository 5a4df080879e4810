"""Lists of rules for ad blockers: entries, less those that an exception of the same list takes out."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.lists.make import PLAIN_NAME, Maker
from hyperward.webscan.lists.model import ReadReport, Refusal
from hyperward.webscan.lists.rules import Rule, parse_rule

MAX_EXCEPTIONS: Final = 100_000
_PLAIN_RULE: Final = re.compile(
    rb"\|\|(?=[^\^]{4,253}\^)((?:[a-z0-9_](?:[a-z0-9_-]{0,62}+)\.)++[a-z][a-z0-9-]{0,62}+)\^\r?+"
)
_PLAIN: Final = re.compile(PLAIN_NAME + rb"\r?+")


def read_adblock(lines: Callable[[], Iterable[bytes]], maker: Maker, report: ReadReport) -> Iterator[Entry]:
    """Yield an entry for each usable rule; the others are noted in the report.

    Args:
        lines: gives the lines from the start; they are read twice, because an exception may stand after its rule.
        maker: of the list's entries.
        report: told what gives no entry.
    """
    exceptions = _exceptions(lines(), maker, report)
    for number, line in enumerate(lines(), 1):
        report.lines = number
        try:
            entry = _plain_entry(line, maker) or _entry(line, maker)
        except Refusal as refusal:
            report.refuse(number, str(refusal), line)
            continue
        if entry is None:
            continue
        if exceptions.take_out(entry.kind, entry.text):
            report.exempted += 1
        else:
            yield entry
    exceptions.tell(report)


def _plain_entry(line: bytes, maker: Maker) -> Entry | None:
    plain = _PLAIN_RULE.fullmatch(line)
    if plain is not None:
        return Entry(EntryKind.DOMAIN, plain[1].decode("ascii"), maker.category, maker.list_id)
    plain = _PLAIN.fullmatch(line)
    return Entry(EntryKind.HOST, plain[1].decode("ascii"), maker.category, maker.list_id) if plain is not None else None


def _entry(line: bytes, maker: Maker) -> Entry | None:
    if line.startswith(b"@@"):
        return None
    rule = parse_rule(line, maker)
    return None if rule is None else maker.entry(rule.kind, rule.text)


class _Exceptions:
    """The exceptions of a list: which entries they take out, and which of them cannot be kept."""

    def __init__(self) -> None:
        self._rules: dict[tuple[EntryKind, str], int] = {}
        self._inside: dict[str, list[int]] = {}
        self._broken: dict[int, str] = {}

    def add(self, rule: Rule, line: int) -> None:
        self._rules.setdefault((rule.kind, rule.text), line)
        host = _host_of(rule.text)
        for name in (*_above(host), *(() if rule.kind <= EntryKind.HOST else (host,))):
            self._inside.setdefault(name, []).append(line)

    def __len__(self) -> int:
        return len(self._rules)

    def take_out(self, kind: EntryKind, text: str) -> bool:
        """Tell whether an exception covers an entry; remember the exceptions that a wider entry covers."""
        if not self._rules:
            return False
        host = _host_of(text)
        rules = self._rules
        if any((EntryKind.DOMAIN, name) in rules for name in (host, *_above(host))):
            return True
        if (kind, text) in rules or (kind is not EntryKind.DOMAIN and (EntryKind.HOST, host) in rules):
            return True
        if kind >= EntryKind.PREFIX:
            return any((EntryKind.PREFIX, text[:end]) in rules for end in _ends(text))
        for line in self._inside.get(host, ()):
            self._broken.setdefault(line, text)
        return False

    def tell(self, report: ReadReport) -> None:
        """Note the exceptions inside a listed name: no entry can say that."""
        for line, text in sorted(self._broken.items()):
            report.refuse(line, "an exception inside a listed name; never_block can hold it", f"inside {text}".encode())


def _exceptions(lines: Iterable[bytes], maker: Maker, report: ReadReport) -> _Exceptions:
    found = _Exceptions()
    for number, line in enumerate(lines, 1):
        if not line.startswith(b"@@"):
            continue
        try:
            rule = parse_rule(line, maker)
        except Refusal as refusal:
            report.refuse(number, f"an exception that cannot be kept: {refusal}", line)
            continue
        if rule is not None and len(found) < MAX_EXCEPTIONS:
            found.add(rule, number)
        else:
            report.refuse(number, f"more than {MAX_EXCEPTIONS} exceptions", line)
    return found


def _host_of(text: str) -> str:
    return text.partition("/")[0]


def _above(host: str) -> Iterator[str]:
    """Yield the names above a name; it has at most 127 labels."""
    place = host.find(".")
    while place >= 0:
        yield host[place + 1 :]
        place = host.find(".", place + 1)


def _ends(text: str) -> Iterator[int]:
    """Yield where the folders of an address end, and where its query begins."""
    yield len(text)
    query = text.find("?")
    if query >= 0:
        yield query
    place = text.find("/")
    while place >= 0:
        yield place + 1
        place = text.find("/", place + 1)
