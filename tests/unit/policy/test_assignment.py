"""Which assignment wins, by example and against brute force over every kind."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.policy.assignment import Address, Assignments, AssignmentTie, entries_of, matches
from hyperward.policy.fields import State
from hyperward.policy.models import Assignment, Policy
from hyperward.policy.places import parse_place
from hyperward.svm.policy_file import parse_policies
from hyperward.yamlfile import FileErrors


@dataclass(frozen=True)
class Vm:
    name: str = "web-1"
    id: str = "i-1"
    path: str = "/dc1/c2/h3"
    groups: tuple[str, ...] = ("front",)
    tags: tuple[str, ...] = ("prod",)
    addresses: tuple[Address, ...] = (ip_address("10.1.2.3"), ip_address("2001:db8::1"))
    tenant: str | None = None


def policy(name: str, tenant: str | None = None, **assign: Any) -> Policy:
    return Policy(name=name, tenant=tenant, assign=Assignment(**{key: (text,) for key, text in assign.items()}))


LADDER = [
    policy("id", ids="i-1"),
    policy("name", names="web-1"),
    policy("tag", tags="prod"),
    policy("group", groups="front"),
    policy("longer mask", names="web-*"),
    policy("mask", names="w*"),
    policy("address", networks="10.1.2.3"),
    policy("smaller network", networks="10.1.2.0/24"),
    policy("network", networks="10.0.0.0/8"),
    policy("v6 network", networks="2001:db8::/64"),
    policy("deeper path", paths="/dc1/c2/h3"),
    policy("path", paths="/dc1"),
    policy("everything", names="*"),
]


def test_order_of_kinds_and_within_them() -> None:
    for count in range(len(LADDER)):
        found = Assignments(reversed(LADDER[count:])).policy_of(Vm())
        assert found is LADDER[count]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"names": "*"}, {"paths": "/"}),
        ({"networks": "0.0.0.0/0"}, {"networks": "::/0"}),
        ({"names": "??*"}, {"networks": "::/0"}),
        ({"tags": "prod"}, {"tags": "prod"}),
        ({"groups": "front"}, {"groups": "front"}),
        ({"paths": "/dc1"}, {"paths": "/dc1"}),
        ({"networks": "10.1.0.0/16"}, {"networks": "10.1.0.0/16"}),
    ],
)
def test_ties_name_both(first: dict[str, str], second: dict[str, str]) -> None:
    with pytest.raises(AssignmentTie) as caught:
        Assignments([policy("a", **first), policy("b", **second)]).policy_of(Vm())
    assert caught.value.policies == ("a", "b")


def test_a_place_is_not_a_prefix_of_text() -> None:
    found = Assignments([policy("a", paths="/dc1/c2")])
    assert found.policy_of(Vm(path="/dc1/c2"))
    assert found.policy_of(Vm(path="/dc1/c2/x"))
    assert found.policy_of(Vm(path="/dc1/c22")) is None
    assert found.policy_of(Vm(path="/dc1")) is None
    assert found.policy_of(Vm(path="")) is None


def test_tenants_policies_cover_their_vms_only() -> None:
    found = Assignments([policy("provider", names="*"), policy("acme", "acme", ids="i-1")])
    names = [getattr(found.policy_of(Vm(tenant=tenant)), "name", None) for tenant in (None, "acme", "other")]
    assert names == ["provider", "acme", "provider"]


def test_a_mask_of_another_tenant_hides_nothing() -> None:
    found = Assignments([policy("theirs", "other", names="web-*"), policy("ours", names="w*")])
    assert found.policy_of(Vm()) is not None


@pytest.mark.parametrize(
    "bad", ["", "dc1", "/dc1/", "//", "/a//b", "/a/../b", "/a/ b", "/a\x07", "/" + "a" * 1024, "/a" * 33]
)
def test_bad_places(bad: str) -> None:
    with pytest.raises(ValueError, match=";"):
        parse_place(bad)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("networks: [10.0.0.1/8]", "has bits set behind the prefix; write 10.0.0.0/8 or 10.0.0.1/32"),
        ("networks: ['::ffff:10.0.0.0/104']", "is IPv4 written as IPv6; write 10.0.0.0/8"),
        ("networks: [any]", "not an address or network"),
        ("paths: [dc1]", "starts with '/'"),
        ("tags: ['a*']", "wildcards are not possible here"),
        ("groups: ['']", "must not be empty"),
        ("path: [/a]", "unknown key; did you mean 'paths'?"),
    ],
)
def test_bad_entries_are_refused(entry: str, expected: str) -> None:
    with pytest.raises(FileErrors) as caught:
        parse_policies(f"policies: [{{name: p, assign: {{{entry}}}}}]", "f")
    assert expected in str(caught.value.items[0])


# Brute force: every entry against every VM, ranked by a table of its own.

_MASKS = ["*", "?*", "w*", "w?b", "*b", "web", "w"]
_NETWORKS = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.0.1/32",
    "10.2.0.0/16",
    "::/0",
    "2001:db8::/32",
    "2001:db8::/120",
]
_PATHS = ["/", "/a", "/a/b", "/a/b/c", "/ab"]
_LABELS = ["x", "y"]

assignments = st.builds(
    Assignment,
    names=st.lists(st.sampled_from(_MASKS), max_size=2).map(tuple),
    ids=st.lists(st.sampled_from(_LABELS), max_size=1).map(tuple),
    tags=st.lists(st.sampled_from(_LABELS), max_size=1).map(tuple),
    groups=st.lists(st.sampled_from(_LABELS), max_size=1).map(tuple),
    networks=st.lists(st.sampled_from(_NETWORKS), max_size=2).map(tuple),
    paths=st.lists(st.sampled_from(_PATHS), max_size=2).map(tuple),
)
owners = st.sampled_from([None, None, "t", "u"])
vms = st.builds(
    Vm,
    name=st.sampled_from(["web", "w", "wxb", "b", "q"]),
    id=st.sampled_from(["x", "z"]),
    path=st.sampled_from(["", *_PATHS]),
    groups=st.lists(st.sampled_from(["x", "z"]), max_size=2, unique=True).map(tuple),
    tags=st.lists(st.sampled_from(["y", "z"]), max_size=2, unique=True).map(tuple),
    addresses=st.lists(
        st.sampled_from([ip_address(text) for text in ("10.1.0.1", "10.2.0.1", "192.0.2.1", "2001:db8::1")]),
        max_size=2,
        unique=True,
    ).map(tuple),
    tenant=st.sampled_from([None, "t"]),
)


def mask_fits(mask: str, text: str) -> bool:
    if not mask:
        return not text
    if mask[0] == "*":
        return any(mask_fits(mask[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and mask[0] in ("?", text[0]) and mask_fits(mask[1:], text[1:])


def ranks(assign: Assignment, vm: Vm) -> list[tuple[int, int]]:
    found = [(7, 0)] * (vm.id in assign.ids) + [(5, 0)] * bool(set(vm.tags) & set(assign.tags))
    found += [(4, 0)] * bool(set(vm.groups) & set(assign.groups))
    for name in assign.names:
        if mask_fits(name, vm.name):
            literals = len(name.replace("*", "").replace("?", ""))
            found.append((6, 0) if literals == len(name) else (3, literals) if literals else (0, 0))
    for text in assign.networks:
        network = ip_network(text)
        if any(address in network for address in vm.addresses):
            found.append((2, -(network.num_addresses.bit_length())) if network.prefixlen else (0, 0))
    for place in assign.paths:
        if vm.path and (vm.path + "/").startswith(place if place == "/" else place + "/"):
            found.append((1, place.count("/")) if place != "/" else (0, 0))
    return found


@given(st.lists(st.tuples(assignments, owners, st.sampled_from(State)), max_size=6), vms)
@settings(max_examples=400, deadline=None)
def test_assignment_equals_brute_force(parts: list[tuple[Assignment, str | None, State]], vm: Vm) -> None:
    policies = [
        Policy(name=f"p{number}", assign=assign, tenant=tenant, state=state)
        for number, (assign, tenant, state) in enumerate(parts)
    ]
    claims = [
        (rank, item.name)
        for item in policies
        if item.state is State.ACTIVE and item.tenant in (None, vm.tenant)
        for rank in ranks(item.assign, vm)
    ]
    best = max((rank for rank, _ in claims), default=None)
    expected = {name for rank, name in claims if rank == best}
    winners = {winner.policy.name for winner in Assignments(policies).winners(vm)}
    assert winners == expected
    if len(expected) > 1:
        with pytest.raises(AssignmentTie):
            Assignments(policies).policy_of(vm)
    else:
        found = Assignments(policies).policy_of(vm)
        assert ({found.name} if found else set()) == expected
    for item in policies:
        assert len([entry for entry in entries_of(item) if matches(entry, vm)]) >= len(set(ranks(item.assign, vm)))
