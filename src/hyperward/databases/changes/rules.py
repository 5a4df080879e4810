"""Two sets of rules side by side. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from hyperward.databases.changes.model import Change, RuleChange
from hyperward.ips.rules.classify import default_class_table
from hyperward.ips.rules.rule import LocatedRule

Number = tuple[int, int]
"""Generator and signature number: what a rule stays through its revisions."""


def by_number(rules: Iterable[LocatedRule]) -> dict[Number, LocatedRule]:
    """Return the enabled rules by number; of several with one number that of the highest revision, as compiled."""
    found: dict[Number, LocatedRule] = {}
    for located in rules:
        if not located.rule.enabled:
            continue
        number = (located.rule.id.gid, located.rule.id.sid)
        known = found.get(number)
        if known is None or located.rule.id.rev > known.rule.id.rev:
            found[number] = located
    return found


def class_of(located: LocatedRule) -> str:
    """Return the class of a rule by the shipped table."""
    return default_class_table().classify(located).rule_class.value


def rule_changes(
    before: Mapping[Number, LocatedRule],
    after: Mapping[Number, LocatedRule],
    *,
    recent: Mapping[Number, int],
    category: Callable[[LocatedRule], str] = class_of,
) -> Iterator[RuleChange]:
    """Yield what differs: added, then removed, then changed rules, each by number.

    Args:
        before: from `by_number`.
        after: likewise.
        recent: detections of late, by number.
        category: names the class of a rule.
    """
    for number in sorted(after.keys() - before.keys()):
        yield _change(Change.ADDED, after[number], recent.get(number, 0), category)
    for number in sorted(before.keys() - after.keys()):
        yield _change(Change.REMOVED, before[number], recent.get(number, 0), category)
    for number in sorted(before.keys() & after.keys()):
        old, fresh = before[number].rule, after[number].rule
        if (old.id, old.text) != (fresh.id, fresh.text):
            was = str(old.id)
            yield _change(Change.CHANGED, after[number], recent.get(number, 0), category, was)


def _change(
    change: Change, located: LocatedRule, recent: int, category: Callable[[LocatedRule], str], before: str = ""
) -> RuleChange:
    rule = located.rule
    return RuleChange(change, str(rule.id), rule.msg, category(located), before, recent)
