"""Bad input, as a user meets it: one clear line, exit code 2 for wrong input and 1 otherwise, and what runs goes on."""

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperward.events.model import Kind
from hyperward.ips.rules.data import starter_rules_path
from hyperward.lab.deadline import wait_until
from hyperward.lab.outcome import Result
from svm_fixtures import Svm, policy
from svm_traffic import attack

pytestmark = [pytest.mark.root, pytest.mark.engine]

TERMINATE = {"enabled": True, "network_attacks": {"action": "terminate"}}
BROKEN_OBJECT = (
    "import hyperward.svm.daemon as d; d.object_bytes = lambda: b'\\x7fELF' + bytes(500); "
    "from hyperward.cli.main import main; main()"
)


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Check exit code, that the answer is one line, and what it names."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("hyperward: ")]
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]


def no_key(svm: Svm) -> None:
    svm.configure(colour="blue")


def wrong_type(svm: Svm) -> None:
    svm.configure(heartbeat_ms="soon")


def no_config(svm: Svm) -> None:
    svm.config_file.unlink()


def no_policy(svm: Svm) -> None:
    (svm.folder / "policy.yaml").unlink()


def no_inventory(svm: Svm) -> None:
    (svm.folder / "inventory.yaml").unlink()


def unknown_policy_key(svm: Svm) -> None:
    svm.policies({"name": "p", "colour": "blue"})


def bad_yaml(svm: Svm) -> None:
    (svm.folder / "policy.yaml").write_text("policies: [\n")


def large_rules(svm: Svm) -> None:
    with (svm.folder / "large.rules").open("wb") as file:
        file.truncate(200 << 20)
    svm.configure(rules=["large.rules"])


def no_engine(svm: Svm) -> None:
    svm.configure(engine={"binary": "/usr/bin/suricata-that-is-not-there"})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_key, ("svm.yaml", "colour", "unknown key")),
        (wrong_type, ("svm.yaml", "heartbeat_ms")),
        (no_config, ("svm.yaml", "no such file")),
        (no_policy, ("policy.yaml", "no such file")),
        (no_inventory, ("inventory.yaml", "no such file")),
        (unknown_policy_key, ("policy.yaml", "colour")),
        (bad_yaml, ("policy.yaml",)),
        (large_rules, ("large.rules", "209715200 bytes")),
        (no_engine, ("suricata-that-is-not-there", "install Suricata")),
    ],
)
def test_wrong_input_ends_with_2(svm: Svm, spoil: Callable[[Svm], None], words: tuple[str, ...]) -> None:
    spoil(svm)
    refused(svm.cli("svm", "run"), 2, *words)


@pytest.mark.parametrize("arguments", [("svm", "run", "--colour"), ("svm", "fly"), ("events", "--limit", "0")])
def test_wrong_usage_ends_with_2(svm: Svm, arguments: tuple[str, ...]) -> None:
    done = svm.cli(*arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_without_root(svm: Svm) -> None:
    for command in (("svm", "run"), ("svm", "detach")):
        done = svm.cli(*command, wrap=("setpriv", "--reuid", "65534", "--clear-groups"))
        refused(done, 1, "needs root", "sudo")


@pytest.mark.parametrize("capability", ["sys_admin,-bpf", "net_admin", "net_raw"])
def test_without_rights(svm: Svm, capability: str) -> None:
    drop = f"-{capability}"
    refused(svm.cli("svm", "run", wrap=("setpriv", "--bounding-set", drop, "--inh-caps", drop)), 1)


def test_a_kernel_that_refuses_the_program(svm: Svm) -> None:
    refused(svm.cli("svm", "run", main=BROKEN_OBJECT), 1, "steering program", "failed")


def test_a_read_only_state_folder(svm: Svm) -> None:
    svm.state_dir.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "hw-test", str(svm.state_dir)], check=True)
    try:
        refused(svm.cli("svm", "run"), 2, str(svm.state_dir), "is not writable")
    finally:
        subprocess.run(["umount", str(svm.state_dir)], check=True)


def test_a_refusal_of_the_system_that_nobody_foresaw(svm: Svm) -> None:
    (svm.run_dir / "svm.lock").mkdir()
    refused(svm.cli("svm", "run"), 1, f"{svm.run_dir}/svm.lock", "Is a directory")


def test_no_daemon_to_ask(svm: Svm) -> None:
    for command in (("status",), ("vm", "list")):
        refused(svm.cli(*command), 1, "no SVM daemon answers", "start hyperward svm run")


def test_whatever_is_refused_the_running_daemon_goes_on(svm: Svm, tmp_path: Path) -> None:
    svm.policies(policy("servers", "vm1", "ghost", intrusion_prevention=TERMINATE))
    svm.inventory("vm1", "vm2", "ghost")
    svm.start()
    assert svm.daemon is not None
    # A second daemon: with the same run directory, and with another in the same namespace.
    refused(svm.cli("svm", "run"), 1, "another hyperward svm runs here", str(svm.daemon.pid))
    svm.configure(run_dir=str(tmp_path / "r"), state_dir=str(tmp_path / "s"))
    refused(svm.cli("svm", "run"), 1, "serves this network namespace")
    svm.configure()
    refused(svm.cli("svm", "detach"), 1, "another hyperward svm runs here")
    # An interface that does not exist is waited for.
    ghost = next(vm for vm in svm.ask("vms") if vm["name"] == "ghost")
    assert ghost["status"] == "not protected"
    assert any("correct the interface" in condition["what_to_do"] for condition in ghost["conditions"])
    # A bad file changes nothing and is told of once.
    good = (svm.folder / "policy.yaml").read_text()
    for number, text in enumerate(("policies: [", "policies: [{name: p, colour: blue}]", ""), 1):
        (svm.folder / "policy.yaml").write_text(text)
        told = svm.wait_for_events(Kind.POLICY_REFUSED, number)
        assert len(told) == number
        assert "policy.yaml" in told[-1].message
    (svm.folder / "policy.yaml").write_text(good)
    (svm.folder / "inventory.yaml").unlink()
    assert "inventory.yaml" in svm.wait_for_events(Kind.POLICY_REFUSED, 4)[-1].message
    assert attack(svm.lab, "out", "vm1") is Result.RESET
    svm.inventory("vm1", "vm2")
    assert wait_until(lambda: len(svm.ask("vms")) == 2, 5)
    assert attack(svm.lab, "out", "vm1") is Result.RESET
    assert svm.daemon.poll() is None


def test_broken_rules(svm: Svm, tmp_path: Path) -> None:
    """Of a file with broken rules the others are used; when the file becomes unusable the last good ones stay."""
    self_test = starter_rules_path() / "self-test.rules"
    lines = [line for line in self_test.read_text().splitlines() if "self-test by address, network-attack" in line]
    rules = tmp_path / "own.rules"
    broken = 'alert http any any -> any any (msg:"x"; nonsense:1; sid:1;)'
    rules.write_text("\n".join([*lines, broken, "what is this", ""]))
    svm.configure(rules=[str(rules)])
    svm.policies(policy("servers", "vm1", intrusion_prevention=TERMINATE))
    svm.start()
    told = svm.wait_for_events(Kind.RULES_REFUSED)
    assert "own.rules:2" in told[0].message
    assert "own.rules:3" in told[0].message
    assert attack(svm.lab, "out", "vm1") is Result.RESET
    # 200 MB while it runs: the old rules stay, also over a crash of the daemon and of the engine.
    with rules.open("wb") as file:
        file.truncate(200 << 20)
    assert "vm1 as before" in svm.wait_for_events(Kind.POLICY_REFUSED)[0].message
    assert attack(svm.lab, "out", "vm1") is Result.RESET
    svm.signal_engine(signal.SIGKILL)
    svm.wait_for_events(Kind.RULES_IN_FORCE, 2)
    assert attack(svm.lab, "out", "vm1") is Result.RESET
    svm.kill_daemon()
    refused(svm.cli("svm", "run"), 2, "own.rules", "bytes")
    assert attack(svm.lab, "out", "vm1", timeout=1) is Result.TIMED_OUT
    # Unusable in another way than one that is seen at the start.
    rules.write_bytes(b"what is this\n" * 10)
    rules.unlink()
    rules.mkdir()
    svm.start()
    assert attack(svm.lab, "out", "vm1") is Result.RESET


def test_an_unreadable_state_file(svm: Svm) -> None:
    content = b'{"ledger": 5, "tenants": {}}'
    svm.policies(policy("servers", "vm1", intrusion_prevention=TERMINATE))
    svm.start()
    before = svm.ask("status")["ports"]["ids"]
    svm.kill_daemon()
    (svm.state_dir / "state.json").write_bytes(content)
    svm.start()
    assert "state_unreadable" in svm.log
    assert (svm.state_dir / "state.damaged").read_bytes() == content
    assert svm.ask("status")["ports"]["ids"] != before
    assert attack(svm.lab, "out", "vm1") is Result.RESET


def test_no_room_for_events(svm: Svm) -> None:
    svm.state_dir.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "hw-test", str(svm.state_dir)], check=True)
    try:
        svm.policies(policy("servers", "vm1", intrusion_prevention=TERMINATE))
        svm.start()
        assert attack(svm.lab, "out", "vm1") is Result.RESET
        filler = svm.state_dir / "filler"
        _fill(filler)
        svm.policies(policy("servers", "vm1", "vm2", intrusion_prevention=TERMINATE))
        assert wait_until(lambda: "events_wait" in svm.log, 5), svm.log
        assert attack(svm.lab, "out", "vm1", timeout=1) in {Result.RESET, Result.TIMED_OUT}
        assert svm.daemon is not None
        assert svm.daemon.poll() is None
        assert len(re.findall("events_wait", svm.log)) < 5
        filler.unlink()
        # What waited is stored, and all goes on.
        assert wait_until(lambda: len(svm.events(Kind.POLICY_REFUSED)) + len(svm.events(Kind.POLICY_APPLIED)) > 1, 5)
        svm.policies(policy("others", "vm1", "vm2", intrusion_prevention=TERMINATE))
        assert wait_until(lambda: svm.status_of("vm2") != "not protected", 5), svm.log
        assert attack(svm.lab, "out", "vm1") is Result.RESET
        before = len(svm.events(Kind.DETECTION))
        assert attack(svm.lab, "out", "vm2") is Result.RESET
        svm.wait_for_events(Kind.DETECTION, before + 1)
    finally:
        svm.close()
        subprocess.run(["umount", "-l", str(svm.state_dir)], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(os.urandom(4096))
        except OSError:
            return
