"""The real engine over inspection pairs in a namespace."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hyperward.errors import EngineFault
from hyperward.events.collect import EveCollector
from hyperward.events.detect import PortView
from hyperward.events.model import Direction, VmRef
from hyperward.events.reader import EventReader, Query
from hyperward.events.store import EventStore
from hyperward.ips.engine import process as processes
from hyperward.ips.engine.notices import EngineNotice, NoticeKind
from hyperward.ips.engine.nudge import FrameNudge
from hyperward.ips.engine.render import References
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.supervisor import EngineSupervisor
from hyperward.ips.engine.tenants import Desired, Tenant
from integration.engine_lab import CLASSIFICATION, REFERENCE, Connection, Pairs, frame, namespace, rules, udp

pytestmark = [pytest.mark.root, pytest.mark.engine]

ENFORCE, OBSERVE, FREE = 11, 12, 4000


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
    with namespace(f"hw-e-{secrets.token_hex(3)}"):
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


def test_an_established_connection_follows_its_vlan_id_to_other_rules(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.running() as supervisor:
            connection = Connection(bench.pairs, ENFORCE)
            assert connection.open()
            assert connection.to_server(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            assert connection.to_client(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await supervisor.apply(bench.desired(v11=2, v12=2))
            assert connection.to_server(b"GET /evil HTTP/1.1\r\nHost: a.example\r\n\r\n")
            assert connection.to_client(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await supervisor.apply(bench.desired(v11=1, v12=2))
            assert not connection.to_server(b"GET /evil HTTP/1.1\r\nHost: a.example\r\n\r\n")
            assert supervisor.pid is not None

    asyncio.run(scenario())


def test_traffic_while_vlan_ids_move_does_not_crash_the_engine(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.running() as supervisor:
            pid = supervisor.pid
            for turn in range(30):
                await supervisor.apply(bench.desired(**({"v12": 2} if turn % 3 == 2 else {"v11": 1 + turn % 2})))
                for vid in (ENFORCE, OBSERVE):
                    bench.pairs.passes(udp(vid, b"EVIL", port=2000), seconds=0.05)
                    assert bench.pairs.passes(udp(vid, b"fine", port=2001))
            assert supervisor.pid == pid

    asyncio.run(scenario())


def test_a_changed_tenant_is_loaded_again_and_one_that_went_can_come_back(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.running() as supervisor:
            rules_file = bench.folder / "enforce.rules"
            rules_file.write_text(rules("drop").replace("EVIL", "WICKED"))
            await supervisor.apply(Desired({1: bench.tenant(1, "enforce", "2")}, {ENFORCE: 1}))
            assert bench.pairs.passes(udp(ENFORCE, b"EVIL", port=1))
            assert not bench.pairs.passes(udp(ENFORCE, b"WICKED", port=2))
            await supervisor.apply(Desired({}, {ENFORCE: 1}))
            assert bench.pairs.passes(udp(ENFORCE, b"WICKED", port=3))
            rules_file.write_text(rules("drop").replace("EVIL", "VILE"))
            await supervisor.apply(Desired({1: bench.tenant(1, "enforce", "3")}, {ENFORCE: 1}))
            assert bench.pairs.passes(udp(ENFORCE, b"WICKED", port=4))
            assert not bench.pairs.passes(udp(ENFORCE, b"VILE", port=5))

    asyncio.run(scenario())


def test_connections_older_than_the_engine_go_on(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.running():
            old = Connection(bench.pairs, ENFORCE)
            for _ in range(3):
                assert old.to_server(b"GET /evil HTTP/1.1\r\nHost: a.example\r\n\r\n")
                assert old.to_client(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    asyncio.run(scenario())


def test_a_segment_with_a_wrong_checksum_does_not_blind_the_engine(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.running():
            connection = Connection(bench.pairs, ENFORCE)
            assert connection.open()
            connection.raw_to_server(b"GET /fine HTTP/1.1\r\nHost: a.example\r\n\r\n", bad_checksum=True)
            assert not connection.to_server(b"GET /evil HTTP/1.1\r\nHost: a.example\r\n\r\n")

    asyncio.run(scenario())


def test_the_next_daemon_adopts_the_engine_and_knows_what_it_holds(bench: Bench) -> None:
    async def first() -> int | None:
        supervisor = bench.supervisor()
        await supervisor.start(bench.desired())
        pid = supervisor.pid
        await supervisor.detach()
        return pid

    async def second(pid: int | None) -> None:
        async with bench.running() as supervisor:
            assert supervisor.pid == pid
            assert supervisor.registered.mappings.items() >= {ENFORCE: 1, OBSERVE: 2}.items()
            assert not supervisor.outdated
            assert not bench.pairs.passes(udp(ENFORCE, b"EVIL"))
            await supervisor.apply(bench.desired(v11=2))
            assert bench.pairs.passes(udp(ENFORCE, b"EVIL", port=7))

    asyncio.run(second(asyncio.run(first())))
    assert [notice.kind for notice in bench.notices if notice.kind is not NoticeKind.LOADED] == [
        NoticeKind.STARTED,
        NoticeKind.ADOPTED,
        NoticeKind.STOPPED,
    ]


def test_the_engine_outlives_a_daemon_that_is_killed(bench: Bench) -> None:
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(bench.supervisor().start(bench.desired()))
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert not bench.pairs.passes(udp(ENFORCE, b"EVIL"))

    async def next_daemon() -> None:
        async with bench.running() as supervisor:
            assert supervisor.registered.tenants == {1: "1", 2: "1"}

    asyncio.run(next_daemon())
    assert NoticeKind.ADOPTED in {notice.kind for notice in bench.notices}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_hung_engine_is_replaced_and_holds_the_same(bench: Bench, number: signal.Signals) -> None:
    async def scenario() -> None:
        async with bench.running() as supervisor:
            supervising = asyncio.create_task(supervisor.run())
            pid = supervisor.pid
            assert pid is not None
            os.kill(pid, number)
            loaded = [notice.kind for notice in bench.notices].count(NoticeKind.LOADED)
            assert await eventually_async(
                lambda: [notice.kind for notice in bench.notices].count(NoticeKind.LOADED) > loaded
            )
            assert supervisor.pid not in {pid, None}
            assert bench.pairs.passes(udp(ENFORCE, b"fine"))
            assert not bench.pairs.passes(udp(ENFORCE, b"EVIL"))
            await supervisor.stop()
            await supervising
            assert supervisor.pid is None

    asyncio.run(scenario())


def test_a_second_engine_on_the_same_pair_is_refused(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.running() as supervisor:
            with pytest.raises(EngineFault, match="another engine"):
                processes.spawn(bench.settings)
            bench.settings.pid_path.unlink()
            with pytest.raises(EngineFault, match="another engine"):
                await bench.supervisor().start(bench.desired())
            assert supervisor.pid is not None

    asyncio.run(scenario())


def test_an_engine_that_cannot_start_says_why_in_one_line(bench: Bench) -> None:
    settings = bench.settings.model_copy(update={"guest_interface": "absent0"})
    supervisor = EngineSupervisor(settings, bench.references, nudge=None, notify=bench.notices.append)
    with pytest.raises(EngineFault, match="absent0") as caught:
        asyncio.run(supervisor.start(bench.desired()))
    assert "\n" not in caught.value.line()


def test_rules_the_engine_refuses_leave_the_old_ones_in_force(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.running() as supervisor:
            (bench.folder / "enforce.rules").unlink()
            result = await supervisor.apply(
                Desired({1: bench.tenant(1, "enforce", "2"), 2: bench.tenant(2, "observe")}, {ENFORCE: 1, OBSERVE: 2})
            )
            assert [refused.step.tenant for refused in result.refused] == [1]
            assert not bench.pairs.passes(udp(ENFORCE, b"EVIL"))

    asyncio.run(scenario())


def test_a_broken_rule_is_reported_and_the_others_are_in_force(bench: Bench) -> None:
    async def scenario() -> None:
        (bench.folder / "enforce.rules").write_text(
            'drop udp any any -> any any (msg:"x"; nonsense; sid:9;)\n' + rules("drop")
        )
        async with bench.running() as supervisor:
            assert supervisor.pid is not None
            assert not bench.pairs.passes(udp(ENFORCE, b"EVIL"))

    asyncio.run(scenario())
    (refused,) = (notice.text for notice in bench.notices if notice.kind is NoticeKind.REFUSED)
    assert "1 rules of tenant 1 were refused, 4 are in force" in refused


def test_rotation_under_load_loses_no_event(bench: Bench) -> None:
    class Ports:
        def by_vid(self, vid: int) -> PortView | None:
            return PortView(port=vid, vm=VmRef(name=f"vm{vid}"), enforce=vid == ENFORCE)

    total, database = 3000, bench.folder / "events.db"

    async def scenario() -> None:
        async with bench.running() as supervisor:
            with EventStore(database) as store:
                collector = EveCollector(bench.settings, store, Ports(), svm="test")
                for number in range(total):
                    bench.pairs.guest.send(udp(OBSERVE, b"EVIL", port=1 + number))
                    if number % 100 == 0:
                        await supervisor.rotate(at_least=1)
                        collector.collect()
                    if number % 20 == 0:
                        await asyncio.sleep(0)
                await supervisor.rotate(at_least=1)

                def stored() -> int:
                    collector.collect()
                    with EventReader(database) as reader:
                        return reader.last()

                await eventually_async(lambda: stored() >= total)
                with EventReader(database) as reader:
                    found = [entry.event for entry in reader.query(Query(limit=2 * total))]
        assert sorted(event.source_port or 0 for event in found) == list(range(1, total + 1))
        assert {event.direction for event in found} == {Direction.OUTBOUND}

    asyncio.run(scenario())
