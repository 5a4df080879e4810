import asyncio
from pathlib import Path

import pytest

from hyperward.errors import EngineFault
from hyperward.ips.engine.apply import Applied, apply_plan, settle
from hyperward.ips.engine.client import EngineClient
from hyperward.ips.engine.journal import Journal, load
from hyperward.ips.engine.plan import Operation, Registered, Step
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.stub import StubEngine
from hyperward.ips.engine.tenants import Desired, Tenant


def tenant(number: int, version: str = "1") -> Tenant:
    return Tenant(number, Path(__file__), version)


def make_journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "state.json", pid=7, started=9, config="c")
    journal.reset(Registered())
    return journal


def reread(tmp_path: Path) -> Journal:
    journal = load(tmp_path / "state.json", pid=7, started=9)
    assert journal is not None
    return journal


def applied(tmp_path: Path, stub: StubEngine, journal: Journal, desired: Desired) -> Applied:
    async def run() -> Applied:
        async with stub, EngineClient(stub.path, quick_seconds=0.3, load_seconds=0.3) as client:
            return await apply_plan(client, journal, EngineSettings(run_dir=tmp_path), desired)

    return asyncio.run(run())


def test_what_was_done_is_in_the_journal(tmp_path: Path) -> None:
    stub, journal = StubEngine(tmp_path / "s"), make_journal(tmp_path)
    result = applied(tmp_path, stub, journal, Desired({1: tenant(1)}, {5: 1, 6: 2}))
    assert (result.done, result.refused) == (3, [])
    assert stub.mappings == {5: 1, 6: 2}
    assert reread(tmp_path).registered == journal.registered == Registered({1: "1"}, {5: 1, 6: 2})
    assert reread(tmp_path).doubtful == []


def test_a_refused_tenant_leaves_its_vlan_ids_under_their_old_rules(tmp_path: Path) -> None:
    stub, journal = StubEngine(tmp_path / "s"), make_journal(tmp_path)
    applied(tmp_path, stub, journal, Desired({1: tenant(1)}, {5: 1}))
    stub.replies["register-tenant"] = b'{"return":"NOK","message":"adding tenant failed"}\n'
    result = applied(tmp_path, stub, journal, Desired({2: tenant(2)}, {5: 2}))
    assert [refused.step.operation for refused in result.refused] == [Operation.REGISTER_TENANT]
    assert stub.mappings == {5: 1}
    assert stub.tenants.keys() == {1}


def test_a_refused_reload_keeps_the_version_that_is_in_force(tmp_path: Path) -> None:
    stub, journal = StubEngine(tmp_path / "s"), make_journal(tmp_path)
    applied(tmp_path, stub, journal, Desired({1: tenant(1)}))
    stub.replies["reload-tenant"] = b'{"return":"NOK","message":"reload tenant failed"}\n'
    assert applied(tmp_path, stub, journal, Desired({1: tenant(1, "2")})).refused
    assert journal.registered.tenants == {1: "1"}


def test_a_missing_answer_is_settled_before_the_next_plan(tmp_path: Path) -> None:
    stub, journal = StubEngine(tmp_path / "s"), make_journal(tmp_path)
    stub.replies["register-tenant-handler"] = None
    with pytest.raises(EngineFault):
        applied(tmp_path, stub, journal, Desired({}, {5: 1}))
    stub.replies.clear()
    stub.mappings[5] = 1  # it was carried out after all
    applied(tmp_path, stub, journal, Desired({}, {5: 3}))
    assert stub.mappings == {5: 3}
    assert journal.registered.mappings == {5: 3}


def test_a_daemon_killed_within_a_command_leaves_a_doubt_that_is_settled(tmp_path: Path) -> None:
    for carried_out in (True, False):
        stub, journal = StubEngine(tmp_path / "s"), make_journal(tmp_path)
        journal.begin(Step(Operation.REGISTER_TENANT, 1, version="1"))
        if carried_out:
            stub.tenants[1] = "/old"
        found = reread(tmp_path)
        assert found.doubtful

        async def run(stub: StubEngine = stub, found: Journal = found) -> None:
            async with stub, EngineClient(stub.path) as client:
                await settle(client, found)

        asyncio.run(run())
        assert stub.tenants == {}
        assert reread(tmp_path).doubtful == []


def test_a_strange_or_torn_journal(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert load(path, pid=7, started=9) is None
    journal = make_journal(tmp_path)
    journal.done(Step(Operation.MAP, 1, 5))
    assert load(path, pid=8, started=9) is None
    with path.open("ab") as file:
        file.write(b'{"operation":"unre')
    assert reread(tmp_path).registered.mappings == {5: 1}
    path.write_bytes(b"\xff\xfe\n")
    assert load(path, pid=7, started=9) is None
