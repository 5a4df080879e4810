"""The change report. Values, and their one form in bytes."""

from enum import StrEnum
from typing import Final

import msgspec

from hyperward.fromjson import from_json

MAX_RULES: Final = 500
"""Rules of each kind that the report names; all are counted, and all are in the full list."""
MAX_ENTRIES: Final = 50
"""Entries added and removed that the report names of each list; likewise."""
MAX_DEMOTIONS: Final = 100
MAX_TRAFFIC: Final = 500


class Change(StrEnum):
    """What became of a rule or an entry."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class RuleChange(msgspec.Struct, frozen=True):
    """A rule that is not as it was.

    Args:
        change: what became of it.
        rule: `gid:sid:rev`, as it is now, or was when it is removed.
        message: its `msg`.
        category: its class.
        before: `gid:sid:rev` before, for a changed one; equal where only the text differs.
        recent: detections of it, any revision, by this SVM of late.
    """

    change: Change
    rule: str
    message: str
    category: str
    before: str = ""
    recent: int = 0


class ListChange(msgspec.Struct, frozen=True):
    """What became of a list of addresses.

    Args:
        list: its id.
        category: of its entries, as it is now, or was when the list is gone.
        before, after: entries.
        added, removed: how many entries.
        first_added, first_removed: the first of them, as `KIND text`.
    """

    list: str
    category: str
    before: int
    after: int
    added: int
    removed: int
    first_added: tuple[str, ...] = ()
    first_removed: tuple[str, ...] = ()


class Demotion(msgspec.Struct, frozen=True):
    """An entry that the publisher made narrower in this version, and not in the one before."""

    list: str
    was: str
    entry: str
    reason: str


class TrafficChange(msgspec.Struct, frozen=True):
    """An address that this SVM's VMs asked for of late, and that is judged otherwise now.

    Args:
        vm: who asked.
        address: for what, without what no list can see.
        before, after: `block`, `report`, `off` or empty for an address that is not listed.
        category, list, entry: the entry that decides now, or decided before where none does now.
        requests: how many there were.
        last: when the last one was (RFC 3339).
    """

    vm: str
    address: str
    before: str
    after: str
    category: str
    list: str
    entry: str
    requests: int
    last: str


class Traffic(msgspec.Struct, frozen=True):
    """What of the recent traffic is judged otherwise, and how much this can know.

    Args:
        since: the oldest request that was looked at; empty when there was none.
        addresses: distinct addresses, by VM, that were looked at.
        would_block: those that were not blocked before and are now.
        would_pass: those that were blocked before and are not any more.
        blocked, passed: how many there are of the two.
        note: what this cannot know.
    """

    since: str = ""
    addresses: int = 0
    would_block: tuple[TrafficChange, ...] = ()
    would_pass: tuple[TrafficChange, ...] = ()
    blocked: int = 0
    passed: int = 0
    note: str = ""


class SampleChange(msgspec.Struct, frozen=True):
    """Built-in attacks that are caught now and were not, and the other way round."""

    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class ChangeReport(msgspec.Struct, frozen=True):
    """What differs between two versions.

    Args:
        before, after: versions; `starter` for the content of the package.
        time: of the report.
        rules_before, rules_after: how many there are.
        rules_added, rules_removed, rules_changed: how many.
        rules: the first of each, added before removed before changed.
        lists: those of which anything changed.
        entries_before, entries_after: in all lists.
        demotions: the first of them.
        demoted: how many.
        traffic: None when no traffic was looked at.
        samples: None when no samples were tried.
        full_list: file with every rule and entry that changed, beside the report; empty for none.
    """

    before: str
    after: str
    time: str
    rules_before: int = 0
    rules_after: int = 0
    rules_added: int = 0
    rules_removed: int = 0
    rules_changed: int = 0
    rules: tuple[RuleChange, ...] = ()
    lists: tuple[ListChange, ...] = ()
    entries_before: int = 0
    entries_after: int = 0
    demotions: tuple[Demotion, ...] = ()
    demoted: int = 0
    traffic: Traffic | None = None
    samples: SampleChange | None = None
    full_list: str = ""

    @property
    def entries_added(self) -> int:
        """Entries added in all lists."""
        return sum(one.added for one in self.lists)

    @property
    def entries_removed(self) -> int:
        """Entries removed in all lists."""
        return sum(one.removed for one in self.lists)

    def summary(self) -> str:
        """Return it as one line."""
        text = (
            f"rules: {self.rules_added} added, {self.rules_removed} removed, {self.rules_changed} changed; "
            f"addresses: {self.entries_added} added, {self.entries_removed} removed"
        )
        if self.traffic is not None and (self.traffic.blocked or self.traffic.passed):
            text += (
                f"; of recent requests {self.traffic.blocked} addresses would be blocked that were not, "
                f"{self.traffic.passed} not any more"
            )
        if self.samples is not None and self.samples.lost:
            text += f"; no longer caught: {', '.join(self.samples.lost)}"
        return text


def decode_report(raw: bytes) -> ChangeReport:
    """Return the report that `msgspec.json.encode` wrote.

    Raises:
        ValueError: the bytes are none.
    """
    return from_json(raw, ChangeReport)
