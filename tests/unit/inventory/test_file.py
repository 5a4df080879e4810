import contextlib
import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.inventory.driver import InventoryDriver, StubInventory
from hyperward.inventory.file import LIMITS, parse_inventory
from hyperward.inventory.models import Inventory, NicIdentity, Port, Vm
from hyperward.inventory.static import StaticInventory
from hyperward.yamlfile import FileErrors


def refusals(text: str) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        parse_inventory(text, "f")
    return [str(item).removeprefix("f:") for item in caught.value.items]


def test_the_least_and_the_most() -> None:
    text = """
vms:
  - name: a
  - name: b
    id: i-1
    platform: libvirt
    addresses: [10.0.0.1, "2001:DB8::0:1"]
    ports:
      - interface: tap1
      - {interface: tap2, mac: 52-54-00-00-00-0A, id: 7}
"""
    least, most = parse_inventory(text, "f").vms
    assert least == Vm("a", "a", "static")
    ports = (Port("tap1"), Port("tap2", "52:54:00:00:00:0a", 7))
    assert most == Vm("b", "i-1", "libvirt", (ip_address("10.0.0.1"), ip_address("2001:db8::1")), ports)
    assert most.identity(ports[1]) == NicIdentity("libvirt", "i-1", "52:54:00:00:00:0a")
    assert list(Inventory((least, most)).ports()) == [(most, ports[0]), (most, ports[1])]


def test_an_empty_inventory_is_said_to_be_empty() -> None:
    assert parse_inventory("vms: []", "f") == Inventory()
    assert refusals("") == ["1:1: is empty; see the examples folder"]


TAKEN = "is already taken by"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "vms: [{nane: a}]",
            ["1:7: vms[0].name: this key is required; add it", "1:8: vms[0].nane: unknown key; did you mean 'name'?"],
        ),
        ("vms: [{name: 7}]", ["1:14: vms[0].name: expected text, got the number 7; put it in quotes"]),
        (
            "vms: [{name: a, platform: KVM}]",
            [
                (
                    "1:27: vms[0].platform: not a platform name; "
                    "write a lower-case word such as static, libvirt or proxmox"
                )
            ],
        ),
        (
            "vms: [{name: a, addresses: [10.0.0.1/8]}]",
            [("1:29: vms[0].addresses[0]: not an IP address; write it like 10.1.2.3 or 2001:db8::1")],
        ),
        ("vms: [{name: a, ports: [{}]}]", ["1:25: vms[0].ports[0].interface: this key is required; add it"]),
        (
            "vms:\n- name: a\n  ports:\n  - interface: a/b",
            [
                (
                    "4:16: vms[0].ports[0].interface: not an interface name: no '/', ':', '%' or white space, "
                    "not '.' or '..'; see 'ip link'"
                )
            ],
        ),
        (
            "vms: [{name: a, ports: [{interface: hwm1}]}]",
            ["1:37: vms[0].ports[0].interface: the interface name hwm1 is reserved; give the tap or veth of the VM"],
        ),
        (
            "vms: [{name: a, ports: [{interface: t, mac: x}]}]",
            ["1:45: vms[0].ports[0].mac: not a MAC address; write it like 52:54:00:12:34:56"],
        ),
        ("vms: [{name: a, ports: [{interface: t, id: 0}]}]", ["1:44: vms[0].ports[0].id: must be 1 or more, got 0"]),
        (
            "vms: [{name: a, ports: [{interface: t, id: 2047}]}]",
            ["1:44: vms[0].ports[0].id: must be 2046 or less, got 2047"],
        ),
        (
            "vms:\n- {name: a, id: x}\n- {name: a, id: y}",
            [f"3:10: vms[1].name: the name a {TAKEN} vms[0].name (line 2); give every VM its own"],
        ),
        (
            "vms:\n- {name: a, id: x}\n- {name: b, id: x}",
            [f"3:17: vms[1].id: the id x {TAKEN} vms[0].id (line 2); give every VM its own"],
        ),
        (
            "vms:\n- {name: a}\n- {name: b, id: a}",
            [f"3:17: vms[1].id: the id a {TAKEN} vms[0].name (line 2); give every VM its own"],
        ),
        (
            "vms:\n- {name: a, ports: [{interface: t}]}\n- {name: b, ports: [{interface: t}]}",
            [
                (
                    f"3:33: vms[1].ports[0].interface: the interface t {TAKEN} vms[0].ports[0].interface (line 2); "
                    "give every port its own"
                )
            ],
        ),
        (
            (
                "vms:\n- name: a\n  ports:\n  - {interface: t, mac: 52:54:00:00:00:0A}\n"
                "  - {interface: u, mac: 52-54-00-00-00-0a}"
            ),
            [
                (
                    f"5:25: vms[0].ports[1].mac: the MAC 52:54:00:00:00:0a {TAKEN} vms[0].ports[0].mac (line 4); "
                    "give every port its own"
                )
            ],
        ),
        (
            "vms:\n- name: a\n  ports:\n  - {interface: t, id: 9}\n  - {interface: u, id: 9}",
            [f"5:24: vms[0].ports[1].id: the port id 9 {TAKEN} vms[0].ports[0].id (line 4); give every port its own"],
        ),
    ],
)
def test_refused(text: str, expected: list[str]) -> None:
    assert refusals(text) == expected


def test_the_same_id_on_two_platforms_is_two_vms() -> None:
    text = "vms: [{name: a, id: x, platform: libvirt}, {name: b, id: x, platform: proxmox}]"
    assert len(parse_inventory(text, "f").vms) == 2


def test_a_large_inventory() -> None:
    text = "vms:\n" + "".join(
        f"- name: vm{i}\n  ports: [{{interface: tap{i}, mac: '52:54:{i >> 24:02x}:{i >> 16 & 255:02x}:"
        f"{i >> 8 & 255:02x}:{i & 255:02x}'}}]\n"
        for i in range(10_000)
    )
    assert len(parse_inventory(text, "f").vms) == 10_000


@pytest.mark.long
def test_100000_vms_fit_into_the_limits() -> None:
    vms = [
        {
            "name": f"virtual-machine-{i}",
            "id": f"i-{i:08x}",
            "addresses": [str(ip_address(0x0A000000 + i))],
            "ports": [
                {"interface": f"tap{i}", "mac": "52:54:00:" + ":".join(f"{i:06x}"[n : n + 2] for n in (0, 2, 4))}
            ],
        }
        for i in range(100_000)
    ]
    inventory = parse_inventory(json.dumps({"vms": vms}), "f")
    assert inventory.vms[99_999].ports[0].mac == "52:54:00:01:86:9f"


@pytest.mark.parametrize("entry", ["1", "{}", "{a: 1, b: 1}"])
def test_an_inventory_of_errors_is_bounded(entry: str) -> None:
    assert len(refusals(f"vms: [{','.join([entry] * 20_000)}]")) == 50


def test_too_many_vms() -> None:
    assert refusals("vms: [" + "1," * 200_001 + "]") == ["1:6: vms: has 200001 items; at most 200000 are allowed"]


def test_too_many_values_in_a_vm() -> None:
    text = "vms: [{name: a, addresses: [" + "10.0.0.1," * 6000 + "]}]"
    assert refusals(text) == ["1:7: vms[0]: more than 5000 keys and values in one entry; make it smaller"]
    text = "vms: [{name: a, addresses: [" + "10.0.0.1," * 257 + "]}]"
    assert refusals(text) == ["1:28: vms[0].addresses: has more than 256 items"]


def test_static_driver_reads_the_file_anew(tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    driver: InventoryDriver = StaticInventory(file)
    with pytest.raises(FileErrors, match="no such file"):
        driver.load()
    file.write_text("vms: [{name: a}]")
    assert [vm.name for vm in driver.load().vms] == ["a"]
    file.write_text("vms: [{name: b}]")
    assert [vm.name for vm in driver.load().vms] == ["b"]
    with file.open("wb") as sparse:
        sparse.truncate(LIMITS.max_bytes + 1)
    with pytest.raises(FileErrors, match="more than the 16777216 allowed"):
        driver.load()


def test_stub_driver_reports_what_it_was_given() -> None:
    inventory = Inventory((Vm("a", "a", "static"),))
    driver: InventoryDriver = StubInventory(inventory)
    assert driver.load() is inventory


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["vms", "name", "id", "addresses", "ports", "interface", "mac"]), inner)
    ),
    max_leaves=15,
)


@given(JUNK)
def test_nothing_but_file_errors(data: Any) -> None:
    for text in (json.dumps(data), json.dumps({"vms": data})):
        with contextlib.suppress(FileErrors):
            parse_inventory(text, "f")


NAMES = st.text("ab1-.", min_size=1, max_size=5)


@given(st.lists(NAMES, unique=True, max_size=5), st.lists(st.integers(0, 255), max_size=5, unique=True))
def test_inventories_are_printed_and_read_back(names: list[str], numbers: list[int]) -> None:
    vms = tuple(
        Vm(name, f"id-{name}", "lab", (ip_address(f"10.0.0.{n}"),), (Port(f"t{n}", f"52:54:00:00:00:{n:02x}", n + 1),))
        for name, n in zip(names, numbers, strict=False)
    )
    printed = [
        {
            "name": vm.name,
            "id": vm.id,
            "platform": vm.platform,
            "addresses": [str(address) for address in vm.addresses],
            "ports": [{"interface": port.interface, "mac": port.mac, "id": port.id} for port in vm.ports],
        }
        for vm in vms
    ]
    assert parse_inventory(json.dumps({"vms": printed}), "f") == Inventory(vms)
