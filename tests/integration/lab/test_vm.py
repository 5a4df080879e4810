"""The real virtual machine, unprotected: it starts, its console works, traffic and attacks go both ways."""

import pytest

from hyperward.lab.clients import GuestClient
from hyperward.lab.messages import HttpRequest, SshBanner
from hyperward.lab.outcome import Result
from hyperward.lab.plan import QEMU_VM, Kind, plan_lab
from hyperward.lab.running import received, run_attack, run_check
from hyperward.lab.scenario import Attack, Check, attacks, checks
from hyperward.lab.topology import Lab

pytestmark = [pytest.mark.root, pytest.mark.vm]
PLAN = plan_lab(vms=1, qemu=True)
ATTACKS = [attack for attack in attacks(PLAN) if attack.vm == QEMU_VM]
CHECKS = [check for check in checks(PLAN) if QEMU_VM in {check.client, check.server}]


def test_console_gives_status_and_output(qemu_lab: Lab) -> None:
    assert qemu_lab.console.run("echo out; echo 'a \"b\" $c' >&2; exit 3") == (3, 'out\na "b" $c\n')
    assert qemu_lab.console.run("printf 'no newline'").output == "no newline"
    assert qemu_lab.console.run("sleep 30", timeout=1).status == 137
    assert "6" in qemu_lab.console.run("uname -r").output


def test_console_loses_nothing_in_many_short_commands(qemu_lab: Lab) -> None:
    for number in range(100):
        assert qemu_lab.console.run(f"seq {number} | tail -n 1; true", timeout=5).status == 0


def test_console_takes_much_output(qemu_lab: Lab) -> None:
    assert len(qemu_lab.console.run("head -c 300000 /dev/zero | tr '\\0' x").output) == 300_000


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_harmless_traffic_goes_through(qemu_lab: Lab, check: Check) -> None:
    outcome = run_check(qemu_lab, check)
    assert outcome.result is Result.COMPLETED, outcome


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_arrives_where_nobody_protects(qemu_lab: Lab, attack: Attack) -> None:
    before = len(qemu_lab.records(attack.server))
    outcome = run_attack(qemu_lab, attack)
    assert outcome.result is Result.COMPLETED, outcome
    if qemu_lab.plan.node(attack.server).kind is Kind.QEMU and attack.kind.name == "path-traversal":
        assert outcome.detail == "HTTP 400"  # refused by the VM's server, which does not record it
    else:
        assert received(qemu_lab.records(attack.server)[before:], attack)


def test_outcomes_of_the_vm_where_nobody_answers(qemu_lab: Lab) -> None:
    client = GuestClient(qemu_lab.console)
    assert client.http(HttpRequest(port=81), "10.77.0.9").result is Result.REFUSED
    assert client.ssh_banner(SshBanner("SSH-2.0-x", port=81), "fd77::9").result is Result.REFUSED
    assert client.http(HttpRequest(), "10.77.0.99", timeout=1).result is Result.TIMED_OUT
    assert client.ssh_banner(SshBanner("SSH-2.0-x"), "fd77::99", timeout=1).result is Result.TIMED_OUT
    assert client.dns("out.hyperward.test", "A", "10.77.0.99", timeout=1).result is Result.TIMED_OUT
    assert client.ping("10.77.0.99", count=1, timeout=1).result is Result.TIMED_OUT


def test_the_monitor_pauses_and_continues_the_vm(qemu_lab: Lab) -> None:
    with qemu_lab.qmp() as qmp:
        qmp.execute("stop")
        assert qmp.execute("query-status")["running"] is False
        qmp.execute("cont")
        assert qmp.execute("query-status")["running"] is True
    assert qemu_lab.console.run("true").status == 0
