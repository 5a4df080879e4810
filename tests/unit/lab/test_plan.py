import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.errors import InputError
from hyperward.lab.netns import NetNs, namespaces_of
from hyperward.lab.plan import MAX_VMS, Kind, check_lab_name, plan_lab


def test_a_plan_names_everything() -> None:
    plan = plan_lab("demo", vms=2, qemu=True)
    assert [node.name for node in plan.nodes] == ["out", "vm1", "vm2", "vmq"]
    assert plan.netns_names() == ("hw-demo-host", "hw-demo-out", "hw-demo-vm1", "hw-demo-vm2")
    assert plan.netns_name("vmq") == "hw-demo-host"
    assert [node.name for node in plan.protected()] == ["vm1", "vm2", "vmq"]
    out = plan.node("out")
    assert (out.port, out.address(4), out.address(6)) == ("uplink", "10.77.0.9", "fd77::9")
    assert plan.dns_names()["vmq.hyperward.test"] == ("10.77.0.200", "fd77::200")


@given(vms=st.integers(0, MAX_VMS), qemu=st.booleans())
def test_no_two_nodes_share_anything(vms: int, qemu: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    nodes = plan_lab(vms=vms, qemu=qemu).nodes
    for values in zip(*((n.name, n.port, n.mac, n.port_mac, n.ipv4, n.ipv6) for n in nodes), strict=True):
        assert len(set(values)) == len(nodes)
    assert all(len(node.port) < 16 for node in nodes)
    assert sum(node.kind is Kind.QEMU for node in nodes) == int(qemu)


def test_the_same_arguments_give_the_same_plan() -> None:
    assert plan_lab("a", vms=3, qemu=True) == plan_lab("a", vms=3, qemu=True)


@pytest.mark.parametrize("vms", [-1, MAX_VMS + 1])
def test_a_wrong_number_of_vms_is_refused(vms: int) -> None:
    with pytest.raises(InputError, match="0 to 64"):
        plan_lab(vms=vms)


@pytest.mark.parametrize("name", ["", "A", "a-b", "1a", "a/b", "../x", "a" * 17, "a\n"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="a lab's name"):
        check_lab_name(name)


def test_an_unknown_node_is_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match=r"no machine 'vm9'.*it has out, vm1"):
        plan_lab(vms=1).node("vm9")


@pytest.mark.parametrize("name", ["eth0", "hw-", "hw-../x", "hw-a b", "xhw-a"])
def test_only_our_namespaces_can_be_named(name: str) -> None:
    with pytest.raises(InputError, match="hw-"):
        NetNs(name)


def test_commands_enter_by_path() -> None:
    assert NetNs("hw-x-out").command(["true"]) == ["nsenter", "--net=/run/netns/hw-x-out", "--", "true"]
    assert namespaces_of("hw-surely-not-there-") == []
