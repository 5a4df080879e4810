"""Application databases with the real daemon, engine, kernel program and scanners."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperward.events.model import Kind
from hyperward.lab.clients import NamespaceClient
from hyperward.lab.deadline import wait_until
from hyperward.lab.messages import HttpRequest
from hyperward.lab.outcome import Result
from hyperward.lab.plan import OUT
from hyperward.lab.topology import Lab
from svm_databases import ADDED_ATTACK, STARTER_ATTACK, Databases, Publisher, rule
from svm_fixtures import Svm, running_svm
from svm_traffic import stream

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(300)]

VM, OTHER = "vm1", "vm2"
OLD, ADDED = "malware.hyperward.test", "added.hyperward.test"
SECONDS = 15.0


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Return the root and two states of a repository: with version 1, with version 2."""
    folder = tmp_path_factory.mktemp("publisher")
    publisher = Publisher(folder)
    assert publisher.publish() == 1
    shutil.copytree(publisher.repository, folder / "first")
    publisher.add_rules(rule(ADDED_ATTACK, 84279001))
    publisher.add_addresses(ADDED)
    assert publisher.publish() == 2
    return publisher.root, folder / "first", publisher.repository


class World:
    """An SVM with both features on vm1, and what its traffic does."""

    def __init__(self, svm: Svm) -> None:
        self.svm, self.lab = svm, svm.lab
        self.databases = Databases(svm)

    def policy(self) -> None:
        self.svm.policies(
            {
                "name": "Both",
                "assign": {"names": [VM]},
                "intrusion_prevention": {"enabled": True, "network_attacks": {"action": "terminate"}},
                "web_addresses": {"enabled": True},
            }
        )

    def attack(self, path: str) -> Result:
        request, target = HttpRequest(path), self.lab.plan.node(VM).address(4)
        return NamespaceClient(self.lab.netns(OUT)).http(request, target, timeout=2.0).result

    def stopped(self, path: str) -> bool:
        return self.attack(path) is not Result.COMPLETED

    def blocks(self, host: str) -> bool:
        """Ask the lab's server for a page under any name."""
        address = self.lab.plan.node(OUT).address(4)
        command = ["curl", "-s", "-m", "3", "-w", "\n%{http_code}", "--resolve", f"{host}:80:{address}"]
        done = self.lab.netns(VM).run([*command, f"http://{host}/"], timeout=15)
        return done.stdout.rpartition("\n")[2] == "403"

    def is_first(self) -> None:
        """Version 1 or the starter content is in force, and nothing of version 2."""
        assert wait_until(lambda: self.stopped(STARTER_ATTACK), SECONDS)
        assert not self.stopped(ADDED_ATTACK)
        assert wait_until(lambda: self.blocks(OLD), SECONDS)
        assert not self.blocks(ADDED)

    def is_second(self) -> None:
        assert wait_until(lambda: self.stopped(ADDED_ATTACK), SECONDS)
        assert self.stopped(STARTER_ATTACK)
        assert wait_until(lambda: self.blocks(ADDED), SECONDS)
        assert self.blocks(OLD)


@pytest.fixture
def world(svm_lab: Lab, tmp_path: Path) -> Iterator[World]:
    with running_svm(svm_lab, tmp_path) as svm:
        made = World(svm)
        svm.configure(scanners=1)
        made.policy()
        svm.start()
        yield made


@pytest.fixture
def trusting(world: World, published: tuple[Path, Path, Path]) -> World:
    found = world.databases.cli("trust", str(published[0]))
    assert found.returncode == 0, found.stderr
    return world


def test_starter_first_then_updates_then_back(trusting: World, published: tuple[Path, Path, Path]) -> None:
    _, first, second = published
    databases, svm = trusting.databases, trusting.svm
    assert databases.version() == "starter"
    trusting.is_first()
    assert databases.update(first)["result"] == "updated"
    trusting.is_first()
    with stream(trusting.lab, OUT, VM) as inward, stream(trusting.lab, VM, OUT, port=40_405) as outward:
        done = databases.update(second)
    assert (inward.lost, outward.lost) == ([], [])
    assert (done["before"], done["after"]) == ("1", "2")
    report = done["report"]
    assert (report["rules_added"], report["rules_removed"], report["rules_changed"]) == (1, 0, 0)
    assert report["rules"][0]["rule"] == "1:84279001:1"
    assert [one["first_added"] for one in report["lists"]] == [[f"D {ADDED}"]]
    trusting.is_second()
    assert databases.update(second)["result"] == "current"
    with stream(trusting.lab, OUT, VM) as inward:
        assert databases.done("rollback")["after"] == "1"
    assert inward.lost == []
    trusting.is_first()
    assert databases.done("status")["skipped_up_to"] == 2
    history = databases.done("history")
    assert [(one["action"], one["before"], one["after"], one["result"]) for one in history] == [
        ("rollback", 2, 1, "done"),
        ("update", 1, 2, "done"),
        ("update", 0, 1, "done"),
    ]
    assert len(svm.events(Kind.DATABASES_UPDATED)) == 2
    assert len(svm.events(Kind.DATABASES_ROLLED_BACK)) == 1
    assert databases.done("diff", "1", "2")["rules_added"] == 1
    assert databases.update(second)["result"] == "updated"
    trusting.is_second()
