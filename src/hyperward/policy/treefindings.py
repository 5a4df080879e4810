"""What is wrong in the tree of policies: parents, circles, locks, tenants. Every finding has its place."""

from collections.abc import Iterator, Mapping

from hyperward.policy.findings import Finding, KeyPath
from hyperward.policy.models import Policy, PolicyFile
from hyperward.policy.settings import set_paths, with_blocks
from hyperward.policy.tree import MAX_DEPTH, Tree

_Places = Mapping[str, KeyPath]
_Locks = Mapping[tuple[str, str], KeyPath]
"""Where a policy locks a setting or block, by the policy's name and the path."""


def tree_errors(file: PolicyFile) -> Iterator[Finding]:
    """Yield what makes the tree unusable, policy by policy in the order of the file.

    A name that is given twice means the first; that itself is found elsewhere.
    """
    tree = Tree(file.policies)
    places: dict[str, KeyPath] = {}
    for index, policy in enumerate(file.policies):
        places.setdefault(policy.name, ("policies", index))
    locks = {
        (policy.name, lock): (*places[policy.name], "locked", number)
        for policy in tree.by_name.values()
        for number, lock in enumerate(policy.locked)
    }
    yield from _tenant_list_errors(file, tree, places)
    bases: dict[str, tuple[str | None, int]] = {}
    for number, tenant in enumerate(file.tenants):
        bases.setdefault(tenant.name, (tenant.base, number))
    told: set[str] = set()
    for index, policy in enumerate(file.policies):
        at: KeyPath = ("policies", index)
        line = tree.upwards(policy)
        yield from _parent_errors(policy, at, tree, line, told)
        yield from _lock_errors(policy, at, line[1:], locks)
        yield from _tenant_parent_errors(policy, at, tree, places)
        yield from _tenant_errors(policy, at, line, bases)


def _parent_errors(
    policy: Policy, at: KeyPath, tree: Tree, line: tuple[Policy, ...], told: set[str]
) -> Iterator[Finding]:
    if policy.parent is None:
        return
    parent = tree.parent(policy)
    if parent is None:
        yield Finding((*at, "parent"), f"there is no policy '{policy.parent}'", "correct the name, or add the policy")
        return
    top = tree.parent(line[-1])
    if top is not None and top.name == policy.name:
        circle = {member.name for member in line}
        if not circle & told:
            text = " -> ".join(f"'{member.name}'" for member in (*line, policy))
            yield Finding((*at, "parent"), f"the parents form a circle: {text}", "give one of them another parent")
        told |= circle
    # Only the first that is too deep: all below it are too.
    elif len(line) == MAX_DEPTH + 1:
        yield Finding((*at, "parent"), f"more than {MAX_DEPTH} policies from the root to here", "make the tree flatter")


def _lock_errors(policy: Policy, at: KeyPath, above: tuple[Policy, ...], locks: _Locks) -> Iterator[Finding]:
    for path in set_paths(policy):
        # The highest lock is the one that its owner must be asked about.
        for owner in reversed(above):
            place = next((locks[owner.name, name] for name in with_blocks(path) if (owner.name, name) in locks), None)
            if place is not None:
                yield Finding(
                    (*at, *path.split(".")),
                    f"'{path}' is locked by policy '{owner.name}' in",
                    "remove it here, or the lock there",
                    see=place,
                )
                break


def _tenant_parent_errors(policy: Policy, at: KeyPath, tree: Tree, places: _Places) -> Iterator[Finding]:
    parent = tree.parent(policy)
    if parent is not None and parent.tenant not in (None, policy.tenant):
        whose = "the provider" if policy.tenant is None else f"tenant '{policy.tenant}'"
        yield Finding(
            (*at, "parent"),
            f"a policy of {whose} cannot inherit from tenant '{parent.tenant}':",
            "take one of the provider's or the tenant's own",
            see=(*places[parent.name], "tenant"),
        )


def _tenant_errors(
    policy: Policy, at: KeyPath, line: tuple[Policy, ...], bases: Mapping[str, tuple[str | None, int]]
) -> Iterator[Finding]:
    if policy.tenant is None:
        return
    if policy.tenant not in bases:
        yield Finding(
            (*at, "tenant"), f"there is no tenant '{policy.tenant}'", "correct the name, or add it to tenants"
        )
        return
    base, number = bases[policy.tenant]
    if base is not None and all(member.name != base for member in line):
        yield Finding(
            (*at, "tenant"),
            f"the policies of tenant '{policy.tenant}' must descend from '{base}', as said in",
            f"add 'parent: {base}', or a parent that descends from it",
            see=("tenants", number, "base"),
        )


def _tenant_list_errors(file: PolicyFile, tree: Tree, places: _Places) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, tenant in enumerate(file.tenants):
        first = seen.setdefault(tenant.name, index)
        if first != index:
            yield Finding(
                ("tenants", index, "name"),
                f"the name '{tenant.name}' is already taken by",
                "give every tenant its own name",
                see=("tenants", first, "name"),
            )
        base = None if tenant.base is None else tree.by_name.get(tenant.base)
        if tenant.base is not None and base is None:
            yield Finding(
                ("tenants", index, "base"),
                f"there is no policy '{tenant.base}'",
                "correct the name, or add the policy",
            )
        elif base is not None and base.tenant is not None:
            yield Finding(
                ("tenants", index, "base"),
                f"the policy '{base.name}' is not the provider's but of tenant '{base.tenant}', as said in",
                "take a policy without tenant",
                see=(*places[base.name], "tenant"),
            )
