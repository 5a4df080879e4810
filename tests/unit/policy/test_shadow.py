from datetime import UTC, datetime

import pytest

from hyperward.inventory.models import Vm
from hyperward.policy.actions import Action
from hyperward.policy.fields import Mode, State
from hyperward.policy.models import Assignment, IntrusionPrevention, Policy
from hyperward.policy.resolve import Resolver, Variant
from hyperward.policy.shadow import shadow_plan
from hyperward.svm.check import check_files

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ON = "intrusion_prevention: {enabled: true}"


VM = Vm(platform="static", name="web-1", id="x")


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("mode", list(Mode))
def test_a_shadow_only_reports_whatever_its_state_and_mode(state: State, mode: Mode) -> None:
    on = IntrusionPrevention(enabled=True)
    policies = [
        Policy(name="a", assign=Assignment(names=("web-1",)), intrusion_prevention=on, shadow="b"),
        Policy(name="b", state=state, mode=mode, intrusion_prevention=on),
    ]
    resolver = Resolver(policies)
    settings = resolver.effective(VM)
    assert settings is not None
    shadow = shadow_plan(resolver.shadow_of(settings), now=NOW)
    assert shadow is not None
    assert (shadow.policy, shadow.ips.variant) == ("b", Variant.OBSERVE)
    assert shadow.ips.network_attacks is Action.TERMINATE_AND_BLOCK


def test_no_shadow_and_a_shadow_without_the_feature() -> None:
    policies = [Policy(name="a", assign=Assignment(names=("web-1",)), shadow="b"), Policy(name="b")]
    resolver = Resolver(policies)
    settings = resolver.effective(VM)
    assert settings is not None
    assert shadow_plan(resolver.shadow_of(settings), now=NOW) is None
    assert shadow_plan(None, now=NOW) is None


@pytest.mark.parametrize(
    ("policies", "what"),
    [
        ("[{name: a, shadow: b}]", "there is no policy 'b'"),
        ("[{name: a, shadow: a}]", "the policy 'a' cannot be its own shadow"),
        ("[{name: a, shadow: b}, {name: b, tenant: t}]", "the policy 'b' belongs to another tenant"),
    ],
)
def test_wrong_references_are_refused_with_their_place(policies: str, what: str) -> None:
    [error] = check_files(f"tenants: [{{name: t}}]\npolicies: {policies}\n", "vms: []").errors
    assert "policies[0].shadow" in str(error)
    assert what in str(error)


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ("", ON, "Intrusion Prevention is off in 'a'"),
        (ON, "", "Intrusion Prevention is off in the shadow policy 'b'"),
    ],
)
def test_a_shadow_without_effect_is_a_warning(first: str, second: str, what: str) -> None:
    text = f"policies:\n- {{name: a, shadow: b, assign: {{names: [x]}}, {first}}}\n- {{name: b, {second}}}\n"
    result = check_files(text, "vms: [{name: x}]")
    assert result.ok
    assert any(what in str(warning) for warning in result.warnings)


def test_a_child_that_is_the_shadow_of_its_parent_has_none_itself() -> None:
    policies = [
        Policy(name="a", shadow="b", intrusion_prevention=IntrusionPrevention(enabled=True)),
        Policy(name="b", parent="a", assign=Assignment(names=("web-1",))),
    ]
    resolver = Resolver(policies)
    settings = resolver.effective(VM)
    assert settings is not None
    assert settings.shadow == "b"
    assert resolver.shadow_of(settings) is None
