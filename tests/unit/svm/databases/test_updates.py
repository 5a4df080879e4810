"""An update from the source to the machine: what is in force, and what stays when a step fails."""

import asyncio
import errno
import shutil
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from database_machine import RULES, World
from hyperward.databases.disk import Disk
from hyperward.databases.errors import SpaceFault
from hyperward.databases.samples.run import SampleResult
from hyperward.errors import EngineFault, HyperwardError, InputError, SystemFault
from hyperward.svm.databases.memory import RETRY_REFUSED
from hyperward.svm.databases.updates import Done, Updates
from hyperward.svm.rulesets import RuleSetInfo
from hyperward.webscan.address.model import Address
from hyperward.webscan.database.database import open_database


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path)
    found.publisher.publish(1, ["one.example"], RULES)
    return found


def with_updates(world: World, work: Callable[[Updates], Awaitable[object]]) -> Updates:
    """Start, do something, return the updates."""

    async def run() -> Updates:
        updates = await world.open()
        await work(updates)
        return updates

    return asyncio.run(run())


async def by_hand(updates: Updates, world: World) -> Done:
    return await updates.update(world.source, who="test")


def listed(updates: Updates, host: str) -> bool:
    (path,) = updates.force().addresses
    with open_database(path) as database:
        return bool(database.lookup(Address(host)))


def test_the_starter_content_is_in_force_first(world: World) -> None:
    updates = asyncio.run(world.open())
    assert world.started.version == "starter"
    assert [path.stem for path in world.started.rules] == ["starter"]
    assert listed(updates, "malware.hyperward.test")


def test_an_update_is_in_force_and_reported(world: World) -> None:
    async def work(updates: Updates) -> None:
        done = await by_hand(updates, world)
        assert (done.result, done.before, done.after) == ("updated", "starter", "1")
        assert (await by_hand(updates, world)).result == "current"
        world.publisher.publish(2, ["one.example", "two.example"], (*RULES, RULES[0].replace("sid:1", "sid:2")))
        done = await by_hand(updates, world)
        assert done.report is not None
        assert (done.report.rules_added, done.report.rules_removed, done.report.entries_added) == (1, 0, 1)
        assert done.report.lists[0].first_added == ("H two.example",)
        assert done.report.samples is not None

    updates = with_updates(world, work)
    force = world.machine.forces[-1]
    assert force.version == "2"
    assert listed(updates, "two.example")
    assert not listed(updates, "malware.hyperward.test")
    assert [path.parent.parent.name for path in force.rules] == ["2"]
    ledger = updates.store.ledger
    assert (ledger.active, ledger.previous, ledger.attempt) == (2, 1, None)
    assert world.place.report("1", "2").with_suffix(".html").read_text().startswith("<!doctype html>")
    assert world.place.report("1", "2").with_suffix(".csv.gz").is_file()
    assert asyncio.run(world.open()).force() == force


def rules_refused(world: World) -> None:
    world.machine.prepare_fails = EngineFault("the engine refused the rule file")


def rules_spoilt(world: World) -> None:
    world.machine.info = RuleSetInfo("digest", {}, ("a.rules:1: no",), 1)


def sample_harmed(world: World) -> None:
    world.samples = SampleResult(harmed={"a page": "1:5:1 all"})


def not_activated(world: World) -> None:
    world.machine.activate_fails = InputError("tap1: the engine refused its rule set")


def no_addresses(world: World) -> None:
    world.fails["make_addresses"] = InputError("an entry cannot be found")


def disk_full(world: World) -> None:
    world.fails["report_changes"] = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (rules_refused, "engine refused"),
        (rules_spoilt, "0 rules can be used, 1 cannot"),
        (sample_harmed, "stops harmless traffic: the sample 'a page'"),
        (not_activated, "refused its rule set"),
        (no_addresses, "cannot be found"),
        (disk_full, "no room on the disk"),
    ],
)
def test_a_step_that_fails_changes_nothing_and_the_next_try_succeeds(
    world: World, fault: Callable[[World], None], what: str
) -> None:
    async def work(updates: Updates) -> None:
        await by_hand(updates, world)
        world.publisher.publish(2, ["two.example"], RULES)
        before, good = updates.force(), (world.machine.info, world.samples)
        fault(world)
        with pytest.raises(HyperwardError, match=what):
            await by_hand(updates, world)
        assert updates.force() == before
        assert (updates.store.ledger.active, updates.store.ledger.attempt) == (1, None)
        assert updates.store.history(1)[0].result == "refused"
        assert what.split(":", maxsplit=1)[0] in updates.memory.failed
        world.machine.prepare_fails = world.machine.activate_fails = None
        (world.machine.info, world.samples), world.fails = good, {}
        assert (await by_hand(updates, world)).result == "updated"
        assert updates.memory.failed == ""

    assert listed(with_updates(world, work), "two.example")


def test_the_disk_is_full_when_the_ledger_is_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be noted then, not even the refusal: the next try tidies up."""

    async def work(updates: Updates) -> None:
        await by_hand(updates, world)
        world.publisher.publish(2, ["two.example"], RULES)
        before, write = updates.force(), Disk.write
        full = False

        def refuse(self: Disk, path: Path, *rest: object, **more: object) -> None:
            if path.name == "ledger.json" and full:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(self, path, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(Disk, "write", refuse)
        prepare = world.machine.prepare

        async def then_full(*arguments: object) -> object:
            nonlocal full
            full = True
            return await prepare(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(world.machine, "prepare", then_full)
        with pytest.raises(SpaceFault):
            await by_hand(updates, world)
        assert updates.force() == before
        assert updates.store.ledger.attempt is not None
        full = False
        monkeypatch.setattr(world.machine, "prepare", prepare)
        assert (await by_hand(updates, world)).result == "updated"

    with_updates(world, work)


def test_an_untrusted_source_changes_nothing(world: World, tmp_path: Path) -> None:
    async def work(updates: Updates) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(world.source, copy)
        for path in copy.rglob("*.json"):
            path.write_bytes(path.read_bytes().replace(b"targets", b"tampers"))
        with pytest.raises(HyperwardError):
            await updates.update(str(copy), who="test")
        assert updates.store.numbers() == []
        assert updates.force() == world.started
        assert (await by_hand(updates, world)).result == "updated"

    with_updates(world, work)


def test_rolled_back_from_is_left_alone_until_there_is_more(world: World) -> None:
    async def work(updates: Updates) -> None:
        await by_hand(updates, world)
        world.publisher.publish(2, ["two.example"], RULES)
        await by_hand(updates, world)
        done = await updates.rollback(who="test")
        assert (done.result, done.before, done.after) == ("rolled back", "2", "1")
        assert listed(updates, "one.example")
        done = await updates.update(world.source, who="schedule", automatic=True)
        assert (done.result, updates.store.ledger.active) == ("passed over", 1)
        world.publisher.publish(3, ["three.example"], RULES)
        done = await updates.update(world.source, who="schedule", automatic=True)
        assert (done.result, done.after) == ("updated", "3")
        assert updates.memory.skip == 0

    with_updates(world, work)


def test_back_to_the_starter_content_and_to_the_same_version_by_hand(world: World) -> None:
    async def work(updates: Updates) -> None:
        with pytest.raises(InputError, match="nothing to roll back from"):
            await updates.rollback(who="test")
        await by_hand(updates, world)
        assert (await updates.rollback(who="test")).after == "starter"
        assert updates.force() == world.started
        assert (await by_hand(updates, world)).after == "1"

    with_updates(world, work)


def test_a_refused_version_is_tried_again_later(world: World) -> None:
    async def work(updates: Updates) -> None:
        rules_refused(world)
        with pytest.raises(EngineFault):
            await updates.update(world.source, who="schedule", automatic=True)
        world.machine.prepare_fails = None
        assert (await updates.update(world.source, who="schedule", automatic=True)).result == "passed over"
        world.now += RETRY_REFUSED + timedelta(seconds=1)
        assert (await updates.update(world.source, who="schedule", automatic=True)).result == "updated"

    with_updates(world, work)


def test_after_a_crash_while_activating_the_version_before_is_in_force(world: World) -> None:
    class Killed(BaseException):
        pass

    async def killed(*_: object) -> None:
        raise Killed

    async def work(updates: Updates) -> None:
        await by_hand(updates, world)
        world.publisher.publish(2, ["two.example"], RULES)
        world.machine.activate = killed  # type: ignore[method-assign, assignment]
        with pytest.raises(Killed):
            await by_hand(updates, world)

    before = with_updates(world, work)
    world.machine = type(world.machine)()
    updates = asyncio.run(world.open())
    assert world.interrupted is not None
    assert (world.interrupted.to, world.interrupted.stage) == (2, "activating")
    assert updates.force() == before.force()
    assert updates.store.history(1)[0].result == "interrupted"
    assert asyncio.run(by_hand(updates, world)).after == "2"


def test_a_damaged_version_gives_way_to_the_one_before(world: World) -> None:
    async def work(updates: Updates) -> None:
        await by_hand(updates, world)
        world.publisher.publish(2, ["two.example"], RULES)
        await by_hand(updates, world)

    with_updates(world, work)
    (world.place.folder / "versions" / "2" / "rules" / "first.rules").unlink()
    updates = asyncio.run(world.open())
    assert updates.force().version == "1"
    assert "version 2 cannot be used" in world.wary[0]
    assert asyncio.run(by_hand(updates, world)).after == "2"
    assert updates.force().version == "2"


def test_what_the_configuration_names_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "my.rules").write_text(RULES[0])
    world = World(tmp_path, "rules: [my.rules]\n")
    world.publisher.publish(1, ["one.example"], RULES)

    async def work(updates: Updates) -> None:
        assert (await by_hand(updates, world)).result == "updated"

    updates = with_updates(world, work)
    assert updates.force().rules == (tmp_path / "my.rules",)
    assert world.machine.prepared == []
    assert listed(updates, "one.example")


def test_no_source(world: World) -> None:
    async def work(updates: Updates) -> None:
        with pytest.raises(SystemFault):
            await updates.update("http://127.0.0.1:1/", who="test")
        with pytest.raises(InputError, match="no such folder"):
            await updates.update("/nonexistent", who="test")
        assert updates.memory.failed

    with_updates(world, work)


def test_passwords_of_a_source_are_not_remembered(world: World) -> None:
    async def work(updates: Updates) -> None:
        with pytest.raises(SystemFault):
            await updates.update("http://user:secret@127.0.0.1:1/", who="test")

    with_updates(world, work)
    assert b"secret" not in world.place.memory.read_bytes()
