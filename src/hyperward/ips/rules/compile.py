"""The rule compiler: rules and a policy's wishes in, one rule file out. No I/O, same input, same bytes.

What it decides, and why:

- A rule of a class that is on is written with the class's action, whatever action its source gave it: policy decides.
- A rule that never reports (`noalert`) is written exactly as its author wrote it, with action `alert`; with another one
  it would drop silently. It is left out only when its class is off and nothing that is kept needs it.
- A rule that is off (class off, excluded, commented out by the feed) but sets state that a kept rule tests is kept as a
  silent setter: action `alert` and the option `noalert`. So it neither reports nor acts, and the kept rule still fires.
  Commented-out setters are taken too, as suricata-update does.
- `pass` rules are left out: from a feed they switch inspection off. So are rules that do something else than detect.
- Of rules with the same number the enabled one with the highest revision is taken.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from hyperward.ips.rules.classes import RuleClass
from hyperward.ips.rules.classify import Classification, default_class_table
from hyperward.ips.rules.compiled import CompiledRuleSet
from hyperward.ips.rules.limits import MAX_RULE_BYTES
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.rule import LocatedRule, Rule, RuleId, RuleProblem
from hyperward.ips.rules.select_rules import exclusion_test, one_for_each_number, safe_rules, select
from hyperward.ips.rules.unsafe import CLASS_KEY

_NOTHING: Mapping[RuleId, str] = MappingProxyType({})
_SILENT = "noalert"


def compile_rules(
    rules: Iterable[LocatedRule],
    options: CompileOptions,
    *,
    classify: Callable[[LocatedRule], Classification] | None = None,
    refused: Mapping[RuleId, str] = _NOTHING,
) -> CompiledRuleSet:
    """Compile rules into the rule file of a tenant.

    Args:
        rules: what was read, in any order.
        options: what the policy asks for.
        classify: tells the class of a rule; the shipped class table by default.
        refused: rules that the engine refused, with its reason; see `check`.

    Returns:
        The rule file. Its bytes do not depend on the order of `rules`.
    """
    classify = classify or default_class_table().classify
    problems: list[RuleProblem] = []
    unique = one_for_each_number(safe_rules(rules, refused, problems), problems)
    unique = [located for located in unique if _fits(located, problems)]
    is_excluded = exclusion_test(options.excluded)
    classes: dict[RuleId, Classification] = {}

    def is_wanted(located: LocatedRule) -> bool:
        found = classes[located.rule.id] = classify(located)
        return options.action_of(found.rule_class) is not None and not is_excluded(located.rule)

    wanted, setters = select(unique, is_wanted)
    lines: list[tuple[RuleId, str, LocatedRule]] = []
    counts: Counter[tuple[RuleClass, str]] = Counter()
    unclassified = 0
    for silent, group in ((False, wanted), (True, setters)):
        for located in group:
            rule = located.rule
            found = classes.get(rule.id) or classify(located)
            if rule.noalert or silent:
                action = _SILENT
                _report_quietened(located, problems)
            else:
                action = options.engine_action_of(found.rule_class)
            lines.append((rule.id, _line(rule, found.rule_class, action), located))
            counts[found.rule_class, action] += 1
            unclassified += not found.known
    lines.sort(key=lambda line: line[0])
    return CompiledRuleSet(
        text="".join([f"{line}\n" for _, line, _ in lines]).encode("latin-1"),
        sources=tuple([located for _, _, located in lines]),
        counts=dict(sorted(counts.items())),
        unclassified=unclassified,
        problems=tuple(sorted(problems)),
    )


_LONGEST_ADDITION = len(f" noalert; metadata:{CLASS_KEY} {max(RuleClass, key=len)};")


def _fits(located: LocatedRule, problems: list[RuleProblem]) -> bool:
    """Refuse a rule that would grow beyond what the engine reads."""
    rule = located.rule
    fits = len(rule.text) + _LONGEST_ADDITION <= MAX_RULE_BYTES
    if not fits and rule.enabled:
        reason = f"left out, with its class it is longer than the engine reads ({MAX_RULE_BYTES} bytes)"
        problems.append(RuleProblem(located.file, located.line, rule.id.sid, reason))
    return fits


def _report_quietened(located: LocatedRule, problems: list[RuleProblem]) -> None:
    """Say so when a rule that would have dropped silently is written as `alert`."""
    rule = located.rule
    if rule.noalert and rule.action != "alert" and rule.enabled:
        reason = f"action {rule.action} changed to alert, because a rule that never reports must not act"
        problems.append(RuleProblem(located.file, located.line, rule.id.sid, reason))


def _line(rule: Rule, rule_class: RuleClass, action: str) -> str:
    """Write a rule with its action; all that its author wrote between action and closing bracket stays as it is."""
    body = rule.text[len(rule.action) : rule.close]
    if rule.noalert:
        return f"alert{body})"
    if action == _SILENT:
        return f"alert{body} {_SILENT}; metadata:{CLASS_KEY} {rule_class};)"
    return f"{action}{body} metadata:{CLASS_KEY} {rule_class};)"
