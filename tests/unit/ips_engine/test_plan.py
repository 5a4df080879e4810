from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hyperward.ips.engine.plan import Operation, Registered, Step, plan
from hyperward.ips.engine.tenants import Desired, Tenant

ids = st.integers(1, 5)
versions = st.sampled_from(["1", "2"])
tenants = st.dictionaries(ids, versions)
mappings = st.dictionaries(st.integers(1, 8), ids)


def desired(wanted: dict[int, str], mapped: dict[int, int]) -> Desired:
    return Desired({number: Tenant(number, Path("/r"), version) for number, version in wanted.items()}, mapped)


@given(tenants, mappings, tenants, mappings)
def test_a_plan_leads_to_what_is_desired_by_commands_the_engine_takes(
    before: dict[int, str], mapped: dict[int, int], after: dict[int, str], remapped: dict[int, int]
) -> None:
    actual = Registered(dict(before), dict(mapped))
    steps = plan(Registered(dict(before), dict(mapped)), desired(after, remapped))
    for step in steps:
        match step.operation:
            case Operation.REGISTER_TENANT:
                assert step.tenant not in actual.tenants
            case Operation.RELOAD_TENANT | Operation.UNREGISTER_TENANT:
                assert step.tenant in actual.tenants
            case Operation.MAP:
                assert step.vid not in actual.mappings
            case Operation.UNMAP:
                assert actual.mappings[step.vid] == step.tenant
        actual.record(step)
    assert actual == Registered(after, remapped)


@given(tenants, mappings)
def test_nothing_to_do_is_an_empty_plan(wanted: dict[int, str], mapped: dict[int, int]) -> None:
    assert plan(Registered(dict(wanted), dict(mapped)), desired(wanted, mapped)) == []


def test_a_move_does_not_wait_for_loading_and_its_halves_stand_together() -> None:
    actual = Registered({1: "1", 2: "1"}, {5: 1, 6: 1})
    steps = plan(actual, desired({1: "1", 2: "1", 3: "1"}, {5: 2, 6: 3}))
    assert steps == [
        Step(Operation.UNMAP, 1, 5),
        Step(Operation.MAP, 2, 5),
        Step(Operation.REGISTER_TENANT, 3, version="1"),
        Step(Operation.UNMAP, 1, 6),
        Step(Operation.MAP, 3, 6),
    ]
