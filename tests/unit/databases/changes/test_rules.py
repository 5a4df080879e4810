from hyperward.databases.changes.model import Change
from hyperward.databases.changes.rules import by_number, rule_changes
from hyperward.ips.rules.parse import parse_rule
from hyperward.ips.rules.rule import LocatedRule


def rules(*texts: str) -> list[LocatedRule]:
    return [LocatedRule(parse_rule(text), "a.rules", 1) for text in texts]


def rule(sid: int, rev: int = 1, content: str = "x") -> str:
    return f'alert tcp any any -> any any (msg:"rule {sid}"; content:"{content}"; sid:{sid}; rev:{rev};)'


def test_rules_are_told_apart_by_their_numbers() -> None:
    before = by_number(rules(rule(1), rule(2), rule(3), rule(4)))
    after = by_number(rules(rule(2), rule(3, rev=2), rule(4, content="y"), rule(5)))
    found = list(rule_changes(before, after, recent={(1, 1): 7}, category=lambda _: "malware"))
    assert [(one.change, one.rule, one.before, one.recent) for one in found] == [
        (Change.ADDED, "1:5:1", "", 0),
        (Change.REMOVED, "1:1:1", "", 7),
        (Change.CHANGED, "1:3:2", "1:3:1", 0),
        (Change.CHANGED, "1:4:1", "1:4:1", 0),
    ]
    assert (found[0].message, found[0].category) == ("rule 5", "malware")


def test_of_several_revisions_the_highest_counts_and_what_is_off_does_not() -> None:
    off = LocatedRule(parse_rule(rule(9), enabled=False), "a.rules", 1)
    found = by_number([*rules(rule(1, rev=2), rule(1, rev=3), rule(1, rev=1)), off])
    assert [located.rule.id.rev for located in found.values()] == [3]


def test_equal_sets_have_no_changes() -> None:
    same = by_number(rules(rule(1), rule(2)))
    assert list(rule_changes(same, same, recent={})) == []
