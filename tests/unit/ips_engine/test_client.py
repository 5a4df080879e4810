import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hyperward.errors import EngineFault
from hyperward.ips.engine import protocol
from hyperward.ips.engine.client import EngineClient
from hyperward.ips.engine.protocol import EngineRefusal
from hyperward.ips.engine.stub import StubEngine


def scenario(tmp_path: Path, run: Callable[[StubEngine, EngineClient], Awaitable[None]]) -> None:
    async def inner() -> None:
        async with (
            StubEngine(tmp_path / "s") as stub,
            EngineClient(stub.path, quick_seconds=0.5, load_seconds=0.5) as client,
        ):
            await run(stub, client)

    asyncio.run(inner())


def test_every_command(tmp_path: Path) -> None:
    async def run(stub: StubEngine, client: EngineClient) -> None:
        assert await client.version() == "7.0.10 RELEASE"
        assert await client.uptime() == 5
        await client.register_tenant(1, Path("/t.yaml"))
        await client.register_handler(1, 5)
        assert (stub.tenants, stub.mappings) == ({1: "/t.yaml"}, {5: 1})
        await client.reload_tenant(1, Path("/u.yaml"))
        await client.unregister_handler(1, 5)
        await client.unregister_tenant(1)
        assert (stub.tenants, stub.mappings) == ({}, {})
        await client.reopen_log_files()
        assert (await client.iface_stat("hwg1"))["pkts"] == 7
        assert (await client.dump_counters())["decoder"] == {"pkts": 7}
        await client.shutdown()
        assert [name for name, _ in stub.commands].count("handshake") == 1

    scenario(tmp_path, run)


def test_a_refusal_carries_the_engines_words_and_keeps_the_connection(tmp_path: Path) -> None:
    async def run(stub: StubEngine, client: EngineClient) -> None:
        with pytest.raises(EngineRefusal, match="unregister-tenant failure"):
            await client.unregister_tenant(9)
        await client.version()
        assert [name for name, _ in stub.commands].count("handshake") == 1

    scenario(tmp_path, run)


@pytest.mark.parametrize("raw", [None, b"", b"rubbish\n", b'{"return": 5}\n', b"{}\n", b'{"return":"OK"}\n', b"\xff\n"])
def test_a_bad_answer_is_a_fault_and_the_next_command_works(tmp_path: Path, raw: bytes | None) -> None:
    async def run(stub: StubEngine, client: EngineClient) -> None:
        stub.replies["uptime"] = raw
        with pytest.raises(EngineFault):
            await client.uptime()
        del stub.replies["uptime"]
        assert await client.uptime() == 5

    scenario(tmp_path, run)


def test_an_endless_answer_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_ANSWER", 1000)

    async def run(stub: StubEngine, client: EngineClient) -> None:
        stub.replies["version"] = b"x" * 100_000
        with pytest.raises(EngineFault):
            await client.version()

    scenario(tmp_path, run)


def test_commands_of_several_tasks_do_not_mix(tmp_path: Path) -> None:
    async def run(_: StubEngine, client: EngineClient) -> None:
        answers = await asyncio.gather(*(client.version() if n % 2 else client.uptime() for n in range(50)))
        assert answers == ["7.0.10 RELEASE" if n % 2 else 5 for n in range(50)]

    scenario(tmp_path, run)


def test_no_engine(tmp_path: Path) -> None:
    async def run() -> None:
        with pytest.raises(EngineFault, match="cannot be reached"):
            await EngineClient(tmp_path / "none").version()

    asyncio.run(run())


def test_a_command_too_long_for_the_engine_is_refused_here() -> None:
    with pytest.raises(EngineFault, match="4095"):
        protocol.encode("register-tenant", {"id": 1, "filename": "x" * 5000})
