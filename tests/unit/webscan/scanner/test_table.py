from hypothesis import given
from hypothesis import strategies as st

from hyperward.webscan.scanner.table import FlowTable, Limits
from hyperward.webscan.scanner.tcpflow import TcpFlow
from web_frames import Line
from web_world import Around, LineStream, packet_of


def flow_of(key: bytes, data: bytes) -> TcpFlow:
    flow = TcpFlow(key, 1, LineStream)
    flow.packet(packet_of(Line().tcp(1, data)), Around())
    return flow


LIMITS = Limits(flows=20, port_flows=10, bytes=2000, port_bytes=1000)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30), st.integers(1, 300), st.booleans()), max_size=100))
def test_the_bounds_hold_and_the_sums_are_right(steps: list[tuple[int, int, int, bool]]) -> None:
    table = FlowTable(LIMITS)
    held: dict[tuple[int, bytes], TcpFlow] = {}
    for now, (port, name, size, whole) in enumerate(steps):
        key = b"%d.%d" % (port, name)
        flow = flow_of(key, b"x" * size + (b"\n" if whole else b""))
        table.forget(port, key)
        held[port, key] = flow
        for owner, gone in table.touch(port, flow, now):
            assert held.pop((owner, gone.key)) is gone
        assert len(table) <= LIMITS.flows
        assert table.bytes <= LIMITS.bytes
    assert len(table) == len(held)
    assert table.bytes == sum(flow.size for flow in held.values())
    for (port, key), flow in held.items():
        assert table.get(port, key) is flow
    table.expire(1e9)
    assert (len(table), table.bytes) == (0, 0)


def test_what_waits_outlives_what_does_not() -> None:
    table = FlowTable(Limits(port_flows=3))
    waiting = flow_of(b"waiting", b"half")
    table.touch(1, waiting, 0.0)
    for number in range(10):
        gone = table.touch(1, flow_of(b"%d" % number, b"whole\n"), 1.0)
        assert waiting not in [flow for _, flow in gone]
    assert table.get(1, b"waiting") is waiting


def test_a_busy_port_makes_room_among_its_own() -> None:
    table = FlowTable(Limits(flows=6, port_flows=5))
    table.touch(1, flow_of(b"quiet", b"half"), 0.0)
    gone = [owner for n in range(20) for owner, _ in table.touch(2, flow_of(b"%d" % n, b"half"), 1.0)]
    assert set(gone) == {2}
    assert table.get(1, b"quiet") is not None


def test_idle_flows_leave_before_waiting_ones() -> None:
    table = FlowTable(Limits(idle_seconds=30, waiting_seconds=300))
    table.touch(1, flow_of(b"idle", b"whole\n"), 0.0)
    table.touch(1, flow_of(b"waiting", b"half"), 0.0)
    table.expire(31)
    assert table.get(1, b"idle") is None
    assert table.get(1, b"waiting") is not None
    table.expire(301)
    assert len(table) == 0
