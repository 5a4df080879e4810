"""Why a VM is treated as it is: which assignment won, where settings come from, what is said of an address. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from hyperward.policy.assignment import Address, AssignableVm, Assignments, Entry, Kind, entries_of, matches
from hyperward.policy.fields import State
from hyperward.policy.inherit import Origin, inherit
from hyperward.policy.models import SETTINGS, Policy
from hyperward.policy.settings import value_at, with_blocks
from hyperward.policy.tree import Tree

LineOf = Callable[[tuple[str | int, ...]], int]
"""Returns the line, from 1, of a key path of the policy file."""


@dataclass(frozen=True, slots=True)
class RowDecision:
    """What the exclusion rows say of a remote address.

    Args:
        action: the row's action, such as `do_not_scan`.
        row: the row that decides, as the file names it; empty when none does.
        reason: why, in words for people.
    """

    action: str
    row: str
    reason: str


RowOf = Callable[[Policy, AssignableVm, Address], RowDecision]
"""Decides for an address: gets the policy with its effective settings, the VM and the remote address."""


class Standing(StrEnum):
    """What became of an assignment that matches the VM."""

    WON = "won"
    TIED = "tied"
    LOST = "lost"
    INACTIVE = "inactive"
    OTHER_TENANT = "other_tenant"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An assignment that matches the VM.

    Args:
        policy: whose it is.
        entry: the entry, such as `mask 'web-*'`.
        standing: what became of it.
        why: the reason in words for people.
    """

    policy: str
    entry: str
    standing: Standing
    why: str


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """A setting with its value and where that comes from.

    Args:
        path: the setting.
        value: what holds.
        origin: which policy set it.
        locked_by: the policies of the chain that lock it, the highest first.
    """

    path: str
    value: object
    origin: Origin
    locked_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a VM is treated as it is.

    Args:
        vm: its name.
        id: its id.
        tenant: whose it is.
        policy: the policy that covers it; None when none does, or when several do equally.
        chain: the policy and those it inherits from, the root first.
        candidates: every assignment that matches the VM, the most specific first.
        settings: every setting in force; empty when no policy covers the VM.
        remote: the address that was asked about.
        row: what the exclusion rows say of it; None when nobody asked, no policy covers the VM or there are no rows.
    """

    vm: str
    id: str
    tenant: str | None
    policy: str | None
    chain: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    settings: tuple[SettingInForce, ...]
    remote: str | None = None
    row: RowDecision | None = None


def explain(
    policies: Iterable[Policy],
    vm: AssignableVm,
    *,
    remote: Address | None = None,
    row_of: RowOf | None = None,
    line_of: LineOf | None = None,
) -> Explanation:
    """Return why a VM is treated as it is.

    Args:
        policies: all policies, in the order of their file.
        vm: the VM.
        remote: an address that it talks to.
        row_of: decides by exclusion rows; None when there are none.
        line_of: where things stand in the file; None when there is none.

    Raises:
        InputError: the parents of a policy do not lead to a root.
    """
    tree = Tree(policies)
    winners = Assignments(tree.policies).winners(vm)
    candidates = _candidates(tree, vm, winners)
    if len(winners) != 1:
        return Explanation(vm.name, vm.id, vm.tenant, None, (), candidates, (), str(remote) if remote else None)
    winner = winners[0].policy
    chain = tree.chain(winner)
    inherited = inherit(chain)
    places = {policy.name: index for index, policy in reversed(list(enumerate(tree.policies)))}
    settings = tuple(
        SettingInForce(
            path,
            value_at(inherited.policy, path),
            _with_line(inherited.origins[path], path, places, line_of),
            tuple(policy.name for policy in chain if any(lock in policy.locked for lock in with_blocks(path))),
        )
        for path in SETTINGS
    )
    row = row_of(inherited.policy, vm, remote) if row_of is not None and remote is not None else None
    return Explanation(
        vm=vm.name,
        id=vm.id,
        tenant=vm.tenant,
        policy=winner.name,
        chain=tuple(policy.name for policy in chain),
        candidates=candidates,
        settings=settings,
        remote=str(remote) if remote else None,
        row=row,
    )


def _with_line(origin: Origin, path: str, places: dict[str, int], line_of: LineOf | None) -> Origin:
    if origin.policy is None or line_of is None:
        return origin
    return Origin(origin.policy, line_of(("policies", places[origin.policy], *path.split("."))))


def _candidates(tree: Tree, vm: AssignableVm, winners: tuple[Entry, ...]) -> tuple[Candidate, ...]:
    found = [entry for policy in tree.policies for entry in entries_of(policy) if matches(entry, vm)]
    found.sort(key=lambda entry: entry.rank, reverse=True)
    return tuple(Candidate(entry.policy.name, str(entry), *_standing(entry, vm, winners)) for entry in found)


def _standing(entry: Entry, vm: AssignableVm, winners: tuple[Entry, ...]) -> tuple[Standing, str]:
    policy = entry.policy
    if policy.state is State.INACTIVE:
        return Standing.INACTIVE, "the policy is inactive"
    if policy.tenant not in (None, vm.tenant):
        whose = "the provider's" if vm.tenant is None else f"of tenant '{vm.tenant}'"
        return Standing.OTHER_TENANT, f"the policy is for tenant '{policy.tenant}', the VM is {whose}"
    best = winners[0]
    if entry.rank == best.rank:
        if len(winners) == 1:
            return Standing.WON, "the most specific"
        others = " and ".join(f"'{winner.policy.name}'" for winner in winners if winner.policy is not policy)
        return Standing.TIED, f"as specific as {others}; none of them is applied"
    if any(winner.policy is policy for winner in winners):
        return Standing.LOST, f"the same policy already matches by {best}"
    return Standing.LOST, _less(entry, best)


def _less(entry: Entry, best: Entry) -> str:
    if entry.kind is Kind.EVERYTHING:
        return f"it matches anything; {best} of '{best.policy.name}' is more specific"
    if entry.kind is not best.kind:
        return f"{best} of '{best.policy.name}' is of a more specific kind"
    return f"{best} of '{best.policy.name}' is {_MORE[entry.kind]}"


_MORE = {Kind.PATH: "deeper", Kind.NETWORK: "smaller", Kind.MASK: "longer"}
