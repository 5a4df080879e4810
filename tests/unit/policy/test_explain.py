from ipaddress import ip_address

from hyperward.inventory.models import Vm
from hyperward.policy.assignment import Address, AssignableVm
from hyperward.policy.explain import Candidate, RowDecision, Standing, explain
from hyperward.policy.inherit import DEFAULT, Origin
from hyperward.policy.models import SETTINGS, Policy
from hyperward.svm.check import check_files

POLICIES = """\
tenants: [{name: acme}, {name: other}]
policies:
- name: base
  locked: [failure]
  intrusion_prevention:
    enabled: true
- {name: web, parent: base, assign: {names: ["web-*"], groups: [front], tags: [nobody]}, mode: monitoring}
- {name: dc, assign: {paths: [/dc1]}}
- {name: dc2, assign: {paths: [/dc1/c2]}}
- {name: all, assign: {names: ["*"]}}
- {name: off, state: inactive, assign: {ids: [i-1]}}
- {name: theirs, tenant: other, assign: {names: [web-1]}}
"""
INVENTORY = "vms: [{name: web-1, id: i-1, path: /dc1/c2, groups: [front], tenant: acme}]"
CHECKED = check_files(POLICIES, INVENTORY).require()
VM = CHECKED.inventory.vms[0]


def test_who_won_who_lost_and_why() -> None:
    told = explain(CHECKED.policies, VM)
    assert (told.vm, told.id, told.tenant, told.policy, told.chain) == ("web-1", "i-1", "acme", "web", ("base", "web"))
    assert told.candidates == (
        Candidate("off", "id 'i-1'", Standing.INACTIVE, "the policy is inactive"),
        Candidate(
            "theirs",
            "name 'web-1'",
            Standing.OTHER_TENANT,
            "the policy is for tenant 'other', the VM is of tenant 'acme'",
        ),
        Candidate("web", "group 'front'", Standing.WON, "the most specific"),
        Candidate("web", "mask 'web-*'", Standing.LOST, "the same policy already matches by group 'front'"),
        Candidate("dc2", "path '/dc1/c2'", Standing.LOST, "group 'front' of 'web' is of a more specific kind"),
        Candidate("dc", "path '/dc1'", Standing.LOST, "group 'front' of 'web' is of a more specific kind"),
        Candidate("all", "mask '*'", Standing.LOST, "it matches anything; group 'front' of 'web' is more specific"),
    )


def test_within_a_kind_the_difference_is_named() -> None:
    told = explain([policy for policy in CHECKED.policies if policy.name in {"dc", "dc2"}], VM)
    assert [(c.policy, c.why) for c in told.candidates] == [
        ("dc2", "the most specific"),
        ("dc", "path '/dc1/c2' of 'dc2' is deeper"),
    ]


def test_every_setting_with_origin_line_and_locks() -> None:
    assert CHECKED.source is not None
    told = explain(CHECKED.policies, VM, line_of=CHECKED.source.line_of)
    assert tuple(setting.path for setting in told.settings) == SETTINGS
    found = {setting.path: setting for setting in told.settings}
    assert found["intrusion_prevention.enabled"].origin == Origin("base", 6)
    assert str(found["mode"].origin) == "web (line 7)"
    assert found["failure.down"].origin == DEFAULT
    assert found["failure.down"].locked_by == ("base",)
    assert found["mode"].locked_by == ()


def test_no_policy_and_a_tie() -> None:
    told = explain([], VM)
    assert (told.policy, told.candidates, told.settings) == (None, (), ())
    twin = Policy(name="twin", assign=CHECKED.policies[1].assign)
    told = explain([CHECKED.policies[0], CHECKED.policies[1], twin], VM)
    assert told.policy is None
    assert [(c.policy, c.standing) for c in told.candidates[:2]] == [("web", "tied"), ("twin", "tied")]
    assert told.candidates[0].why == "as specific as 'twin'; none of them is applied"


def test_exclusion_rows_get_the_effective_policy_and_the_address() -> None:
    asked: list[tuple[Policy, AssignableVm, Address]] = []

    def row_of(policy: Policy, vm: AssignableVm, remote: Address) -> RowDecision:
        asked.append((policy, vm, remote))
        return RowDecision("do_not_scan", "exclusions[3]", "inside 192.0.2.0/24")

    told = explain(CHECKED.policies, VM, remote=ip_address("192.0.2.1"), row_of=row_of)
    assert told.row == RowDecision("do_not_scan", "exclusions[3]", "inside 192.0.2.0/24")
    assert told.remote == "192.0.2.1"
    ((policy, vm, remote),) = asked
    assert (policy.name, policy.mode, policy.intrusion_prevention.enabled) == ("web", "monitoring", True)
    assert vm is VM
    assert remote == ip_address("192.0.2.1")
    assert explain(CHECKED.policies, Vm("x", "x", "static"), row_of=row_of).row is None
