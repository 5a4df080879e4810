"""Which policy covers a VM: the most specific assignment wins, a tie is an error.

The order of kinds is `Kind`; within a kind the larger score wins. What was said of this one VM comes first, then what
somebody put on it (tag, group), then what it is called or where its addresses lie, then where it stands in the
inventory. An entry that any VM matches (a mask of wildcards alone, a network of prefix length 0, the root of the
inventory) comes last whatever its kind, so that a catch-all never hides anything.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import NamedTuple, Protocol, TypeAlias

from hyperward.errors import InputError
from hyperward.policy.fields import State
from hyperward.policy.masks import compile_mask, is_mask, literal_characters
from hyperward.policy.models import Policy
from hyperward.policy.places import ROOT, depth, upwards

Address: TypeAlias = IPv4Address | IPv6Address


class AssignableVm(Protocol):
    """What an assignment looks at."""

    @property
    def name(self) -> str:
        """The VM's name as people know it."""

    @property
    def id(self) -> str:
        """The VM's id on its platform."""

    @property
    def path(self) -> str:
        """Its place in the inventory tree; empty when it has none."""

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups it is in."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Its known IP addresses."""

    @property
    def tenant(self) -> str | None:
        """Whose it is; None for the provider's own."""


class Kind(IntEnum):
    """Kinds of assignment entries, from the least to the most specific."""

    EVERYTHING = 0
    """Any VM matches; the score is always 0."""
    PATH = 1
    """Scored by depth."""
    NETWORK = 2
    """Scored by size: the fewer addresses, the better, IPv4 and IPv6 alike."""
    MASK = 3
    """Scored by literal characters."""
    GROUP = 4
    TAG = 5
    NAME = 6
    ID = 7


class Entry(NamedTuple):
    """One entry of an assignment that a VM matches.

    Args:
        kind: what it looks at.
        score: how specific it is within its kind.
        policy: whose entry it is.
        text: the entry as written.
    """

    kind: Kind
    score: int
    policy: Policy
    text: str

    @property
    def rank(self) -> tuple[Kind, int]:
        """How specific it is; entries of equal rank are a tie."""
        return self.kind, self.score

    def __str__(self) -> str:
        """Return it for people: `mask 'web-*'`."""
        return f"{_noun(self)} '{self.text}'"


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
        super().__init__(f"VM '{vm}' is covered equally by the policies {claims}", hint=TIE_HINT)


TIE_HINT = (
    "make one more specific: an id beats a name, then tag, group, mask, network, path; "
    "a longer mask, a smaller network, a deeper path beats the other"
)


class Assignments:
    """The assignments of a set of policies, indexed. An inactive policy covers nothing.

    A tenant's policy covers the tenant's VMs only, the provider's cover any.
    """

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._exact: defaultdict[tuple[Kind, str], list[Entry]] = defaultdict(list)
        self._everything: list[Entry] = []
        self._networks: dict[tuple[int, int], dict[int, list[Entry]]] = {}
        masks: list[Entry] = []
        for policy in policies:
            if policy.state is State.INACTIVE:
                continue
            for entry in entries_of(policy):
                if entry.kind is Kind.EVERYTHING:
                    self._everything.append(entry)
                elif entry.kind is Kind.MASK:
                    masks.append(entry)
                elif entry.kind is Kind.NETWORK:
                    network = ip_network(entry.text)
                    of_size = self._networks.setdefault((network.version, network.prefixlen), {})
                    of_size.setdefault(int(network.network_address), []).append(entry)
                else:
                    self._exact[entry.kind, entry.text].append(entry)
        self._masks = [(entry, compile_mask(entry.text)) for entry in sorted(masks, key=lambda entry: -entry.score)]

    def policy_of(self, vm: AssignableVm) -> Policy | None:
        """Return the policy that covers a VM; None when there is none.

        Raises:
            AssignmentTie: more than one policy covers it equally specifically.
        """
        winners = self.winners(vm)
        if len(winners) > 1:
            raise AssignmentTie(vm.name, tuple(w.policy.name for w in winners), tuple(str(w) for w in winners))
        return winners[0].policy if winners else None

    def winners(self, vm: AssignableVm) -> tuple[Entry, ...]:
        """Return the most specific entries that a VM matches, one for each policy; more than one is a tie."""
        for find in (self._by_label, self._by_mask, self._by_network, self._by_path, self._by_anything):
            found = _best(entry for entry in find(vm) if _serves(entry.policy, vm))
            if found:
                return found
        return ()

    def _by_label(self, vm: AssignableVm) -> Iterator[Entry]:
        yield from self._exact.get((Kind.ID, vm.id), ())
        yield from self._exact.get((Kind.NAME, vm.name), ())
        for tag in vm.tags:
            yield from self._exact.get((Kind.TAG, tag), ())
        for group in vm.groups:
            yield from self._exact.get((Kind.GROUP, group), ())

    def _by_mask(self, vm: AssignableVm) -> Iterator[Entry]:
        best = -1
        for entry, pattern in self._masks:
            if entry.score < best:
                return
            if _serves(entry.policy, vm) and pattern.match(vm.name):
                best = entry.score
                yield entry

    def _by_network(self, vm: AssignableVm) -> Iterator[Entry]:
        for (version, length), networks in self._networks.items():
            for address in vm.addresses:
                if address.version == version:
                    rest = address.max_prefixlen - length
                    yield from networks.get(int(address) >> rest << rest, ())

    def _by_path(self, vm: AssignableVm) -> Iterator[Entry]:
        for place in upwards(vm.path):
            yield from self._exact.get((Kind.PATH, place), ())

    def _by_anything(self, vm: AssignableVm) -> Iterator[Entry]:
        return (entry for entry in self._everything if matches(entry, vm))


def entries_of(policy: Policy) -> Iterator[Entry]:
    """Yield the entries of a policy's assignment, each one once."""
    assign = policy.assign
    for text in dict.fromkeys(assign.ids):
        yield Entry(Kind.ID, 0, policy, text)
    for text in dict.fromkeys(assign.names):
        if not is_mask(text):
            yield Entry(Kind.NAME, 0, policy, text)
        else:
            literals = literal_characters(text)
            yield Entry(Kind.MASK if literals else Kind.EVERYTHING, literals, policy, text)
    for text in dict.fromkeys(assign.tags):
        yield Entry(Kind.TAG, 0, policy, text)
    for text in dict.fromkeys(assign.groups):
        yield Entry(Kind.GROUP, 0, policy, text)
    for text in dict.fromkeys(assign.networks):
        network = ip_network(text)
        if network.prefixlen == 0:
            yield Entry(Kind.EVERYTHING, 0, policy, text)
        else:
            yield Entry(Kind.NETWORK, network.prefixlen - network.max_prefixlen, policy, text)
    for text in dict.fromkeys(assign.paths):
        yield Entry(Kind.EVERYTHING if text == ROOT else Kind.PATH, depth(text), policy, text)


def matches(entry: Entry, vm: AssignableVm) -> bool:
    """Tell whether a VM matches an entry, whoever's policy it is."""
    return _TESTS[_noun(entry)](entry.text, vm)


def _in_network(text: str, vm: AssignableVm) -> bool:
    network = ip_network(text)
    return any(address in network for address in vm.addresses)


_TESTS: dict[str, Callable[[str, AssignableVm], bool]] = {
    "id": lambda text, vm: vm.id == text,
    "name": lambda text, vm: vm.name == text,
    "tag": lambda text, vm: text in vm.tags,
    "group": lambda text, vm: text in vm.groups,
    "mask": lambda text, vm: compile_mask(text).match(vm.name) is not None,
    "network": _in_network,
    "path": lambda text, vm: text in upwards(vm.path),
}


def _noun(entry: Entry) -> str:
    if entry.kind is not Kind.EVERYTHING:
        return entry.kind.name.lower()
    if entry.text.startswith(ROOT):
        return "path"
    return "network" if entry.text.endswith("/0") else "mask"


def _serves(policy: Policy, vm: AssignableVm) -> bool:
    return policy.tenant is None or policy.tenant == vm.tenant


def _best(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    found = list(entries)
    if not found:
        return ()
    best = max(entry.rank for entry in found)
    by_policy: dict[int, Entry] = {}
    for entry in found:
        if entry.rank == best:
            by_policy.setdefault(id(entry.policy), entry)
    return tuple(by_policy.values())
