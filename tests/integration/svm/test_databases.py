"""Application databases with the real daemon, engine, kernel program and scanners."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from database_repos import Publisher as Unchecked
from hyperward.events.model import Kind
from hyperward.lab.clients import NamespaceClient
from hyperward.lab.deadline import wait_until
from hyperward.lab.messages import HttpRequest
from hyperward.lab.outcome import Result
from hyperward.lab.plan import OUT
from hyperward.lab.topology import Lab
from svm_databases import ADDED_ATTACK, STARTER_ATTACK, Databases, Publisher, rule, texts
from svm_fixtures import Svm, running_svm
from svm_traffic import stream

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(900)]

VM, OTHER = "vm1", "vm2"
OLD, ADDED = "malware.hyperward.test", "added.hyperward.test"
SECONDS = 60.0


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
    world.databases.trust(published[0])
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
        assert databases.rollback()["after"] == "1"
    assert inward.lost == []
    trusting.is_first()
    status = svm.ask("db_status")
    assert (status["skipped_up_to"], status["on_disk"]) == (2, [1, 2])
    history = svm.ask("db_history")
    assert [(one["action"], one["before"], one["after"], one["result"]) for one in history] == [
        ("rollback", 2, 1, "done"),
        ("update", 1, 2, "done"),
        ("update", 0, 1, "done"),
    ]
    assert len(svm.events(Kind.DATABASES_UPDATED)) == 2
    assert len(svm.events(Kind.DATABASES_ROLLED_BACK)) == 1
    assert databases.update(second)["result"] == "updated"
    trusting.is_second()


def test_by_command_line(world: World, published: tuple[Path, Path, Path]) -> None:
    root, _, second = published
    databases = world.databases
    found = databases.cli("trust", str(root))
    assert found.returncode == 0, found.stderr
    found = databases.cli("update", "--from", str(second))
    assert found.returncode == 0, found.stderr
    assert "version 2 is in force instead of starter" in found.stdout
    assert databases.done("diff")["rules_added"] >= 1
    assert "on this machine" in databases.cli("status").stdout
    assert databases.done("history")[0]["after"] == 2
    assert databases.done("rollback")["after"] == "starter"
    found = databases.cli("update", "--from", "/nonexistent")
    assert (found.returncode, "no such folder" in found.stderr) == (2, True)


def test_what_a_tampered_repository_offers_is_refused(
    trusting: World, published: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    _, first, second = published
    assert trusting.databases.update(first)["after"] == "1"
    bad = tmp_path / "bad"
    shutil.copytree(second, bad)
    for path in bad.rglob("*.gz"):
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert "is not the file that was signed" in trusting.databases.refused(bad)
    assert trusting.databases.version() == "1"
    assert "is not the file that was signed" in texts(trusting.svm.events(Kind.DATABASES_REFUSED))[-1]
    trusting.is_first()
    assert trusting.databases.update(second)["after"] == "2"
    trusting.is_second()


def test_a_publisher_that_is_not_trusted_is_refused(trusting: World, tmp_path: Path) -> None:
    other = Publisher(tmp_path / "other")
    other.publish()
    assert "not signed by the keys" in trusting.databases.refused(other.repository)
    assert trusting.databases.version() == "starter"


def test_rules_that_stop_harmless_traffic_or_that_the_engine_refuses_are_refused(world: World, tmp_path: Path) -> None:
    """The publisher's own check knows neither: it tries no traffic, and its engine may be another one."""
    source = Content(tmp_path / "publisher")
    world.databases.trust(source.root)
    source.publish(1, [rule("/", 84279002)])
    assert "stops harmless traffic: the sample" in world.databases.refused(source.repository)
    source.publish(2, [f'alert tcp any any -> any any (msg:"x"; nonsense:1; sid:{n}; rev:1;)' for n in range(1, 4)])
    assert "0 rules can be used, 3 cannot" in world.databases.refused(source.repository)
    assert world.databases.version() == "starter"
    world.is_first()
    source.publish(3, [rule(ADDED_ATTACK, 84279001)])
    assert world.databases.update(source.repository)["after"] == "3"
    assert wait_until(lambda: world.stopped(ADDED_ATTACK), SECONDS)
    assert not world.stopped(STARTER_ATTACK)


def test_the_disk_is_full(svm_lab: Lab, tmp_path: Path, published: tuple[Path, Path, Path]) -> None:
    with small_disk(tmp_path / "small") as disk, running_svm(svm_lab, tmp_path) as svm:
        world = World(svm)
        svm.configure(scanners=1)
        world.policy()
        (disk / "databases").mkdir()
        svm.state_dir.mkdir()
        (svm.state_dir / "databases").symlink_to(disk / "databases")
        svm.start()
        world.databases.trust(published[0])
        assert world.databases.update(published[1])["after"] == "1"
        fill = disk / "fill"
        with suppress(OSError), fill.open("wb") as file:
            while True:
                file.write(bytes(4096))
        assert "room" in world.databases.refused(published[2])
        assert world.databases.version() == "1"
        world.is_first()
        fill.unlink()
        assert world.databases.update(published[2])["after"] == "2"
        world.is_second()
        svm.kill_daemon()


@pytest.mark.parametrize("when", ["trying", "compiling", "comparing", "bringing"])
def test_the_daemon_is_killed_during_an_update(trusting: World, published: tuple[Path, Path, Path], when: str) -> None:
    svm, databases = trusting.svm, trusting.databases
    assert databases.update(published[1])["after"] == "1"
    job = databases.begin(published[2])
    assert wait_until(lambda: doing(databases, job).startswith(when), SECONDS)
    svm.kill_daemon()
    svm.start()
    version = databases.version()
    if version == "1":
        trusting.is_first()
        assert svm.ask("db_history")[0]["result"] == "interrupted"
        assert databases.update(published[2])["after"] == "2"
    trusting.is_second()


def doing(databases: Databases, job: str) -> str:
    step, ended = databases.step(job)
    return "bringing" if ended else step


def test_without_a_daemon_it_comes_into_force_with_the_next_start(
    trusting: World, published: tuple[Path, Path, Path]
) -> None:
    trusting.svm.stop_daemon()
    found = trusting.databases.cli("update", "--from", str(published[2]))
    assert found.returncode == 0, found.stderr
    assert "comes into force with the next hyperward svm run" in found.stdout
    assert not trusting.stopped(ADDED_ATTACK)
    trusting.svm.start()
    assert trusting.databases.version() == "2"
    trusting.is_second()
    trusting.svm.stop_daemon()
    found = trusting.databases.cli("rollback")
    assert found.returncode == 0, found.stderr
    trusting.svm.start()
    trusting.is_first()


def test_own_lists_and_rules_are_on_top_and_survive_their_mistakes(world: World, tmp_path: Path) -> None:
    svm, databases = world.svm, world.databases
    rules, addresses = tmp_path / "my.rules", tmp_path / "my.txt"
    rules.write_text(rule("/own-attack", 1_000_001))
    addresses.write_text("own.example\n")
    svm.stop_daemon()
    svm.configure(scanners=1, own_rules=[str(rules)], own_addresses=[{"file": str(addresses), "category": "malicious"}])
    svm.start()
    assert wait_until(lambda: world.stopped("/own-attack"), SECONDS)
    assert wait_until(lambda: world.blocks("own.example"), SECONDS)
    world.is_first()
    rules.write_text("nonsense\n")
    addresses.write_text("http://\n")
    assert wait_until(lambda: len(svm.events(Kind.OWN_DATABASES)) == 2, SECONDS)
    found = databases.cli("own", "check")
    assert found.returncode == 2
    assert f"{rules}:1" in found.stdout
    assert f"{addresses}:1" in found.stdout
    assert "the last good content" in found.stdout
    assert world.stopped("/own-attack")
    assert world.blocks("own.example")
    rules.write_text(rule("/other-attack", 1_000_001).replace("rev:1", "rev:2"))
    addresses.write_text("later.example\nhttp://\n")
    assert wait_until(lambda: world.stopped("/other-attack"), SECONDS)
    assert wait_until(lambda: world.blocks("later.example"), SECONDS)
    assert not world.stopped("/own-attack")
    assert not world.blocks("own.example")
    states = {one["path"]: one["state"] for one in svm.ask("db_status")["own"]}
    assert states == {str(rules): "valid", str(addresses): "warning"}


def test_the_schedule_brings_a_version_as_soon_as_it_is_there(
    trusting: World, published: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    svm = trusting.svm
    mirror = tmp_path / "mirror"
    shutil.copytree(published[1], mirror)
    svm.stop_daemon()
    svm.configure(scanners=1, databases={"source": str(mirror), "as_soon_as_available": True})
    svm.start()
    trusting.databases.wait_for("1")
    assert wait_until(lambda: svm.status_of(VM) == "protected" or trusting.blocks(OLD), SECONDS)
    (vm,) = [one for one in svm.ask("vms") if one["name"] == VM]
    assert {one["name"]: one["ok"] for one in vm["conditions"]}["databases are present and not too old"]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class Content:
    """A publisher whose rules nobody tried before they were signed."""

    def __init__(self, folder: Path) -> None:
        self._made = Unchecked(folder)
        self._root = folder / "root.json"
        self._root.write_bytes(self._made.initialise())

    @property
    def root(self) -> Path:
        return self._root

    @property
    def repository(self) -> Path:
        return self._made.repository.folder

    def publish(self, version: int, rules: list[str]) -> None:
        self._made.publish(version, ["malware.example"], rules)
