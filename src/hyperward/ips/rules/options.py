"""What a policy asks of the rules: an action for each class, the variant, the rules that are turned off."""

from dataclasses import dataclass
from enum import StrEnum

from hyperward.errors import InputError
from hyperward.ips.rules.classes import RuleClass
from hyperward.ips.rules.exclusion import Exclusion
from hyperward.policy.actions import Action


class Variant(StrEnum):
    """The two forms in which a tenant's rules exist."""

    ENFORCE = "enforce"
    """Rules act as the policy says."""
    OBSERVE = "observe"
    """The same rules; they only report."""


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """Settings of one compilation. Defaults are the product's (see Intrusion Prevention in the feature contract).

    Attributes:
        network_attack: action of the class; None leaves its rules out. The same for the next ones.
        malware: as above.
        adware: as above.
        other: as above.
        info: `ignore`, or None to leave these rules out. They never act.
        variant: enforce or observe.
        excluded: rules that are turned off.

    Raises:
        InputError: `info` was given an action that acts.
    """

    network_attack: Action | None = Action.TERMINATE_AND_BLOCK
    malware: Action | None = Action.TERMINATE
    adware: Action | None = Action.TERMINATE
    other: Action | None = None
    info: Action | None = Action.IGNORE
    variant: Variant = Variant.ENFORCE
    excluded: tuple[Exclusion, ...] = ()

    def __post_init__(self) -> None:
        if self.info not in {None, Action.IGNORE}:
            raise InputError(
                f"rules that only inform cannot {self.info}", where="info", hint="use ignore, or leave out"
            )

    def action_of(self, rule_class: RuleClass) -> Action | None:
        """Return the policy's action for a class; None when the class is off."""
        action: Action | None = getattr(self, rule_class.value)
        return action

    def engine_action_of(self, rule_class: RuleClass) -> str:
        """Return `alert` or `drop`: what the engine does for a class that is on."""
        acts = self.action_of(rule_class) in {Action.TERMINATE, Action.TERMINATE_AND_BLOCK}
        return "drop" if acts and self.variant is Variant.ENFORCE else "alert"
