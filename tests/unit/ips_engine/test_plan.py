from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hyperward.ips.engine.plan import AHEAD, SPARE, Operation, Registered, Step, mapped_at_start, plan
from hyperward.ips.engine.tenants import FIRST_VID, LAST_VID, Desired, Tenant

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
    assert actual.tenants == after
    assert {vid: actual.mappings[vid] for vid in remapped} == remapped
    assert {vid: to for vid, to in actual.mappings.items() if vid not in remapped}.items() <= mapped.items()


def test_what_nobody_wants_stays_mapped_within_bounds() -> None:
    mapped = dict.fromkeys(range(1, SPARE + 12), 1)
    steps = plan(Registered({1: "v"}, mapped), desired({1: "v"}, {1: 1}))
    assert [(step.operation, step.vid) for step in steps] == [(Operation.UNMAP, vid) for vid in range(2, 12)]


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


@given(tenants, mappings)
def test_an_engine_starts_with_what_is_wanted_and_room_for_more(loaded: dict[int, str], mapped: dict[int, int]) -> None:
    wanted = desired(loaded, mapped)
    started = mapped_at_start(wanted)
    assert list(started)[: len(mapped)] == list(mapped)
    assert {vid: started[vid] for vid in mapped} == mapped
    assert len(started) == len(mapped) + AHEAD
    assert all(FIRST_VID <= vid <= LAST_VID for vid in started)
    assert all(step.operation is Operation.REGISTER_TENANT for step in plan(Registered({}, started), wanted))


def test_room_is_what_comes_next_and_belongs_to_the_largest_tenant() -> None:
    started = mapped_at_start(desired({1: "v", 2: "v"}, {LAST_VID: 1, 4: 2, 5: 2}))
    assert list(started)[3:6] == [1, 2, 3]
    assert started[6] == 2
