import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import SystemFault
from hyperward.svm.lanes import REST_SECONDS, Lane, Ledger, PortKey


def key(number: int) -> PortKey:
    return PortKey("static", f"vm{number}", f"tap{number}")


def take(ledger: Ledger, number: int, lane: Lane = Lane.ENFORCE, now: float = 0.0) -> int:
    return ledger.take(key(number), lane, vm_name=f"vm{number}", now=now).vid


def test_lanes_of_a_port_share_its_id_and_keep_their_vlan_ids() -> None:
    ledger = Ledger()
    enforce = ledger.take(key(1), Lane.ENFORCE, vm_name="a", now=0)
    copy = ledger.take(key(1), Lane.COPY, vm_name="a", now=0)
    assert enforce.port_id == copy.port_id
    assert enforce.vid != copy.vid
    assert ledger.take(key(1), Lane.ENFORCE, vm_name="a", now=99).vid == enforce.vid


def test_renamed_vm_keeps_its_lane_under_the_other_name() -> None:
    ledger = Ledger()
    before = ledger.take(key(1), Lane.ENFORCE, vm_name="old", now=0)
    after = ledger.take(key(1), Lane.ENFORCE, vm_name="other", now=0)
    assert (after.vid, after.vm_name) == (before.vid, "other")


def test_released_id_rests_and_still_names_its_last_owner() -> None:
    ledger = Ledger(next_vid=4093)
    vid = take(ledger, 1)
    assert vid == 4093
    ledger.release(key(1), now=10)
    owner = ledger.owner(vid)
    assert owner is not None
    assert owner.port == key(1)
    ledger._next_vid = vid
    assert take(ledger, 2, now=10 + REST_SECONDS - 1) != vid
    ledger._next_vid = vid
    assert take(ledger, 3, now=10 + REST_SECONDS) == vid


def test_ids_run_out_with_a_clear_error() -> None:
    ledger = Ledger()
    for number in range(2046):
        take(ledger, number)
        take(ledger, number, Lane.COPY)
    take(ledger, 5000)
    with pytest.raises(SystemFault, match="4093 VLAN ids"):
        take(ledger, 5000, Lane.COPY)


def test_wanted_port_id_is_given_when_free() -> None:
    ledger = Ledger()
    assert ledger.take(key(1), Lane.ENFORCE, vm_name="a", now=0, wanted_id=7).port_id == 7
    assert ledger.take(key(2), Lane.ENFORCE, vm_name="b", now=0, wanted_id=7).port_id != 7


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["take", "copy", "release"])), max_size=60))
def test_no_two_ports_ever_share_an_id_and_the_ledger_survives_saving(steps: list[tuple[int, str]]) -> None:
    ledger = Ledger()
    for now, (number, what) in enumerate(steps):
        if what == "release":
            ledger.release(key(number), now=float(now))
        else:
            take(ledger, number, Lane.COPY if what == "copy" else Lane.ENFORCE, now=float(now))
        ledger = Ledger.load(ledger.dump())
        live = [entry for port in ledger.ports() for entry in ledger.lanes_of(port).values()]
        assert len({entry.vid for entry in live}) == len(live)
        owners = {entry.port_id: entry.port for entry in live}
        assert all(owners[entry.port_id] == entry.port for entry in live)
