"""What a compilation gives."""

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from hyperward.ips.rules.classes import RuleClass
from hyperward.ips.rules.rule import LocatedRule, RuleProblem


@dataclass(frozen=True)
class CompiledRuleSet:
    """A rule file for one tenant, with what is worth knowing about it.

    Attributes:
        text: the rule file, one rule a line, sorted by generator and signature number.
        sources: the rule behind each line of `text`.
        counts: rules by class and engine action, `(class, "alert" | "drop" | "noalert")`; "noalert" are those that only
            set state for others.
        unclassified: kept rules that no row of the class table fitted; they are in class `info`.
        problems: what could not be used, or was changed, and why; sorted.
    """

    text: bytes
    sources: tuple[LocatedRule, ...] = field(repr=False)
    counts: dict[tuple[RuleClass, str], int]
    unclassified: int
    problems: tuple[RuleProblem, ...] = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `text` in hexadecimal. The text holds classes, actions and variant, so it says everything."""
        return sha256(self.text).hexdigest()
