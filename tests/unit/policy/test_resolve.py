from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.policy.actions import Action
from hyperward.policy.assignment import Address, AssignmentTie
from hyperward.policy.fields import Mode, State
from hyperward.policy.models import (
    Assignment,
    ExcludedRule,
    IntrusionPrevention,
    NetworkAttacks,
    Policy,
    SuspiciousActivity,
)
from hyperward.policy.resolve import Resolver, Variant, effective, ips_plan, next_expiry, settings_of

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Vm:
    name: str
    id: str = "x"
    path: str = ""
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    tenant: str | None = None


def policy(name: str, *names: str, ids: tuple[str, ...] = (), state: State = State.ACTIVE) -> Policy:
    return Policy(name=name, state=state, assign=Assignment(names=names, ids=ids))


def covering(policies: list[Policy], vm: Vm) -> str | None:
    settings = effective(policies, vm)
    return settings.policy if settings else None


def test_nothing_is_covered_without_a_policy() -> None:
    assert covering([], Vm("web-1")) is None
    assert covering([policy("p", "db-*")], Vm("web-1")) is None


def test_the_most_specific_wins() -> None:
    policies = [
        policy("all", "*"),
        policy("web", "web-*"),
        policy("web1", "web-1?"),
        policy("name", "web-12"),
        policy("id", ids=("i-12",)),
    ]
    assert covering(policies, Vm("db")) == "all"
    assert covering(policies, Vm("web-2")) == "web"
    assert covering(policies, Vm("web-13")) == "web1"
    assert covering(policies, Vm("web-12")) == "name"
    assert covering(policies, Vm("web-12", "i-12")) == "id"
    assert covering(policies[::-1], Vm("web-12", "i-12")) == "id"


def test_an_inactive_policy_covers_nothing() -> None:
    policies = [policy("all", "*"), policy("web", "web-*", state=State.INACTIVE)]
    assert covering(policies, Vm("web-1")) == "all"


def test_one_policy_may_match_twice() -> None:
    assert covering([policy("p", "web-*", "*-web", "web-*")], Vm("web-web")) == "p"
    assert covering([policy("p", "web", "web", ids=("i", "i"))], Vm("web", "i")) == "p"


@pytest.mark.parametrize(
    ("policies", "claims"),
    [
        ([policy("a", "web-*"), policy("b", "*-web")], "'a' (mask 'web-*') and 'b' (mask '*-web')"),
        ([policy("a", "web-web"), policy("b", "web-web")], "'a' (name 'web-web') and 'b' (name 'web-web')"),
        ([policy("a", ids=("x",)), policy("b", ids=("x",))], "'a' (id 'x') and 'b' (id 'x')"),
    ],
)
def test_a_tie_names_policies_and_vm(policies: list[Policy], claims: str) -> None:
    with pytest.raises(AssignmentTie) as caught:
        effective(policies, Vm("web-web"))
    assert caught.value.what == f"VM 'web-web' is covered equally by the policies {claims}"
    assert caught.value.hint.startswith("make one more specific")
    assert (caught.value.vm, caught.value.policies) == ("web-web", ("a", "b"))


def test_a_tie_below_the_winner_does_not_matter() -> None:
    assert covering([policy("a", "web-*"), policy("b", "web*-"), policy("c", "web-1")], Vm("web-1")) == "c"


def oracle(policies: list[Policy], vm: Vm) -> set[str]:
    """Return the policies that cover a VM with the highest specificity, by trying everything."""

    def matches(mask: str, text: str) -> bool:
        if not mask:
            return not text
        if mask[0] == "*":
            return any(matches(mask[1:], text[start:]) for start in range(len(text) + 1))
        return bool(text) and mask[0] in ("?", text[0]) and matches(mask[1:], text[1:])

    claims = []
    for item in policies:
        if item.state is State.ACTIVE:
            claims += [((3, 0), item.name) for instance in item.assign.ids if instance == vm.id]
            for mask in item.assign.names:
                wild = [sign for sign in mask if sign in "*?"]
                rank = (1, len(mask) - len(wild)) if wild else (2, 0)
                claims += [(rank, item.name)] if matches(mask, vm.name) else []
    best = max((rank for rank, _ in claims), default=None)
    return {name for rank, name in claims if rank == best}


def resolved(policies: list[Policy], vm: Vm) -> set[str]:
    try:
        settings = Resolver(policies).effective(vm)
    except AssignmentTie as tie:
        return set(tie.policies)
    return {settings.policy} if settings else set()


TEXT = st.text("ab*?", min_size=1, max_size=4)


@given(
    st.lists(
        st.tuples(st.lists(TEXT, max_size=3), st.lists(st.sampled_from(["x", "y"]), max_size=2), st.sampled_from(State))
    ),
    st.text("ab", min_size=1, max_size=4),
    st.sampled_from(["x", "y", "z"]),
)
def test_resolution_equals_brute_force(
    parts: list[tuple[list[str], list[str], State]], name: str, instance: str
) -> None:
    policies = [policy(f"p{i}", *names, ids=tuple(ids), state=state) for i, (names, ids, state) in enumerate(parts)]
    assert resolved(policies, Vm(name, instance)) == oracle(policies, Vm(name, instance))


def plan_of(ips: IntrusionPrevention, mode: Mode = Mode.STANDARD) -> object:
    return ips_plan(settings_of(Policy(name="p", mode=mode, intrusion_prevention=ips)), now=NOW)


def test_off_means_no_plan() -> None:
    assert ips_plan(None, now=NOW) is None
    assert plan_of(IntrusionPrevention()) is None
    off = IntrusionPrevention(
        enabled=True,
        network_attacks=NetworkAttacks(enabled=False),
        suspicious_activity=SuspiciousActivity(enabled=False),
    )
    assert plan_of(off) is None


def test_plan_of_the_defaults() -> None:
    plan = ips_plan(settings_of(Policy(name="p", intrusion_prevention=IntrusionPrevention(enabled=True))), now=NOW)
    assert plan is not None
    assert plan.network_attacks is Action.TERMINATE_AND_BLOCK
    assert plan.malware is plan.adware is Action.TERMINATE
    assert plan.other is None
    assert plan.info is Action.IGNORE
    assert plan.excluded_rules == ()
    assert plan.home_net == plan.external_net == ("any",)
    assert plan.variant is Variant.ENFORCE


def test_features_that_are_off_have_no_action() -> None:
    ips = IntrusionPrevention(
        enabled=True,
        network_attacks=NetworkAttacks(enabled=False),
        suspicious_activity=SuspiciousActivity(adware=False, other=True, action=Action.IGNORE),
    )
    plan = ips_plan(settings_of(Policy(name="p", mode=Mode.MONITORING, intrusion_prevention=ips)), now=NOW)
    assert plan is not None
    assert (plan.network_attacks, plan.malware, plan.adware, plan.other) == (None, Action.IGNORE, None, Action.IGNORE)
    assert plan.variant is Variant.OBSERVE
    attacks_only = IntrusionPrevention(enabled=True, suspicious_activity=SuspiciousActivity(enabled=False, other=True))
    plan = ips_plan(settings_of(Policy(name="p", intrusion_prevention=attacks_only)), now=NOW)
    assert plan is not None
    assert (plan.malware, plan.adware, plan.other) == (None, None, None)


def rule(text: str, expires: datetime | None = None) -> ExcludedRule:
    return ExcludedRule(rule=text, reason="r", expires=expires)


def test_exclusions_are_sorted_unique_and_in_force() -> None:
    ips = IntrusionPrevention(
        enabled=True,
        excluded_rules=(
            rule("1:9"),
            rule("1:2", NOW),
            rule("1:3", NOW + timedelta(seconds=1)),
            rule("1:9"),
            rule("1:1"),
        ),
    )
    policies = [Policy(name="p", intrusion_prevention=ips)]
    plan = ips_plan(settings_of(policies[0]), now=NOW)
    assert plan is not None
    assert plan.excluded_rules == ("1:1", "1:3", "1:9")
    assert next_expiry(policies, now=NOW) == NOW + timedelta(seconds=1)
    assert next_expiry(policies, now=NOW + timedelta(seconds=1)) is None
    assert next_expiry([], now=NOW) is None


def test_equal_plans_of_different_policies_share_a_tenant() -> None:
    ips = IntrusionPrevention(enabled=True, excluded_rules=(rule("1:2"), rule("1:1")))
    turned = IntrusionPrevention(enabled=True, excluded_rules=(rule("1:1"), rule("1:2"), rule("1:3", NOW)))
    longer = NetworkAttacks(block_minutes=5)
    one = Policy(name="a", intrusion_prevention=ips, home_net=("10.0.0.0/9", "10.128.0.0/9"), external_net=("any",))
    two = Policy(
        name="b", intrusion_prevention=turned.model_copy(update={"network_attacks": longer}), home_net=("10.0.0.0/8",)
    )
    plans = {ips_plan(settings_of(item), now=NOW) for item in (one, two)}
    assert len(plans) == 1


def test_networks_of_the_policy_come_before_the_defaults() -> None:
    ips = IntrusionPrevention(enabled=True)
    own = Policy(name="p", intrusion_prevention=ips, home_net=("10.0.0.0/8",), external_net=("192.0.2.0/24",))
    plan = ips_plan(settings_of(own), now=NOW, default_home_net=("172.16.0.0/12",))
    assert plan is not None
    assert (plan.home_net, plan.external_net) == (("10.0.0.0/8",), ("192.0.2.0/24",))
    plan = ips_plan(
        settings_of(Policy(name="p", intrusion_prevention=ips)), now=NOW, default_home_net=("172.16.0.0/12",)
    )
    assert plan is not None
    assert (plan.home_net, plan.external_net) == (("172.16.0.0/12",), ("any",))
