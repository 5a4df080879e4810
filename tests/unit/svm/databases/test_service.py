"""The daemon's side: jobs, schedule, own files, age, and what is told."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from database_machine import RULES, World
from hyperward.databases import schedule
from hyperward.databases.own import check
from hyperward.databases.own.model import OwnState
from hyperward.errors import EngineFault, InputError
from hyperward.events.model import Event, Kind
from hyperward.events.reader import EventReader, Query
from hyperward.events.store import EventStore
from hyperward.ips.rules.compile import compile_rules
from hyperward.svm.databases.service import DatabaseService
from hyperward.svm.databases.telling import DatabaseTeller
from hyperward.svm.eventlog import EventLog

Test = Callable[[DatabaseService, World], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[Event]]:
    """Return what lets a service run while a test does something, and returns the events of it."""

    def run(test: Test, more: str = "", *, ago: timedelta = timedelta()) -> list[Event]:
        world = World(tmp_path, more)
        world.now -= ago
        world.publisher.publish(1, ["one.example"], RULES)

        async def both() -> None:
            with EventStore(tmp_path / "events.db", svm="test") as store:
                teller = DatabaseTeller(EventLog(store, "test"))
                service = DatabaseService(world.config, await world.open(), teller, chance=lambda: 0.0)
                task = asyncio.create_task(service.run())
                try:
                    async with asyncio.timeout(60):
                        await test(service, world)
                finally:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

        asyncio.run(both())
        with EventReader(tmp_path / "events.db") as reader:
            return [stored.event for stored in reader.query(Query())]

    return run


async def ended(service: DatabaseService, number: int) -> dict[str, Any]:
    """Return what came of a job."""
    while True:
        state: dict[str, Any] = await service.handlers()["db_job"]({"job": str(number)})
        if state["ended"]:
            return state
        await asyncio.sleep(0.01)


async def until(service: DatabaseService, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the status once something holds."""
    while True:
        status: dict[str, Any] = await service.handlers()["db_status"]({})
        if holds(status):
            return status
        await asyncio.sleep(0.01)


def test_an_update_by_hand(run: Callable[..., list[Event]]) -> None:
    async def test(service: DatabaseService, world: World) -> None:
        ask = service.handlers()
        assert service.fresh() is None
        number = (await ask["db_update"]({"from": world.source}))["job"]
        with pytest.raises(InputError, match="is under way"):
            await ask["db_rollback"]({})
        state = await ended(service, number)
        assert (state["error"], state["done"]["result"], state["done"]["after"]) == ("", "updated", "1")
        assert [record.result for record in await ask["db_history"]({})] == ["done"]
        status = await ask["db_status"]({})
        assert (status["version"], status["on_disk"], status["job"], status["next_look"]) == ("1", [1], None, None)
        with pytest.raises(InputError, match="no such job"):
            await ask["db_job"]({"job": "99"})
        state = await ended(service, (await ask["db_rollback"]({}))["job"])
        assert state["done"]["after"] == "starter"

    events = run(test)
    assert [event.kind for event in events] == [Kind.DATABASES_UPDATED, Kind.DATABASES_ROLLED_BACK]


FOLDER = "databases: {source: publisher/repository, as_soon_as_available: true}\n"


def test_the_schedule_updates(run: Callable[..., list[Event]]) -> None:
    async def test(service: DatabaseService, _: World) -> None:
        before = service.fresh()
        assert before is not None
        assert before[0] is False
        status = await until(service, lambda status: status["version"] == "1" and status["job"] is None)
        assert status["next_look"] > status["looked"]
        after = service.fresh()
        assert after is not None
        assert after[0]

    assert [event.kind for event in run(test, FOLDER)] == [Kind.DATABASES_UPDATED]


def test_a_failure_is_told_once_however_often_the_schedule_tries(
    run: Callable[..., list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "POLL", timedelta())

    async def test(service: DatabaseService, world: World) -> None:
        world.machine.prepare_fails = EngineFault("no")
        first = await until(service, lambda status: bool(status["failed"]) and status["job"] is None)
        world.now += timedelta(hours=2)
        await until(service, lambda status: status["looked"] > first["looked"] and bool(status["failed"]))

    (event,) = run(test, FOLDER, ago=timedelta(hours=3))
    assert (event.kind, event.severity.value) == (Kind.DATABASES_REFUSED, "functional_failure")


def test_no_source_and_a_source_that_fails(run: Callable[..., list[Event]]) -> None:
    async def test(service: DatabaseService, _: World) -> None:
        ask = service.handlers()
        with pytest.raises(InputError, match="no source of databases is configured"):
            await ask["db_update"]({})
        state = await ended(service, (await ask["db_update"]({"from": "/nonexistent"}))["job"])
        assert state["input_error"]
        assert "no such folder" in state["error"]

    (event,) = run(test)
    assert event.kind is Kind.DATABASES_REFUSED
    assert "what was in force still is" in event.message


def test_old_databases_are_told_once_and_are_a_condition(run: Callable[..., list[Event]]) -> None:
    async def test(service: DatabaseService, world: World) -> None:
        ask = service.handlers()
        await ended(service, (await ask["db_update"]({"from": world.source}))["job"])
        status = await until(service, lambda status: bool(status["too_old"]))
        assert status["age_seconds"] > 0
        fresh = service.fresh()
        assert fresh is not None
        assert fresh[0] is False
        await asyncio.sleep(1.5)

    events = run(test, ago=timedelta(days=100))
    assert len([event for event in events if event.kind is Kind.DATABASES_OLD]) == 1


def test_own_files_are_watched(
    run: Callable[..., list[Event]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "compile_checked", lambda rules, options, **_: compile_rules(rules, options))
    rules = tmp_path / "my.rules"
    rules.write_text(RULES[0])

    async def test(service: DatabaseService, world: World) -> None:
        assert [path.stem for path in world.started.rules] == ["starter", "my"]
        rules.write_text(f"{RULES[0]}\nnonsense\n")
        status = await until(service, lambda status: status["own"][0]["state"] == OwnState.WARNING)
        assert status["own"][0]["problems"][0]["place"] == f"{rules}:2"
        rules.write_text("nonsense\n")
        status = await until(service, lambda status: status["own"][0]["state"] == OwnState.INVALID)
        assert status["own"][0]["kept"]
        assert world.machine.forces[-1].rules[-1].read_text() == f"{RULES[0]}\nnonsense\n"
        assert (await service.handlers()["db_own"]({}))[0]["state"] == OwnState.INVALID

    events = run(test, "own_rules: [my.rules]\n")
    assert [event.severity.value for event in events] == ["warning", "functional_failure"]
    assert "the last good content stays in force" in events[1].message
