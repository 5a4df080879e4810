"""Which entries of a list would block a whole popular site, and what becomes of them.

An entry for such a host as a whole is demoted to the address of its first page: what the list knows is that something
bad was seen there, and that is as much as can be blocked without harm. Entries for one address or one folder stay.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Final

from hyperward.webscan.database.model import Entry, EntryKind
from hyperward.webscan.guard.suffixes import Suffixes, packaged_suffixes

MAX_LISTED: Final = 100_000
"""Demotions of one import that are listed; all are counted."""
_WWW: Final = "www."


@dataclass(frozen=True, slots=True)
class Demotion:
    """An entry that was made narrower, what it was, and why."""

    entry: Entry
    was: EntryKind
    text: str
    reason: str


@dataclass(slots=True)
class GuardReport:
    """What the guard did. Filled in while entries pass.

    Args:
        demoted: all of them.
        listed: the first `MAX_LISTED`, each one once.
    """

    demoted: int = 0
    listed: list[Demotion] = field(default_factory=list)


class Guard:
    """Knows popular sites and public suffixes.

    Args:
        popular: canonical hosts that many people use; each with its `www.` and as part of the domains that hold it.
        shared: canonical hosts where anybody can put something.
        suffixes: names below which anybody can have a site.
    """

    def __init__(self, popular: Iterable[str], shared: Iterable[str], suffixes: Suffixes) -> None:
        self._suffixes = suffixes
        self._popular = set(popular)
        self._shared = set(shared)
        self._holds: dict[str, str] = {}
        for hosts in (self._popular, self._shared):
            for host in hosts:
                self._note_domains(host)

    def why_not(self, entry: Entry) -> str:
        """Return why an entry blocks too much, as a phrase; empty when it stays as it is."""
        kind = entry.kind
        host = entry.text
        if kind >= EntryKind.PREFIX:
            if kind is EntryKind.EXACT or not host.endswith("/") or host.count("/") > 1:
                return ""
            host, kind = host[:-1], EntryKind.DOMAIN
        if host.startswith("["):
            host = host[1:-1]
        elif host in self._suffixes:
            return f"{host} is a public suffix: below it are sites of many owners"
        for name in (host, host[len(_WWW) :]) if host.startswith(_WWW) else (host,):
            if name in self._shared:
                return f"{name} is a site where anybody can put something"
            if name in self._popular:
                return f"{name} is a popular site"
        if kind is EntryKind.DOMAIN and host in self._holds:
            return f"below {host} is the popular site {self._holds[host]}"
        return ""

    def _note_domains(self, host: str) -> None:
        if ":" in host:
            return
        place = host.find(".")
        while place >= 0:
            above = host[place + 1 :]
            if above in self._holds:
                # Then the names above it are there too.
                return
            self._holds[above] = host
            place = host.find(".", place + 1)


def guarded(entries: Iterable[Entry], guard: Guard, report: GuardReport) -> Iterator[Entry]:
    """Yield entries, those that block too much as their exact address; each of these is noted in the report."""
    seen: set[tuple[EntryKind, str]] = set()
    for entry in entries:
        if entry.kind is EntryKind.EXACT or not (reason := guard.why_not(entry)):
            yield entry
            continue
        text = entry.text if entry.text.endswith("/") else f"{entry.text}/"
        exact = replace(entry, kind=EntryKind.EXACT, text=text)
        report.demoted += 1
        if len(report.listed) < MAX_LISTED and (entry.kind, entry.text) not in seen:
            seen.add((entry.kind, entry.text))
            report.listed.append(Demotion(exact, entry.kind, entry.text, reason))
        yield exact


def default_guard(ranking: Iterable[str] = ()) -> Guard:
    """Return the guard with the sites it knows by itself, the packaged public suffixes, and a ranking."""
    return Guard((*_known("popular.txt"), *ranking), _known("shared.txt"), packaged_suffixes())


def known_popular() -> list[str]:
    """Return the sites that the package itself knows as popular."""
    return _known("popular.txt")


def _known(name: str) -> list[str]:
    text = (files("hyperward.webscan.guard") / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]
