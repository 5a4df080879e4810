"""What the kernel is told about web scanners, and what a scanner process finds of it."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from hyperward.errors import SystemFault
from hyperward.steering.layout import FlowKey, Mode, Scanner, Settings, Web, WebFlow, WebState
from hyperward.steering.limits import WebLimits
from hyperward.steering.pairs import Pairs
from hyperward.steering.ports import KernelPorts, PortSettings
from hyperward.steering.program import Program, object_bytes, open_program
from hyperward.steering.scanners import open_maps
from kernel import loaded_program, own_namespace

pytestmark = pytest.mark.root
PAIRS = Pairs(11, 12, 1606)
LIMITS = WebLimits(100, 200, 300)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with own_namespace(), loaded_program(tmp_path) as made, IPRoute() as ip:
        for name in ("vm1", "vm2"):
            ip.link("add", ifname=name, kind="bridge")
        yield made


def configured(program: Program) -> KernelPorts:
    ports = KernelPorts(program)
    ports.configure(PAIRS, down_ms=300, busy_ms=200, probe_ms=50)
    return ports


def told(program: Program) -> Settings:
    found = program.maps.settings.get(0)
    assert found
    return found


def devices(program: Program) -> list[int]:
    return [ifindex for _, ifindex in program.maps.scanner_devices.items()]


def test_the_gate_and_a_daemon_that_comes_after_keep_the_scanners(program: Program) -> None:
    ports = configured(program)
    ports.web((21, 22, 23), LIMITS)
    assert (told(program).scanners, told(program).web_queue, told(program).web_rate) == (3, 100, 200)
    ports.gate(is_open=True)
    assert (told(program).scanners, told(program).guest_ifindex) == (3, 11)
    again = configured(program)
    assert (told(program).scanners, told(program).web_burst, told(program).guest_ifindex) == (3, 300, 11)
    again.gate(is_open=False)
    assert (told(program).scanners, told(program).guest_ifindex) == (3, 0)
    assert devices(program) == [21, 22, 23, *[0] * 13]
    again.web((21,))
    assert (told(program).scanners, told(program).web_queue, told(program).down_ns) == (1, 2048, 300_000_000)
    assert devices(program) == [21, *[0] * 15]


def test_a_port_is_found_by_its_id_as_long_as_it_is_there(program: Program) -> None:
    ports = configured(program)
    first, second = (socket.if_nametoindex(name) for name in ("vm1", "vm2"))
    settings = PortSettings(7, 0, Mode.STANDARD, web=Web.TCP | Web.DNS)
    ports.put(first, settings)
    assert program.maps.port_devices.get(7) == first
    assert ports.registered() == {first: settings}
    # The VM moves to another interface before the old one is taken out.
    ports.put(second, settings)
    ports.remove(first)
    assert program.maps.port_devices.get(7) == second
    ports.remove(second)
    assert program.maps.port_devices.get(7) == 0


def test_a_scanner_process_opens_the_pinned_maps(program: Program, tmp_path: Path) -> None:
    configured(program)
    found = open_maps(tmp_path)
    try:
        key = FlowKey(b"l" * 16, b"r" * 16, 7, b"\0\1", b"\0\2", 0, 6)
        found.web_flows.set(key, WebFlow(1, 2, WebState.UNTIL, expires_ns=3))
        assert program.maps.web_flows.get(key) == WebFlow(1, 2, WebState.UNTIL, expires_ns=3)
        assert list(found.flows.items()) == []
        program.maps.scanners.set(15, Scanner(0, 0, 9))
        slot = found.slots.slot(15)
        slot.beat()
        slot.take(4)
        seen = program.maps.scanners.get(15)
        assert seen == Scanner(slot.alive_ns, 4, 9)
        assert slot.alive_ns > 0
        slot.caught_up()
        slot.dead()
        assert program.maps.scanners.get(15) == Scanner(0, 9, 9)
    finally:
        found.close()


def test_maps_of_another_layout_are_refused_by_a_scanner_and_replaced_by_the_daemon(
    program: Program, tmp_path: Path
) -> None:
    configured(program)
    program.maps.settings.set(0, replace(told(program), layout_version=3))
    with pytest.raises(SystemFault, match="layout 3, not 4"):
        open_maps(tmp_path)
    after = open_program(tmp_path, object_bytes())
    try:
        assert not after.adopted
        configured(after)
        open_maps(tmp_path).close()
    finally:
        after.close()


def test_a_scanner_process_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SystemFault, match="no pinned maps"):
        open_maps(tmp_path)
