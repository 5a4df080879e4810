"""How the daemon puts things in words. Pure."""

from collections.abc import Mapping, Sequence

from hyperward.svm.failures import COPIES_LOST, LIMITED, Failure
from hyperward.svm.rulesets import RuleSetInfo

_NAMED = 10
_RULES_NAMED = 5


def names_of(interfaces: Sequence[str]) -> str:
    """Return the first interfaces by name and how many more there are."""
    named = ", ".join(interfaces[:_NAMED])
    more = len(interfaces) - _NAMED
    return f"{named} and {more} more" if more > 0 else named


def by_reason(failed: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the interfaces that failed for the same reason together: a broken rule file is told of once."""
    reasons: dict[str, list[str]] = {}
    for interface, reason in failed.items():
        reasons.setdefault(reason, []).append(interface)
    return reasons


def refused_rules(info: RuleSetInfo) -> str:
    """Return which rules of a rule set could not be used: how many, and the first with file and line."""
    first = "; ".join(info.problems[:_RULES_NAMED])
    more = "; ..." if info.problem_count > _RULES_NAMED else ""
    return f"{info.problem_count} rules cannot be used, all others are: {first}{more}"


def failure_text(failure: Failure) -> str:
    """Return what began, or what it came to in the end."""
    passed, dropped = f"{failure.passed} packets passed uninspected", f"{failure.dropped} were dropped"
    if failure.why == LIMITED:
        if failure.over:
            return f"requests are no longer limited; {failure.dropped} packets were dropped meanwhile"
        return "more requests begin than the busy web scanners can judge: those beyond the VM's share are dropped"
    if failure.why == COPIES_LOST:
        if failure.over:
            return f"requests are judged again; the copies of {failure.passed} packets were lost meanwhile"
        return "requests pass that are not judged: no web scanner could take their copies"
    if failure.over:
        return f"the {failure.component} is no longer {failure.why}; meanwhile {passed} and {dropped}"
    return f"the {failure.component} is {failure.why}: the failure action of the policy is in force"
