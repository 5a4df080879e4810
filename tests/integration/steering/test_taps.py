"""The devices of web scanners: made, adopted, opened and taken away."""

import os
import socket
from collections.abc import Iterator

import pytest
from pyroute2 import IPRoute

from hyperward.errors import SystemFault
from hyperward.steering.taps import ensure_taps, open_tap, remove_taps
from kernel import own_namespace

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    with own_namespace():
        yield


def names() -> list[str]:
    return sorted(name for _, name in socket.if_nameindex() if name != "lo")


def test_devices_are_made_once_and_stay_when_their_scanner_ends() -> None:
    made = ensure_taps(3)
    assert names() == ["hww0", "hww1", "hww2"]
    os.close(open_tap(1))
    assert ensure_taps(3) == made
    fd = open_tap(1)
    try:
        assert ensure_taps(2, mtu=9000) == made[:2]
        with IPRoute() as ip:
            links = {link.get_attr("IFLA_IFNAME"): link for link in ip.get_links()}
        for name, mtu in (("hww0", 9000), ("hww1", 9000), ("hww2", 1600)):
            link = links[name]
            assert (link.get_attr("IFLA_MTU"), link.get_attr("IFLA_TXQLEN")) == (mtu, 4096)
            assert link["flags"] & 0x81 == 0x81  # up, no ARP
            assert link.get_attr("IFLA_QDISC") == "noqueue"
            assert link.get_attr("IFLA_AF_SPEC").get_nested("AF_INET6", "IFLA_INET6_ADDR_GEN_MODE") == 1
    finally:
        os.close(fd)


def test_a_device_has_one_scanner() -> None:
    ensure_taps(1)
    fd = open_tap(0)
    try:
        with pytest.raises(SystemFault, match="busy"):
            open_tap(0)
    finally:
        os.close(fd)
    with pytest.raises(SystemFault, match="missing"):
        open_tap(1)
    assert names() == ["hww0"]


def test_devices_go_beyond_those_kept_also_under_a_scanner() -> None:
    ensure_taps(3)
    fd = open_tap(2)
    try:
        remove_taps(1)
        assert names() == ["hww0"]
        with pytest.raises(OSError, match="bad state"):
            os.read(fd, 100)
    finally:
        os.close(fd)
    remove_taps()
    remove_taps()
    assert names() == []


def test_a_foreign_interface_of_that_name_is_left_alone() -> None:
    with IPRoute() as ip:
        ip.link("add", ifname="hww1", kind="bridge")
    with pytest.raises(SystemFault, match="not our scanner's device"):
        ensure_taps(2)
    remove_taps()
    assert names() == ["hww1"]


@pytest.mark.parametrize("count", [-1, 17])
def test_there_are_at_most_sixteen(count: int) -> None:
    with pytest.raises(SystemFault, match="web scanners"):
        ensure_taps(count)
    assert names() == []
