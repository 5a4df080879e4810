"""Which policy covers a VM: the most specific assignment wins, a tie is an error."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from hyperward.errors import InputError
from hyperward.policy.fields import State
from hyperward.policy.masks import compile_mask, is_mask, literal_characters
from hyperward.policy.models import Policy


class AssignableVm(Protocol):
    """What an assignment looks at."""

    @property
    def name(self) -> str:
        """The VM's name as people know it."""

    @property
    def id(self) -> str:
        """The VM's id on its platform."""


class AssignmentTie(InputError):  # noqa: N818 - the field's word for it
    """Two or more policies cover a VM equally specifically; none is applied to it.

    Args:
        vm: the VM's name.
        policies: the names of the policies, in their order.
        how: the entries that match, such as `mask 'web-*'`.
    """

    def __init__(self, vm: str, policies: tuple[str, ...], how: tuple[str, ...]) -> None:
        self.vm = vm
        self.policies = policies
        claims = " and ".join(f"'{name}' ({by})" for name, by in zip(policies, how, strict=True))
        super().__init__(
            f"VM '{vm}' is covered equally by the policies {claims}",
            hint="make one more specific: an id beats a name, a name beats a mask, a longer mask beats a shorter",
        )


class _Mask(NamedTuple):
    literals: int
    text: str
    pattern: re.Pattern[str]
    policy: Policy


class Assignments:
    """The assignments of a set of policies, indexed. An inactive policy covers nothing.

    Order of precedence: id, exact name, mask with more literal characters.
    """

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._ids: defaultdict[str, list[Policy]] = defaultdict(list)
        self._names: defaultdict[str, list[Policy]] = defaultdict(list)
        masks: list[_Mask] = []
        for policy in policies:
            if policy.state is State.INACTIVE:
                continue
            for instance in dict.fromkeys(policy.assign.ids):
                self._ids[instance].append(policy)
            for text in dict.fromkeys(policy.assign.names):
                if is_mask(text):
                    masks.append(_Mask(literal_characters(text), text, compile_mask(text), policy))
                else:
                    self._names[text].append(policy)
        self._masks = sorted(masks, key=lambda mask: -mask.literals)

    def policy_of(self, vm: AssignableVm) -> Policy | None:
        """Return the policy that covers a VM; None when there is none.

        Raises:
            AssignmentTie: more than one policy covers it equally specifically.
        """
        if vm.id in self._ids:
            return _only(vm, [(policy, f"id '{vm.id}'") for policy in self._ids[vm.id]])
        if vm.name in self._names:
            return _only(vm, [(policy, f"name '{vm.name}'") for policy in self._names[vm.name]])
        return _only(vm, self._by_mask(vm.name))

    def _by_mask(self, name: str) -> list[tuple[Policy, str]]:
        found: list[tuple[Policy, str]] = []
        literals = -1
        for mask in self._masks:
            if found and mask.literals < literals:
                break
            if mask.pattern.match(name) and all(policy is not mask.policy for policy, _ in found):
                literals = mask.literals
                found.append((mask.policy, f"mask '{mask.text}'"))
        return found


def _only(vm: AssignableVm, claims: list[tuple[Policy, str]]) -> Policy | None:
    if len(claims) > 1:
        raise AssignmentTie(vm.name, tuple(policy.name for policy, _ in claims), tuple(how for _, how in claims))
    return claims[0][0] if claims else None
