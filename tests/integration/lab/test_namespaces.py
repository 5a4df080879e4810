"""The lab of namespaces, unprotected: everything goes through, and the servers prove it."""

import hashlib
import socket
from pathlib import Path

import pytest

from hyperward.errors import InputError
from hyperward.lab.clients import NamespaceClient
from hyperward.lab.content import block
from hyperward.lab.messages import HttpRequest, SshBanner
from hyperward.lab.netns import NetNs, socket_in
from hyperward.lab.outcome import Result
from hyperward.lab.plan import plan_lab
from hyperward.lab.running import received, run_attack, run_check
from hyperward.lab.scenario import Attack, Check, attacks, checks
from hyperward.lab.topology import Lab

pytestmark = pytest.mark.root
PLAN = plan_lab(vms=2)


@pytest.mark.parametrize("check", checks(PLAN), ids=lambda check: check.name)
def test_harmless_traffic_goes_through(namespace_lab: Lab, check: Check) -> None:
    outcome = run_check(namespace_lab, check)
    assert outcome.result is Result.COMPLETED, outcome


@pytest.mark.parametrize("attack", attacks(PLAN), ids=lambda attack: attack.name)
def test_an_attack_arrives_where_nobody_protects(namespace_lab: Lab, attack: Attack) -> None:
    before = len(namespace_lab.records(attack.server))
    outcome = run_attack(namespace_lab, attack)
    assert outcome.result is Result.COMPLETED, outcome
    assert received(namespace_lab.records(attack.server)[before:], attack)


def test_vms_reach_each_other(namespace_lab: Lab) -> None:
    client = NamespaceClient(namespace_lab.netns("vm1"))
    vm2 = namespace_lab.plan.node("vm2")
    assert all(client.ping(vm2.address(family)).completed for family in (4, 6))


def test_an_upload_arrives_whole(namespace_lab: Lab) -> None:
    size = 5 * 1024 * 1024 + 17
    outcome = NamespaceClient(namespace_lab.netns("vm1")).upload(size, "10.77.0.9")
    assert outcome.completed, outcome
    record = [record for record in namespace_lab.records("out") if record.fields.get("target") == "/upload"][-1]
    content = (block() * 6)[:size]
    assert record.fields["body_bytes"] == size
    assert record.fields["body_sha256"] == hashlib.sha256(content).hexdigest()


def test_dns_over_tcp_and_an_unknown_name(namespace_lab: Lab) -> None:
    client = NamespaceClient(namespace_lab.netns("vm1"))
    assert client.dns("vm2.hyperward.test", "AAAA", "fd77::9", tcp=True).detail == "fd77::12"
    assert client.dns("nobody.hyperward.test", "A", "10.77.0.9").detail == "NXDOMAIN"


def test_outcomes_where_nobody_answers(namespace_lab: Lab) -> None:
    """A port where nobody listens refuses, one that is never accepted from times out, a closing server resets."""
    client = NamespaceClient(namespace_lab.netns("vm1"))
    assert client.http(HttpRequest(port=81), "10.77.0.9").result is Result.REFUSED
    assert client.ssh_banner(SshBanner("SSH-2.0-x", port=81), "fd77::9").result is Result.REFUSED
    with socket_in(namespace_lab.netns("out"), socket.AF_INET6) as silent:
        silent.bind(("::", 8081))
        silent.listen()
        assert client.http(HttpRequest(port=8081), "fd77::9", timeout=0.5).result is Result.TIMED_OUT
        assert client.ssh_banner(SshBanner("SSH-2.0-x", port=8081), "10.77.0.9", timeout=0.5).result is Result.TIMED_OUT


def test_guests_keep_their_offloads(namespace_lab: Lab) -> None:
    said = namespace_lab.netns("vm1").run(["ethtool", "-k", "eth0"]).stdout
    assert "tcp-segmentation-offload: on" in said


def test_the_hypervisor_side_is_silent(namespace_lab: Lab) -> None:
    addresses = namespace_lab.host.run(["ip", "-o", "addr", "show", "scope", "link"]).stdout
    assert addresses == ""


def test_a_callable_runs_inside_and_its_error_comes_back(namespace_lab: Lab) -> None:
    names = namespace_lab.host.call(socket.if_nameindex)
    assert {"br0", "uplink", "vm1", "vm2"} <= {name for _, name in names}

    def fail() -> None:
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        namespace_lab.host.call(fail)


def test_a_second_lab_of_the_same_name_is_refused(namespace_lab: Lab, tmp_path: Path) -> None:
    for base in (None, tmp_path):
        with pytest.raises(InputError, match="already"):
            Lab(plan_lab(namespace_lab.plan.name), base=base).up()
    assert NetNs(namespace_lab.plan.netns_name("host")).exists()
    assert NamespaceClient(namespace_lab.netns("vm1")).ping("10.77.0.9").completed
