from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import InputError
from hyperward.inventory.models import Inventory, NicIdentity, Port, Vm
from hyperward.policy.fields import FailureAction, Mode
from hyperward.policy.models import Assignment, Failure, IntrusionPrevention, Policy
from hyperward.svm.desired import DesiredPort, desired_ports
from hyperward.svm.diff import diff

NOW = datetime(2026, 6, 1, tzinfo=UTC)
INVENTORY = Inventory(
    (
        Vm("web", "i-1", "static", (), (Port("tap2", "52:54:00:00:00:01", 7), Port("tap1"))),
        Vm("db", "i-2", "static", (), (Port("tap3"),)),
        Vm("free", "i-3", "static", (), (Port("tap4"),)),
    )
)


def policy(name: str, *names: str, mode: Mode = Mode.STANDARD, enabled: bool = True) -> Policy:
    ips = IntrusionPrevention(enabled=enabled)
    return Policy(name=name, mode=mode, assign=Assignment(names=names), intrusion_prevention=ips)


def test_only_covered_ports_are_desired() -> None:
    ports = desired_ports([policy("p", "web"), policy("off", "db", enabled=False)], INVENTORY, now=NOW)
    assert [(port.interface, port.vm, port.port_id) for port in ports] == [
        ("tap2", "web", 7),
        ("tap1", "web", None),
        ("tap3", "db", None),
    ]
    assert ports[0].identity == NicIdentity("static", "i-1", "52:54:00:00:00:01")
    assert ports[0].ips is not None
    assert ports[2].ips is None


def test_nothing_changes_when_effective_settings_do_not() -> None:
    before = desired_ports([policy("p", "*")], INVENTORY, now=NOW)
    after = desired_ports([policy("renamed", "web"), policy("split", "db", "free")], INVENTORY, now=NOW)
    assert not diff(before, after[::-1])
    assert not diff((), ())


def test_what_changes_is_named() -> None:
    before = desired_ports([policy("p", "web", "db")], INVENTORY, now=NOW)
    after = desired_ports([policy("p", "web", mode=Mode.MONITORING), policy("q", "free")], INVENTORY, now=NOW)
    result = diff(before, after)
    assert [port.interface for port in result.added] == ["tap4"]
    assert [port.interface for port in result.removed] == ["tap3"]
    assert [(change.new.interface, change.settings) for change in result.changed] == [
        ("tap1", ("ips", "mode")),
        ("tap2", ("ips", "mode")),
    ]
    assert result


def test_a_failure_setting_is_a_change_of_its_own() -> None:
    (port, *_) = desired_ports([policy("p", "web")], INVENTORY, now=NOW)
    closed = replace(port, failure=Failure(down=FailureAction.CLOSED))
    (change,) = diff([port], [closed]).changed
    assert (change.old, change.new, change.settings) == (port, closed, ("failure",))


def test_an_interface_belongs_to_one_vm() -> None:
    port = DesiredPort("tap1", "a", NicIdentity("static", "a", None), None, None, Mode.STANDARD, Failure())
    with pytest.raises(InputError, match="tap1: the interface belongs to 'a' and to 'b'"):
        diff([port, replace(port, vm="b")], [])


PORTS = st.lists(
    st.builds(
        DesiredPort,
        st.sampled_from(["t1", "t2", "t3", "t4"]),
        st.sampled_from(["a", "b"]),
        st.just(NicIdentity("static", "a", None)),
        st.sampled_from([None, 1]),
        st.none(),
        st.sampled_from(Mode),
        st.just(Failure()),
    ),
    unique_by=lambda port: port.interface,
)


@given(PORTS, PORTS)
def test_the_difference_leads_from_old_to_new(old: list[DesiredPort], new: list[DesiredPort]) -> None:
    result = diff(old, new)
    state = {port.interface: port for port in old}
    for port in result.removed:
        assert state.pop(port.interface) == port
    for change in result.changed:
        assert change.old != change.new
        assert state[change.old.interface] == change.old
        state[change.new.interface] = change.new
    for port in result.added:
        assert port.interface not in state
        state[port.interface] = port
    assert state == {port.interface: port for port in new}
    for names in ([port.interface for port in result.added], [change.new.interface for change in result.changed]):
        assert names == sorted(names)
    assert diff(old[::-1], new[::-1]) == result
