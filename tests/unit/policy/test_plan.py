from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hyperward.inventory.models import Vm
from hyperward.policy.inherit import DEFAULT, Origin
from hyperward.policy.models import SETTINGS, Policy
from hyperward.policy.plan import SettingChange, VmChange, plan
from hyperward.policy.resolve import Resolver
from hyperward.svm.policy_file import parse_policies


def vm(name: str, instance: str = "", platform: str = "static") -> Vm:
    return Vm(name=name, id=instance or name, platform=platform)


def policies(text: str) -> tuple[Policy, ...]:
    return parse_policies(text, "f")


BASE = """
policies:
- {name: base, intrusion_prevention: {enabled: true}}
- {name: web, parent: base, assign: {names: ["web-*"]}}
- {name: db, parent: base, assign: {names: ["db-*"]}, mode: monitoring}
"""
VMS = (vm("web-1"), vm("db-1"), vm("printer"))


def test_nothing_changes() -> None:
    found = plan((policies(BASE), VMS), (policies(BASE), VMS))
    assert (found.changes, found.unchanged) == ((), 3)


def test_change_in_a_parent_reaches_those_below_with_its_origin() -> None:
    after = BASE.replace("enabled: true}", "enabled: true}, failure: {down: closed}")
    found = plan((policies(BASE), VMS), (policies(after), VMS))
    change = SettingChange("failure.down", "open", "closed", DEFAULT, Origin("base"))
    assert found.changes == (
        VmChange("web-1", "web-1", "web", "web", (change,)),
        VmChange("db-1", "db-1", "db", "db", (change,)),
    )
    assert found.unchanged == 1


def test_another_policy_with_equal_settings_is_told() -> None:
    found = plan((policies(BASE), VMS), (policies(BASE.replace("name: web", "name: front")), VMS))
    assert found.changes == (VmChange("web-1", "web-1", "web", "front", ()),)


def test_protection_that_comes_and_goes() -> None:
    found = plan((policies(BASE), VMS), (policies("policies: []"), VMS))
    assert [(change.vm, change.before, change.after) for change in found.changes] == [
        ("web-1", "web", None),
        ("db-1", "db", None),
    ]
    mode = next(change for change in found.changes[1].settings if change.path == "mode")
    assert (mode.before, mode.after, mode.origin_after) == ("monitoring", None, DEFAULT)


def test_vms_that_come_and_go() -> None:
    found = plan((policies(BASE), VMS), (policies(BASE), (vm("web-2"), vm("printer"))))
    assert [(change.vm, change.before, change.after) for change in found.changes] == [
        ("web-2", None, "web"),
        ("web-1", "web", None),
        ("db-1", "db", None),
    ]
    assert found.unchanged == 1


def test_a_renamed_vm_is_the_same_vm() -> None:
    found = plan((policies(BASE), (vm("web-1", "i"),)), (policies(BASE), (vm("db-1", "i"),)))
    (change,) = found.changes
    assert (change.vm, change.before, change.after) == ("db-1", "web", "db")
    assert [setting.path for setting in change.settings] == ["mode"]


modes = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["standard", "monitoring"]),
        "failure": st.fixed_dictionaries({}, optional={"down": st.sampled_from(["open", "closed"])}),
        "home_net": st.sampled_from([None, ["10.0.0.0/8"]]),
    },
)
worlds = st.lists(st.tuples(modes, st.booleans()), max_size=4)


@given(worlds, worlds)
@settings(max_examples=100, deadline=None)
def test_plan_equals_what_the_resolver_says(
    before: list[tuple[dict[str, Any], bool]], after: list[tuple[dict[str, Any], bool]]
) -> None:
    def made(parts: list[tuple[dict[str, Any], bool]]) -> tuple[Policy, ...]:
        entries = [
            {"name": f"p{n}", "assign": {"names": [f"v{n}"]}} | own | ({"parent": f"p{n - 1}"} if child and n else {})
            for n, (own, child) in enumerate(parts)
        ]
        return tuple(Policy.model_validate(entry, strict=False) for entry in entries)

    old, new = made(before), made(after)
    vms = [vm(f"v{n}") for n in range(4)]
    found = plan((old, vms), (new, vms))
    changed = {change.vm for change in found.changes}
    for item in vms:
        assert (item.name in changed) == (Resolver(old).effective(item) != Resolver(new).effective(item))
    for change in found.changes:
        assert {setting.path for setting in change.settings} <= set(SETTINGS)
        assert all(setting.before != setting.after for setting in change.settings)
    assert found.unchanged == len(vms) - len(changed)
