"""Inheritance, locks and tenants, by example and against brute force."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.errors import InputError
from hyperward.policy.inherit import DEFAULT, Origin, inherit
from hyperward.policy.models import SETTINGS, Policy, PolicyFile
from hyperward.policy.resolve import Resolver
from hyperward.policy.settings import set_paths, setting_paths, value_at, with_blocks
from hyperward.policy.tree import MAX_DEPTH, Tree
from hyperward.policy.treefindings import tree_errors
from hyperward.svm.policy_file import parse_policies, parse_policy_file
from hyperward.yamlfile import FileErrors


def refusals(text: str) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        parse_policies(text, "policy.yaml")
    return [str(item).removeprefix("policy.yaml:") for item in caught.value.items]


def inherited(text: str, name: str) -> Any:
    tree = Tree(parse_policies(text, "policy.yaml"))
    return inherit(tree.chain(tree.by_name[name]))


THREE = """
policies:
- name: leaf
  parent: middle
  failure: {busy: closed}
  home_net: null
- name: root
  mode: monitoring
  failure: {down: closed}
  home_net: [10.0.0.0/8]
  intrusion_prevention:
    enabled: true
    excluded_rules: [{rule: "1:1", reason: r}]
- name: middle
  parent: root
  mode: standard
  intrusion_prevention: {network_attacks: {block_minutes: 5}, excluded_rules: []}
"""


def test_settings_come_from_the_nearest_that_sets_them_field_by_field() -> None:
    found = inherited(THREE, "leaf")
    policy = found.policy
    assert policy.name == "leaf"
    assert (policy.mode, policy.failure.down, policy.failure.busy) == ("standard", "closed", "closed")
    assert policy.intrusion_prevention.enabled
    assert policy.intrusion_prevention.network_attacks.block_minutes == 5
    assert policy.intrusion_prevention.excluded_rules == ()
    assert policy.home_net is None
    assert found.origins == {
        **dict.fromkeys(SETTINGS, DEFAULT),
        "mode": Origin("middle"),
        "failure.down": Origin("root"),
        "failure.busy": Origin("leaf"),
        "home_net": Origin("leaf"),
        "intrusion_prevention.enabled": Origin("root"),
        "intrusion_prevention.excluded_rules": Origin("middle"),
        "intrusion_prevention.network_attacks.block_minutes": Origin("middle"),
    }
    assert str(found.origins["mode"]) == "middle"
    assert str(DEFAULT) == "default"


def test_own_fields_are_not_inherited() -> None:
    text = """
policies:
- {name: root, description: d, state: inactive, assign: {names: ["*"]}, locked: [mode]}
- {name: leaf, parent: root}
"""
    policy = inherited(text, "leaf").policy
    assert (policy.description, policy.state, policy.locked) == ("", "active", ())
    assert not policy.assign


def test_inactive_parent_still_gives_its_settings() -> None:
    text = """
policies:
- {name: root, state: inactive, failure: {down: closed}}
- {name: leaf, parent: root, assign: {names: ["*"]}}
"""
    assert inherited(text, "leaf").policy.failure.down == "closed"


def test_setting_paths_are_those_of_the_contract() -> None:
    assert "intrusion_prevention.network_attacks.action" in SETTINGS
    assert "intrusion_prevention.network_attacks" not in SETTINGS
    assert not {"name", "assign.names", "locked"} & set(SETTINGS)
    assert setting_paths(Policy, without=()) != SETTINGS
    assert list(with_blocks("a.b.c")) == ["a.b.c", "a.b", "a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "policies:\n- {name: a, parent: c}\n- {name: b, parent: a}\n- {name: c, parent: b}\n- {name: d, parent: a}",
            [
                (
                    "2:21: policies[0].parent: the parents form a circle: 'a' -> 'c' -> 'b' -> 'a'; "
                    "give one of them another parent"
                )
            ],
        ),
        (
            "policies: [{name: a, parent: a}]",
            [
                "1:30: policies[0].parent: the parents form a circle: 'a' -> 'a'; give one of them another parent",
            ],
        ),
        (
            "policies: [{name: a, parent: b}]",
            ["1:30: policies[0].parent: there is no policy 'b'; correct the name, or add the policy"],
        ),
        (
            "policies: [{name: a, locked: [intrusion_prevention.network_attack]}]",
            [
                (
                    "1:31: policies[0].locked[0]: not the path of a setting or block; "
                    "did you mean 'intrusion_prevention.network_attacks'?"
                )
            ],
        ),
        (
            "policies: [{name: a, locked: [assign.names]}]",
            ["1:31: policies[0].locked[0]: not the path of a setting or block; write a path such as mode"],
        ),
        (
            """\
policies:
- name: root
  locked: [mode, intrusion_prevention.network_attacks]
- name: middle
  parent: root
  locked: [failure.down]
- name: leaf
  parent: middle
  failure:
    busy: closed
    down: open
  intrusion_prevention:
    enabled: true
    network_attacks:
      action: ignore
""",
            [
                (
                    "15:15: policies[2].intrusion_prevention.network_attacks.action: "
                    "'intrusion_prevention.network_attacks.action' is locked by policy 'root' in policies[0].locked[1] "
                    "(line 3); remove it here, or the lock there"
                ),
                (
                    "11:11: policies[2].failure.down: 'failure.down' is locked by policy 'middle' in "
                    "policies[1].locked[0] (line 6); remove it here, or the lock there"
                ),
            ],
        ),
    ],
)
def test_bad_trees_are_refused_with_both_places(text: str, expected: list[str]) -> None:
    assert refusals(text) == expected


def test_who_locks_may_set() -> None:
    (policy,) = parse_policies("policies: [{name: a, locked: [mode], mode: monitoring}]", "f")
    assert policy.mode == "monitoring"


def test_depth_is_bounded() -> None:
    def line(count: int) -> str:
        return "policies:\n- {name: p0}\n" + "".join(f"- {{name: p{n}, parent: p{n - 1}}}\n" for n in range(1, count))

    assert len(parse_policies(line(MAX_DEPTH), "f")) == MAX_DEPTH
    (text,) = refusals(line(MAX_DEPTH + 3))
    assert text.endswith(
        f"policies[{MAX_DEPTH}].parent: more than {MAX_DEPTH} policies from the root to here; make the tree flatter"
    )


def test_a_thousand_policies_in_a_row_are_refused_fast() -> None:
    policies = [{"name": "p0", "locked": list(SETTINGS)}]
    policies += [
        {"name": f"p{n}", "parent": f"p{n - 1}", "locked": list(SETTINGS), "mode": "standard"} for n in range(1, 1000)
    ]
    assert len(refusals(json.dumps({"policies": policies}))) == 50


def test_resolving_a_bad_tree_is_refused_too() -> None:
    with pytest.raises(InputError, match="do not lead to a root"):
        Resolver([Policy(name="a", parent="b")])
    with pytest.raises(InputError, match="do not lead to a root"):
        Resolver([Policy(name="a", parent="b"), Policy(name="b", parent="a")])


TENANTS = "tenants: [{name: acme, base: base}, {name: other}]\npolicies:\n- {name: base, locked: [failure]}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "- {name: a, tenant: acme}",
            "must descend from 'base', as said in tenants[0].base (line 1); add 'parent: base'",
        ),
        ("- {name: x}\n- {name: a, tenant: acme, parent: x}", "must descend from 'base'"),
        ("- {name: a, tenant: amce}", "there is no tenant 'amce'; correct the name, or add it to tenants"),
        (
            "- {name: o, tenant: other}\n- {name: a, tenant: acme, parent: o}",
            "a policy of tenant 'acme' cannot inherit from tenant 'other': policies[1].tenant (line 4)",
        ),
        (
            "- {name: o, tenant: other}\n- {name: a, parent: o}",
            "a policy of the provider cannot inherit from tenant 'other'",
        ),
        (
            "- {name: a, tenant: acme, parent: base}\n- {name: b, tenant: acme, parent: a, failure: {busy: open}}",
            "'failure.busy' is locked by policy 'base' in policies[0].locked[0] (line 3)",
        ),
    ],
)
def test_tenants_cannot_leave_their_place(text: str, expected: str) -> None:
    assert any(expected in refusal for refusal in refusals(TENANTS + text))


def test_tenant_list_is_checked() -> None:
    head = "tenants: [{name: a}, {name: a}, {name: b, base: x}, {name: c, base: p}]\n"
    found = refusals(head + "policies: [{name: p, tenant: a}]")
    assert [text.split(": ", 2)[2] for text in found] == [
        "the name 'a' is already taken by tenants[0].name (line 1); give every tenant its own name",
        "there is no policy 'x'; correct the name, or add the policy",
        (
            "the policy 'p' is not the provider's but of tenant 'a', as said in policies[0].tenant (line 2); "
            "take a policy without tenant"
        ),
    ]


def test_tenants_that_stay_in_their_place() -> None:
    text = (
        TENANTS
        + "- {name: a, tenant: acme, parent: base}\n- {name: b, tenant: acme, parent: a}\n- {name: c, tenant: other}"
    )
    assert [tenant.name for tenant in parse_policy_file(text, "f").tenants] == ["acme", "other"]


# Random trees, against an oracle that works on the text alone.

LEAVES: dict[str, list[Any]] = {
    "mode": ["standard", "monitoring"],
    "failure.down": ["open", "closed"],
    "failure.busy": ["open", "closed"],
    "intrusion_prevention.enabled": [True, False],
    "intrusion_prevention.network_attacks.action": ["ignore", "terminate", "terminate_and_block"],
    "intrusion_prevention.network_attacks.block_minutes": [1, 60, 32768],
    "intrusion_prevention.suspicious_activity.other": [True, False],
    "home_net": [None, ["10.0.0.0/8"], ["192.0.2.0/24"]],
}
BLOCKS = ["failure", "intrusion_prevention", "intrusion_prevention.network_attacks"]


def nested(leaves: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for path, value in leaves.items():
        *blocks, name = path.split(".")
        at = made
        for block in blocks:
            at = at.setdefault(block, {})
        at[name] = value
    return made


@st.composite
def files(draw: st.DrawFn, *, locks: bool) -> list[dict[str, Any]]:
    """Draw policies as dictionaries; a parent stands before or after its children."""
    count = draw(st.integers(1, 7))
    policies = []
    for number in range(count):
        leaves = {
            path: draw(st.sampled_from(values)) for path, values in LEAVES.items() if draw(st.integers(0, 3)) == 0
        }
        policy = {"name": f"p{number}", "own": leaves, "locked": []}
        if number and draw(st.booleans()):
            policy["parent"] = f"p{draw(st.integers(0, number - 1))}"
        if locks:
            policy["locked"] = draw(st.lists(st.sampled_from([*LEAVES, *BLOCKS]), max_size=2, unique=True))
        policies.append(policy)
    return draw(st.permutations(policies))


def parsed(policies: list[dict[str, Any]]) -> PolicyFile:
    data = []
    for policy in policies:
        entry = {key: value for key, value in policy.items() if key != "own"}
        data.append(entry | nested(policy["own"]))
    return PolicyFile.model_validate_json(json.dumps({"policies": data}))


def oracle_value(policies: dict[str, dict[str, Any]], name: str | None, path: str) -> tuple[Any, str | None]:
    """Return value and setter of a setting by walking up; (..., None) when nobody sets it."""
    while name is not None:
        if path in policies[name]["own"]:
            return policies[name]["own"][path], name
        name = policies[name].get("parent")
    return ..., None


def oracle_breaks(policies: dict[str, dict[str, Any]]) -> set[tuple[str, str]]:
    """Return each (policy, setting) that something above locks."""
    broken = set()
    for name, policy in policies.items():
        for path in policy["own"]:
            above = policy.get("parent")
            while above is not None:
                if any(f"{path}.".startswith(f"{lock}.") for lock in policies[above]["locked"]):
                    broken.add((name, path))
                above = policies[above].get("parent")
    return broken


@given(files(locks=False))
@settings(max_examples=150, deadline=None)
def test_inheritance_equals_brute_force(policies: list[dict[str, Any]]) -> None:
    file = parsed(policies)
    by_name = {policy["name"]: policy for policy in policies}
    tree = Tree(file.policies)
    assert not list(tree_errors(file))
    for policy in file.policies:
        found = inherit(tree.chain(policy))
        assert set(found.origins) == set(SETTINGS)
        for path in SETTINGS:
            value, setter = oracle_value(by_name, policy.name, path)
            got = value_at(found.policy, path)
            assert found.origins[path].policy == setter
            assert got == (value_at(Policy(name="x"), path) if setter is None else _as_model(value))
        assert set(set_paths(policy)) & set(SETTINGS) == set(by_name[policy.name]["own"])


def _as_model(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@given(files(locks=True))
@settings(max_examples=150, deadline=None)
def test_locks_are_never_broken(policies: list[dict[str, Any]]) -> None:
    file = parsed(policies)
    by_name = {policy["name"]: policy for policy in policies}
    found = {
        (file.policies[int(finding.path[1])].name, ".".join(map(str, finding.path[2:])))
        for finding in tree_errors(file)
    }
    assert found == oracle_breaks(by_name)
    if found:
        return
    # What is accepted keeps every locked setting as it is where it was locked.
    tree = Tree(file.policies)
    for policy in file.policies:
        chain = tree.chain(policy)
        effective = inherit(chain).policy
        for depth, owner in enumerate(chain, 1):
            there = inherit(chain[:depth]).policy
            for path in SETTINGS:
                if any(lock in owner.locked for lock in with_blocks(path)):
                    assert value_at(effective, path) == value_at(there, path)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_any_parents_are_either_refused_or_lead_to_roots(parents: list[tuple[int, int]]) -> None:
    policies = [
        Policy(name=f"p{number}", parent=None if parent > 7 else f"p{parent}")
        for number, (_, parent) in enumerate(parents)
    ]
    file = PolicyFile(policies=tuple(policies))
    good = True
    for policy in policies:
        seen: set[str] = set()
        name: str | None = policy.name
        while name is not None and name not in seen:
            seen.add(name)
            name = next((p.parent for p in policies if p.name == name), "unknown")
        good &= name is None
    assert (not list(tree_errors(file))) == good
    if good:
        Resolver(policies)
    else:
        with pytest.raises(InputError):
            Resolver(policies)
