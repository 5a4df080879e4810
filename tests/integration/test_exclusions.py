"""Exclusions with the real daemon, engine and starter rules: who is excluded gets through, all others are cut."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from hyperward.events.model import Event, EventAction, Kind
from hyperward.events.reader import EventReader
from hyperward.files import write_atomically
from hyperward.lab.deadline import wait_until
from hyperward.lab.outcome import Outcome
from hyperward.lab.plan import HOST, OUT
from hyperward.lab.running import run_attack
from hyperward.lab.scenario import KINDS, Attack, Direction
from hyperward.lab.topology import Lab
from hyperward.svm.control import ask
from lab_fixtures import MakeLab

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(240)]

VM, OTHER = "vm1", "vm2"
MAIN = "from hyperward.cli.main import main; main()"
SHELLSHOCK = next(kind for kind in KINDS if kind.name == "shellshock")


@dataclass
class Svm:
    """A daemon that protects vm1; vm2 and the host outside attack it."""

    lab: Lab
    home: Path

    def write(self, rows: list[dict[str, Any]], directions: tuple[str, ...] = ()) -> None:
        """Replace the policy."""
        policy = {
            "name": "Lab",
            "assign": {"names": [VM]},
            "exclusions": [{"reason": "a test", **row} for row in rows],
            "excluded_directions": list(directions),
            "intrusion_prevention": {
                "enabled": True,
                "network_attacks": {"action": "terminate"},
                "suspicious_activity": {"action": "terminate"},
            },
        }
        write_atomically(self.home / "policy.yaml", yaml.safe_dump({"policies": [policy]}).encode())

    def clear(self) -> None:
        """Begin without exclusions."""
        self.write([])
        for family in (4, 6):
            assert self.cuts(OUT, family)

    def attack(self, client: str, family: int, server: str = VM) -> Outcome:
        direction = Direction.IN if server == VM else Direction.OUT
        address = self.lab.plan.node(server).address(family)
        made = Attack(SHELLSHOCK, direction, client, server, family, address, SHELLSHOCK.message)
        return run_attack(self.lab, made, timeout=4.0)

    def passes(self, client: str, family: int, server: str = VM) -> bool:
        return self.attack(client, family, server).completed

    def lets(self, client: str, family: int, server: str = VM) -> bool:
        """Attack until it passes: a change of the policy takes a moment."""
        return wait_until(lambda: self.passes(client, family, server), 30.0)

    def cuts(self, client: str, family: int, server: str = VM) -> bool:
        """Attack until it is cut."""
        return wait_until(lambda: not self.passes(client, family, server), 30.0)

    def detections(self, since: datetime) -> list[Event]:
        with EventReader(self.home / "state" / "events.db") as reader:
            stored = [one.event for one in reader.newer(0)]
        return [event for event in stored if event.kind is Kind.DETECTION and event.time >= since]

    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask(self.home / "run" / "svm.sock", "exclusions")
        return found

    def command(self, action: str) -> list[str]:
        return [sys.executable, "-c", MAIN, "svm", action, "--config", str(self.home / "svm.yaml")]


@pytest.fixture(scope="module")
def svm(make_lab: MakeLab) -> Iterator[Svm]:
    lab = make_lab(vms=2)
    found = Svm(lab, lab.folder / "svm")
    found.home.mkdir()
    inventory = {
        "vms": [
            {
                "name": node.name,
                "addresses": [node.address(4), node.address(6)],
                "ports": [{"interface": node.port, "mac": node.mac}],
            }
            for node in lab.plan.protected()
        ]
    }
    config = {
        "name": "svm-test",
        "state_dir": "state",
        "run_dir": "run",
        "policy_file": "policy.yaml",
        "inventory_file": "inventory.yaml",
        "heartbeat_ms": 900,
    }
    (found.home / "inventory.yaml").write_text(yaml.safe_dump(inventory))
    (found.home / "svm.yaml").write_text(yaml.safe_dump(config))
    found.write([])
    sources = str(Path(__file__).parents[2] / "src")
    daemon = lab.spawn(HOST, found.command("run"), name="svm", env={"PYTHONPATH": sources})
    try:
        log = lab.folder / "svm.log"
        ready = wait_until(lambda: daemon.poll() is not None or b"\nready" in b"\n" + log.read_bytes(), 90.0)
        assert ready, log.read_text()
        assert daemon.poll() is None, log.read_text()
        yield found
    finally:
        daemon.terminate()
        try:
            daemon.wait(15)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        env = f"PYTHONPATH={sources}"
        lab.host.run(["env", env, *found.command("detach")], timeout=60)


def test_excluded_attackers_get_through_and_others_do_not(svm: Svm) -> None:
    svm.clear()
    outside = svm.lab.plan.node(OUT)
    svm.write(
        [
            {"address": outside.address(4), "action": "do_not_scan"},
            {"address": outside.address(6), "action": "do_not_block"},
        ]
    )
    assert svm.lets(OUT, 4)
    assert svm.lets(OUT, 6)
    began = datetime.now(UTC)
    assert svm.passes(OUT, 4)
    assert svm.passes(OUT, 6)
    assert not svm.passes(OTHER, 4)
    assert not svm.passes(OTHER, 6)
    seen: list[Event] = []

    def told() -> bool:
        seen[:] = svm.detections(began)
        return len({event.source for event in seen}) == 3

    assert wait_until(told, 15.0)
    by_source = {event.source: event for event in seen}
    reported = by_source[outside.address(6)]
    assert outside.address(4) not in by_source
    assert (reported.asked, reported.done) == (EventAction.TERMINATE, EventAction.IGNORE)
    assert reported.reason == "an exclusion: do_not_block"
    assert reported.vm is not None
    assert reported.vm.name == VM
    assert {by_source[svm.lab.plan.node(OTHER).address(f)].done for f in (4, 6)} == {EventAction.TERMINATE}
    first, second = svm.rows()
    assert first["packets"] > 0
    assert first["bytes"] > first["packets"]
    assert second["packets"] > 0


def test_rows_change_live_in_both_directions(svm: Svm) -> None:
    outside = svm.lab.plan.node(OUT)
    svm.clear()
    svm.write([{"address": "10.77.0.0/24", "action": "do_not_scan", "vms": [VM]}])
    assert svm.lets(OTHER, 4)
    assert svm.passes(OUT, 4)
    svm.write(
        [
            {"address": outside.address(4), "action": "default"},
            {"address": "10.77.0.0/24", "action": "do_not_scan", "vms": [VM]},
        ]
    )
    assert svm.cuts(OUT, 4)
    assert svm.passes(OTHER, 4)
    svm.write([{"address": "10.77.0.0/24", "action": "do_not_scan", "local_port": "443"}])
    assert svm.cuts(OTHER, 4)
    svm.write([{"address": "any", "action": "do_not_scan", "protocol": "tcp", "local_port": "80"}])
    assert svm.lets(OUT, 6)


def test_excluded_direction_is_that_of_the_connection(svm: Svm) -> None:
    svm.clear()
    svm.write([], ("inbound",))
    assert svm.lets(OUT, 4)
    assert svm.cuts(VM, 4, OUT)
    svm.write([{"address": svm.lab.plan.node(OTHER).address(4), "action": "default"}], ("inbound",))
    assert svm.cuts(OTHER, 4)
    assert svm.passes(OUT, 4)


def test_row_ends_by_itself(svm: Svm) -> None:
    svm.clear()
    ends = (datetime.now(UTC) + timedelta(seconds=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    svm.write([{"address": "any", "action": "do_not_scan", "expires": ends}])
    assert svm.lets(OUT, 4)
    assert svm.cuts(OUT, 4)
    assert [row["expired"] for row in svm.rows()] == [True]
