"""Which of the rules read are used: safe ones, one for each number, those the policy wants, those that these need."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from hyperward.ips.rules.exclusion import Exclusion
from hyperward.ips.rules.rule import LocatedRule, Rule, RuleId, RuleProblem
from hyperward.ips.rules.unsafe import unsafe_reason


def safe_rules(
    rules: Iterable[LocatedRule], refused: Mapping[RuleId, str], problems: list[RuleProblem]
) -> list[LocatedRule]:
    """Return the rules that only detect and that the engine did not refuse. Commented-out ones leave without a word."""
    kept = []
    for located in rules:
        rule = located.rule
        reason = refused.get(rule.id) or unsafe_reason(rule)
        if not reason:
            kept.append(located)
        elif rule.enabled:
            problems.append(_problem(located, f"left out, {reason}"))
    return kept


def one_for_each_number(rules: Iterable[LocatedRule], problems: list[RuleProblem]) -> list[LocatedRule]:
    """Return one rule for each `gid:sid`: enabled before commented out, then the highest revision, then by text."""
    best: dict[tuple[int, int], LocatedRule] = {}
    for located in rules:
        number = located.rule.id[:2]
        other = best.setdefault(number, located)
        if other is located:
            continue
        winner, loser = (located, other) if _rank(located) > _rank(other) else (other, located)
        best[number] = winner
        if loser.rule.enabled and loser.rule.text != winner.rule.text:
            place = f"{winner.file}:{winner.line}"
            problems.append(_problem(loser, f"left out, {winner.rule.id} of {place} has the same number"))
    return list(best.values())


def _rank(located: LocatedRule) -> tuple[bool, int, str, str, int]:
    rule = located.rule
    return rule.enabled, rule.id.rev, rule.text, located.file, -located.line


class Selection(NamedTuple):
    """Which rules are emitted.

    Attributes:
        wanted: rules that the policy wants, as it wants them.
        setters: rules that the policy does not want, but that a wanted one needs for the state they set.
    """

    wanted: list[LocatedRule]
    setters: list[LocatedRule]


def select(rules: Iterable[LocatedRule], is_wanted: Callable[[LocatedRule], bool]) -> Selection:
    """Divide rules into wanted ones, their setters, and the rest.

    A rule that tests a variable is worth nothing, or means something else, without the rules that change it; those in
    turn may test others. Commented-out rules are never wanted, but may be setters.
    """
    wanted: list[LocatedRule] = []
    writers: dict[str, list[LocatedRule]] = {}
    for located in rules:
        if located.rule.enabled and is_wanted(located):
            wanted.append(located)
        else:
            for variable in {use.variable for use in located.rule.states if use.writes}:
                writers.setdefault(variable, []).append(located)
    needed = {variable for located in wanted for variable in _tested(located.rule)}
    setters: dict[RuleId, LocatedRule] = {}
    pending = list(needed)
    while pending:
        for located in writers.get(pending.pop(), ()):
            if located.rule.id not in setters:
                setters[located.rule.id] = located
                fresh = _tested(located.rule) - needed
                needed |= fresh
                pending.extend(fresh)
    return Selection(wanted, list(setters.values()))


def _tested(rule: Rule) -> set[str]:
    return {use.variable for use in rule.states if not use.writes}


def exclusion_test(excluded: Collection[Exclusion]) -> Callable[[Rule], bool]:
    """Return a function that tells whether a rule is turned off. Rows by number cost the same however many they are."""
    numbers = {(row.gid, row.sid, row.rev) for row in excluded if not row.pattern}
    masks = [row for row in excluded if row.pattern]

    def is_excluded(rule: Rule) -> bool:
        gid, sid, rev = rule.id
        if (gid, sid, rev) in numbers or (gid, sid, None) in numbers:
            return True
        return any(mask.matches(rule) for mask in masks)

    return is_excluded


def _problem(located: LocatedRule, reason: str) -> RuleProblem:
    return RuleProblem(located.file, located.line, located.rule.id.sid, reason)
