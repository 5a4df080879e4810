"""The real engine over inspection pairs in a namespace."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hyperward.ips.engine import process as processes
from hyperward.ips.engine.nudge import FrameNudge
from hyperward.ips.engine.render import References
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.supervisor import EngineSupervisor
from hyperward.ips.engine.tenants import Desired, Tenant
from integration.engine_lab import CLASSIFICATION, REFERENCE, Connection, Pairs, frame, namespace, rules, udp

if TYPE_CHECKING:
    from hyperward.ips.engine.notices import EngineNotice

pytestmark = [pytest.mark.root, pytest.mark.engine]

ENFORCE, OBSERVE, FREE = 11, 12, 13


class Bench:
    """A namespace, its pairs, rule files and settings."""

    def __init__(self, folder: Path, pairs: Pairs) -> None:
        self.folder, self.pairs = folder, pairs
        self.settings = EngineSettings(run_dir=folder / "run", log_dir=folder / "log", ring_frames=1024)
        self.references = References(folder / "classification.config", folder / "reference.config")
        self.references.classification.write_text(CLASSIFICATION)
        self.references.reference.write_text(REFERENCE)
        for name, action in (("enforce", "drop"), ("observe", "alert")):
            (folder / f"{name}.rules").write_text(rules(action))
        self.notices: list[EngineNotice] = []

    def tenant(self, number: int, name: str, version: str = "1") -> Tenant:
        return Tenant(number, self.folder / f"{name}.rules", version)

    def desired(self, **mappings: int) -> Desired:
        tenants = {1: self.tenant(1, "enforce"), 2: self.tenant(2, "observe")}
        return Desired(tenants, {int(vid[1:]): to for vid, to in mappings.items()} or {ENFORCE: 1, OBSERVE: 2})

    def supervisor(self) -> EngineSupervisor:
        nudge = FrameNudge(["hwg0", "hwn0"])
        return EngineSupervisor(self.settings, self.references, nudge=nudge, notify=self.notices.append)

    @asynccontextmanager
    async def running(self, desired: Desired | None = None) -> AsyncIterator[EngineSupervisor]:
        supervisor = self.supervisor()
        try:
            await supervisor.start(desired or self.desired())
            yield supervisor
        finally:
            await supervisor.stop()

    def eve(self) -> str:
        files = sorted(self.settings.log_dir.glob("eve.json*"))
        return "".join(file.read_text() for file in files)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with namespace("hw-engine-test"):
        pairs = Pairs()
        created = Bench(tmp_path, pairs)
        try:
            yield created
        finally:
            pairs.close()
            end_leftover(created.settings)


def end_leftover(settings: EngineSettings) -> None:
    found = processes.find(settings)
    if found is not None:
        found.send(signal.SIGKILL)
        eventually(lambda: not found.alive)
        found.close()
        assert not found.alive


def eventually(holds: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not (result := holds()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return result


async def eventually_async(holds: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not (result := holds()) and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes send no event
        await asyncio.sleep(0.01)
    return result


def test_forwards_drops_and_reports_by_the_outer_tag(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.running():
            pairs = bench.pairs
            assert pairs.passes(udp(ENFORCE, b"hello"))
            assert pairs.passes(udp(ENFORCE, b"hello", reverse=True), to_guest=True)
            assert not pairs.passes(udp(ENFORCE, b"EVIL", port=1111))
            assert pairs.passes(udp(OBSERVE, b"EVIL", port=1112))
            assert pairs.passes(udp(FREE, b"EVIL", port=1113))
            assert not pairs.passes(udp(ENFORCE, b"EVIL", guest_tag=99, port=1114))
            assert pairs.passes(udp(OBSERVE, b"EVIL", guest_tag=99, port=1115))
            assert pairs.passes(frame((ENFORCE,), 0x88B5, bytes(46)))
            assert pairs.passes(frame((ENFORCE,), 0x0806, bytes(46)))

    asyncio.run(scenario())
    text = bench.eve()
    assert text.count('"event_type":"alert"') == 4
    assert f'"vlan":[{OBSERVE},99]' in text
    assert '"hyperward_class":["malware"]' in text
    assert '"verdict":{"action":"drop"' in text


def test_connections_and_flowbits(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.running():
            good = Connection(bench.pairs, ENFORCE)
            assert good.open()
            assert good.to_server(b"GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n")
            assert good.to_client(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            assert not good.to_server(b"GET /two HTTP/1.1\r\nHost: a.example\r\n\r\n")
            other = Connection(bench.pairs, ENFORCE, port=40_001)
            assert other.open()
            assert other.to_server(b"GET /two HTTP/1.1\r\nHost: a.example\r\n\r\n")

    asyncio.run(scenario())
    assert '"signature_id":4' in bench.eve()
