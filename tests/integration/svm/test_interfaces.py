"""Interfaces come, go, and are left as they were found."""

import pytest

from hyperward.events.model import Kind
from hyperward.lab.deadline import wait_until
from hyperward.lab.outcome import Result
from svm_fixtures import Svm, policy
from svm_traffic import attack, download, stream

pytestmark = [pytest.mark.root, pytest.mark.engine]

TERMINATE = {"enabled": True, "network_attacks": {"action": "terminate"}}


def host(svm: Svm, *command: str) -> str:
    done = svm.lab.host.run(command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def look(svm: Svm, interface: str) -> dict[str, str]:
    """Return all that tc, ip and ethtool show of an interface, without counters."""
    shown = {
        "qdisc": host(svm, "tc", "qdisc", "show", "dev", interface),
        "link": host(svm, "ip", "link", "show", "dev", interface),
        "offloads": host(svm, "ethtool", "-k", interface),
    }
    for side in ("ingress", "egress"):
        done = svm.lab.host.run(["tc", "filter", "show", "dev", interface, side])
        shown[side] = done.stdout + done.stderr
    return shown


def replace_vm(svm: Svm, name: str, *, add: bool = True) -> None:
    """Delete the VM's interface and make it anew, as a hypervisor does when a VM restarts."""
    node, namespace = svm.lab.plan.node(name), svm.lab.netns(name)
    if node.port in host(svm, "ip", "-o", "link"):
        host(svm, "ip", "link", "del", node.port)
    if not add:
        return
    peer = ["peer", "name", "eth0", "address", node.mac, "netns", namespace.name]
    host(svm, "ip", "link", "add", node.port, "address", node.port_mac, "type", "veth", *peer)
    for command in (
        ["ip", "link", "set", "eth0", "up"],
        ["ip", "addr", "add", str(node.ipv4), "dev", "eth0"],
        ["ip", "addr", "add", str(node.ipv6), "dev", "eth0", "nodad"],
    ):
        assert namespace.run(command).returncode == 0
    host(svm, "ip", "link", "set", node.port, "master", "br0", "up")


def test_detach_leaves_the_interfaces_as_found(svm: Svm) -> None:
    foreign = ["bpf", "da", "bytecode", "1,6 0 0 4294967295"]  # returns -1: go on
    host(svm, "tc", "qdisc", "add", "dev", "vm2", "clsact")
    host(svm, "tc", "filter", "add", "dev", "vm2", "ingress", "pref", "7", *foreign)
    host(svm, "tc", "filter", "add", "dev", "vm2", "egress", "pref", "9", *foreign)
    names = ("vm1", "vm2", "vm3", "uplink", "br0")
    before = {name: look(svm, name) for name in names}
    guests = {name: svm.lab.netns(name).run(["ethtool", "-k", "eth0"]).stdout for name in ("vm1", "vm2")}
    svm.policies(policy("servers", "vm1", "vm2", intrusion_prevention=TERMINATE))
    svm.start()
    assert attack(svm.lab, "out", "vm1") is Result.RESET
    assert attack(svm.lab, "out", "vm2") is Result.RESET
    during = {name: look(svm, name) for name in names}
    assert {name for name in names if during[name] != before[name]} == {"vm1", "vm2"}
    assert during["vm3"] == before["vm3"], "a VM that no policy covers is not touched"
    # A foreign filter that comes to an interface whose qdisc is ours keeps the qdisc.
    svm.stop_daemon()
    host(svm, "ip", "tuntap", "add", "dev", "hww9", "mode", "tap")
    done = svm.cli("svm", "detach")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "released 2 ports" in done.stdout
    assert {name: look(svm, name) for name in names} == before
    assert not any(name in host(svm, "ip", "-o", "link") for name in ("hwg0", "hwn0", "hww"))
    assert guests == {name: svm.lab.netns(name).run(["ethtool", "-k", "eth0"]).stdout for name in guests}
    assert attack(svm.lab, "out", "vm1") is Result.COMPLETED
    assert [path.name for path in svm.run_dir.iterdir() if path.name == "bpf"] == []
    host(svm, "tc", "qdisc", "del", "dev", "vm2", "clsact")


def test_a_vm_that_restarts_is_protected_again(svm: Svm) -> None:
    svm.policies(policy("servers", "vm1", "vm2", intrusion_prevention=TERMINATE))
    svm.start()
    ids = {vm["name"]: vm["ports"][0]["id"] for vm in svm.ask("vms") if vm["ports"][0]["id"]}
    engine = svm.engine_pid()
    # Quickly, and with the daemon seeing it gone.
    replace_vm(svm, "vm1")
    assert wait_until(lambda: attack(svm.lab, "out", "vm1") is Result.RESET, 5)
    replace_vm(svm, "vm1", add=False)
    assert wait_until(lambda: svm.ask("status")["ports"]["protected"] == 1, 5)
    replace_vm(svm, "vm1")
    assert wait_until(lambda: attack(svm.lab, "out", "vm1") is Result.RESET, 5)
    assert {vm["name"]: vm["ports"][0]["id"] for vm in svm.ask("vms") if vm["ports"][0]["id"]} == ids
    assert svm.engine_pid() == engine
    assert svm.events(Kind.POLICY_REFUSED) == []


def test_a_vm_that_comes_later(svm: Svm) -> None:
    replace_vm(svm, "vm3", add=False)
    svm.policies(policy("servers", "vm1", "vm3", intrusion_prevention=TERMINATE))
    svm.inventory("vm1", "vm2", "vm3")
    svm.start()
    assert svm.status_of("vm3") == "not protected"
    replace_vm(svm, "vm3")
    assert wait_until(lambda: attack(svm.lab, "out", "vm3") is Result.RESET, 5)
    assert attack(svm.lab, "out", "vm2") is Result.COMPLETED
    # All VMs restart: the rules must not have gone with the last of them.
    tenants = svm.ask("status")["engine"]["tenants"]
    for name in ("vm1", "vm3"):
        replace_vm(svm, name, add=False)
    assert wait_until(lambda: svm.ask("status")["ports"]["protected"] == 0, 5)
    assert svm.ask("status")["engine"]["tenants"] == tenants
    replace_vm(svm, "vm1")
    replace_vm(svm, "vm3")
    assert wait_until(lambda: attack(svm.lab, "out", "vm1") is Result.RESET, 5)


def test_two_protected_vms_on_one_bridge(svm: Svm) -> None:
    svm.policies(policy("servers", "vm1", "vm2", intrusion_prevention=TERMINATE))
    svm.start()
    for client, server in (("vm1", "vm2"), ("vm2", "vm1")):
        before = len(svm.events(Kind.DETECTION))
        assert attack(svm.lab, client, server) is Result.RESET
        event = svm.wait_for_events(Kind.DETECTION, before + 1)[-1]
        assert event.vm is not None
        # The first port that the attack passes cuts it.
        assert (event.vm.name, event.direction) == (client, "outbound")
    with download(svm.lab, "vm1", "vm2", size=50 << 20) as outcomes, stream(svm.lab, "vm1", "vm2") as numbered:
        pass
    assert outcomes[0].completed, outcomes
    assert numbered.lost == []
