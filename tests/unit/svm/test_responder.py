import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hyperward.events.model import Direction, Event, EventAction, Feature, Kind, Party, Severity, VmRef
from hyperward.events.reader import EventReader, Query
from hyperward.events.store import EventStore
from hyperward.policy.models import IntrusionPrevention, NetworkAttacks
from hyperward.response.blocking import never_block
from hyperward.response.blocks import Blocks
from hyperward.response.inject import StubInjector
from hyperward.response.terminate import Terminator
from hyperward.steering.layout import BlockedKey, Flow, FlowKey, Mode
from hyperward.steering.ports import PortSettings
from hyperward.svm.eventlog import EventLog
from hyperward.svm.links import Segment
from hyperward.svm.responder import Responder, connection_of
from unit_tables import DictTable

PORT = PortSettings(port_id=7, vid=14, mode=Mode.STANDARD, segment=3)
EVENT = Event(
    id="1",
    time=datetime(2026, 1, 1, tzinfo=UTC),
    severity=Severity.CRITICAL,
    kind=Kind.DETECTION,
    feature=Feature.INTRUSION_PREVENTION,
    message="an exploit",
    vm=VmRef(name="web"),
    port=7,
    direction=Direction.INBOUND,
    opened_by=Party.REMOTE,
    source="10.0.0.9",
    source_port=40000,
    destination="10.0.0.1",
    destination_port=80,
    protocol="TCP",
    asked=EventAction.TERMINATE_AND_BLOCK,
    done=EventAction.TERMINATE,
)
FLOW = Flow(1, 2, 3, 4, 5, 6, 111, 222, 0x12, 0x1A, b"\x02" * 6, b"\x04" * 6)


class Policies:
    """Stands for the daemon's policies: one VM, blocked for an hour."""

    def intrusion_prevention(self, vm_name: str) -> IntrusionPrevention | None:
        return IntrusionPrevention(network_attacks=NetworkAttacks(block_minutes=60)) if vm_name == "web" else None


class Node:
    def __init__(self, folder: Path, *, known: bool = True) -> None:
        self.flows: DictTable[FlowKey, Flow] = DictTable()
        self.blocked: DictTable[BlockedKey, int] = DictTable()
        self.injector = StubInjector()
        self.store = EventStore(folder / "events.db")
        self.folder = folder
        connection = connection_of(EVENT, PORT.vid)
        assert connection
        if known:
            self.flows.set(connection.key(), FLOW)

    def run(self, action: Callable[[Responder], Any], *, never: str = "192.0.2.1/32") -> Any:
        async def inside() -> Any:
            terminator = Terminator(self.flows, self.injector)
            responder = Responder(
                ports={7: PORT},
                flows=self.flows,
                terminator=terminator,
                blocks=Blocks(self.blocked, self.folder / "blocks.json"),
                wanted=Policies(),
                log=EventLog(self.store, "svm"),
            )
            responder.learn({"tap1": Segment("br0", 3)}, never_block(a_gateway=[ip_network(never)]))
            result = action(responder)
            terminator.close()
            return result

        return asyncio.run(inside())

    def told(self) -> list[Event]:
        with EventReader(self.folder / "events.db") as reader:
            return [stored.event for stored in reader.query(Query())]


@pytest.fixture
def node(tmp_path: Path) -> Any:
    made = Node(tmp_path)
    yield made
    made.store.close()


def test_attack_is_reset_at_both_ends_and_its_source_blocked(node: Node) -> None:
    event = node.run(lambda responder: responder.respond(EVENT))
    assert (event.done, event.reason) == (EventAction.TERMINATE_AND_BLOCK, "")
    assert (len(node.injector.vm), len(node.injector.network)) == (1, 1)
    [(key, _)] = node.blocked.items()
    assert (key.address[12:], key.segment, key.vlan) == (ip_address("10.0.0.9").packed, 3, 0)
    [told] = node.told()
    assert (told.kind, told.source, told.vm) == (Kind.SOURCE_BLOCKED, "10.0.0.9", VmRef(name="web"))
    assert "60 minutes" in told.message


def test_block_is_for_the_vlan_of_the_detection_only(node: Node) -> None:
    connection = connection_of(msgspec.structs.replace(EVENT, vlan=(99,)), PORT.vid)
    assert connection
    node.flows.set(connection.key(), FLOW)
    node.run(lambda responder: responder.respond(msgspec.structs.replace(EVENT, vlan=(99,))))
    assert [key.vlan for key, _ in node.blocked.items()] == [99]


def test_never_block_set_is_cut_but_not_blocked_and_the_event_says_why(node: Node) -> None:
    event = node.run(lambda responder: responder.respond(EVENT), never="10.0.0.0/28")
    assert (event.done, event.reason) == (EventAction.TERMINATE, "10.0.0.9 is never blocked: a gateway")
    assert len(node.injector.vm) == 1
    assert not dict(node.blocked.items())


@pytest.mark.parametrize(
    "changes",
    [{"asked": EventAction.TERMINATE}, {"done": EventAction.IGNORE}, {"protocol": "UDP"}, {"vm": VmRef(name="other")}],
)
def test_no_block_without_order_action_or_proof(node: Node, changes: dict[str, Any]) -> None:
    node.run(lambda responder: responder.respond(msgspec.structs.replace(EVENT, **changes)))
    assert not dict(node.blocked.items())


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": Kind.PACKET_DROPPED},
        {"done": EventAction.IGNORE},
        {"protocol": "ICMP", "source_port": None},
        {"port": 8},
    ],
)
def test_what_was_not_cut_is_not_reset(node: Node, changes: dict[str, Any]) -> None:
    event = msgspec.structs.replace(EVENT, **changes)
    assert node.run(lambda responder: responder.respond(event)).done is event.done
    assert node.injector.vm == []


def test_source_is_let_go_by_hand(node: Node) -> None:
    def act(responder: Responder) -> list[str]:
        responder.respond(EVENT)
        assert [block.address for block in responder.blocked()] == ["10.0.0.9"]
        return [block.address for block in responder.unblock(ip_address("10.0.0.9"))]

    assert node.run(act) == ["10.0.0.9"]
    assert not dict(node.blocked.items())
    assert node.told()[-1].kind is Kind.SOURCE_RELEASED


def test_connection_is_seen_from_the_vm() -> None:
    inbound = connection_of(EVENT, 14)
    outbound = connection_of(msgspec.structs.replace(EVENT, direction=Direction.OUTBOUND), 14)
    assert inbound
    assert outbound
    assert (str(inbound.local), inbound.local_port, str(inbound.remote)) == ("10.0.0.1", 80, "10.0.0.9")
    assert (str(outbound.local), outbound.local_port, str(outbound.remote)) == ("10.0.0.9", 40000, "10.0.0.1")


def test_nothing_is_done_for_a_shadow_policy(node: Node) -> None:
    for done in (EventAction.IGNORE, EventAction.TERMINATE):
        event = msgspec.structs.replace(EVENT, shadow="Strict", done=done)
        [answer] = node.run(lambda responder: [responder.respond(event)])  # noqa: B023 - called at once
        assert answer == event
    assert (node.injector.vm, node.injector.network, list(node.blocked.items()), node.told()) == ([], [], [], [])
