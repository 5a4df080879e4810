"""The tree of policies: who is whose parent."""

from collections.abc import Iterable

from hyperward.errors import InputError
from hyperward.policy.models import Policy

MAX_DEPTH = 16
"""Policies from a root to the lowest; nobody can follow more."""


class Tree:
    """A set of policies with their parents. A name that is given twice means the first.

    Args:
        policies: all of them; parents may be unknown and circles are possible (`hyperward.policy.treefindings` reports
            them), but then `chain` fails.
    """

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.policies = tuple(policies)
        self.by_name: dict[str, Policy] = {}
        for policy in self.policies:
            self.by_name.setdefault(policy.name, policy)
        self.parents = frozenset(policy.parent for policy in self.policies if policy.parent is not None)
        """The names of all that have somebody below them."""

    def parent(self, policy: Policy) -> Policy | None:
        """Return a policy's parent; None when it has none, or an unknown one."""
        return None if policy.parent is None else self.by_name.get(policy.parent)

    def upwards(self, policy: Policy) -> tuple[Policy, ...]:
        """Return a policy, its parent and so on, until there is none or a circle closes."""
        found = [policy]
        seen = {policy.name}
        above = self.parent(policy)
        while above is not None and above.name not in seen:
            found.append(above)
            seen.add(above.name)
            above = self.parent(above)
        return tuple(found)

    def chain(self, policy: Policy) -> tuple[Policy, ...]:
        """Return a policy and all above it, the root first.

        Raises:
            InputError: a parent is unknown, the chain is a circle, or it is longer than `MAX_DEPTH`.
        """
        found = self.upwards(policy)
        if found[-1].parent is not None or len(found) > MAX_DEPTH:
            raise InputError(
                f"the parents of policy '{policy.name}' do not lead to a root within {MAX_DEPTH} levels",
                hint="correct parent; hyperward policy check names the place",
            )
        return found[::-1]
