"""What the daemon does about a detection: reset the connection, and block its source where the policy asks for it."""

import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Protocol

import msgspec

from hyperward.events.model import Direction, Event, EventAction, Feature, Kind, Severity
from hyperward.policy.models import IntrusionPrevention
from hyperward.response.blocking import Address, NeverBlock, refusal
from hyperward.response.blocks import Block, Blocks
from hyperward.response.terminate import Connection, Terminator
from hyperward.steering.layout import Flow, FlowKey
from hyperward.steering.maps import Table
from hyperward.steering.ports import PortSettings
from hyperward.svm.eventlog import EventLog
from hyperward.svm.links import Segment


def connection_of(event: Event, vid: int) -> Connection | None:
    """Return the TCP connection of a detection whose packet was dropped; None when there is nothing to reset.

    Args:
        event: a detection.
        vid: a VLAN id of the port.
    """
    if event.kind is not Kind.DETECTION or event.done is not EventAction.TERMINATE or event.protocol != "TCP":
        return None
    if event.port is None or event.direction is None or event.source_port is None or event.destination_port is None:
        return None
    source = (ip_address(event.source), event.source_port)
    destination = (ip_address(event.destination), event.destination_port)
    local, remote = (source, destination) if event.direction is Direction.OUTBOUND else (destination, source)
    return Connection(event.port, vid, *local, *remote, vlan=event.vlan[0] if event.vlan else 0)


class BlockPolicies(Protocol):
    """What is needed of the policies in force; `Wanted` has it."""

    def intrusion_prevention(self, vm_name: str) -> IntrusionPrevention | None:
        """Return the feature's settings for a VM; None when no policy covers it."""


class Responder:
    """Has the last word on an event before it is stored.

    Args:
        ports: what is registered in the kernel, by port id; kept up to date by the applier.
        flows: what steering knows of connections.
        terminator: resets connections.
        blocks: the blocked sources.
        wanted: the policies in force.
        log: the daemon's events.
    """

    def __init__(
        self,
        *,
        ports: Mapping[int, PortSettings],
        flows: Table[FlowKey, Flow],
        terminator: Terminator,
        blocks: Blocks,
        wanted: BlockPolicies,
        log: EventLog,
    ) -> None:
        self._ports = ports
        self._flows = flows
        self._terminator = terminator
        self._blocks = blocks
        self._wanted = wanted
        self._log = log
        self.never = NeverBlock()
        self._segments: Mapping[str, Segment] = {}
        self._names: Mapping[int, str] = {}

    def learn(self, segments: Mapping[str, Segment], never: NeverBlock) -> None:
        """Take over what the host looks like now, and put blocks into the kernel that are missing there."""
        self._segments = segments
        self._names = {segment.index: segment.name for segment in segments.values()}
        self.never = never
        self._blocks.install(self._indexes(), now=time.time(), monotonic_ns=time.monotonic_ns())

    def respond(self, event: Event) -> Event:
        """Act on an event; return it with what was really done. Nothing is done for a shadow policy."""
        if event.shadow:
            return event
        port = self._ports.get(event.port) if event.port is not None else None
        connection = connection_of(event, port.vid) if port else None
        flow = self._flows.get(connection.key()) if connection else None
        if connection is not None:
            self._terminator.terminate(connection)
        if port is None or event.kind is not Kind.DETECTION or event.asked is not EventAction.TERMINATE_AND_BLOCK:
            return event
        return self._block(event, port, flow)

    def expire(self) -> None:
        """Tell which blocks have ended."""
        for block in self._blocks.expire(self._indexes(), time.time()):
            self._tell(Kind.SOURCE_RELEASED, block, "the block is over")

    def unblock(self, address: Address) -> list[Block]:
        """Let a source go before its time."""
        ended = self._blocks.remove(address, self._indexes(), time.time())
        for block in ended:
            self._tell(Kind.SOURCE_RELEASED, block, "the block was removed by hand")
        return ended

    def blocked(self) -> list[Block]:
        """Return the blocks in force."""
        return list(self._blocks.active(time.time()))

    def _block(self, event: Event, port: PortSettings, flow: Flow | None) -> Event:
        source = ip_address(event.source)
        why_not = refusal(event, source, flow, self.never)
        settings = self._wanted.intrusion_prevention(event.vm.name) if event.vm else None
        if not why_not and settings is None:
            why_not = "the policy changed meanwhile"
        if why_not or settings is None:
            return msgspec.structs.replace(event, reason=why_not)
        template = Block(
            address=str(source),
            segment=self._names.get(port.segment, ""),
            vlan=event.vlan[0] if event.vlan else 0,
            since=0,
            until=0,
            times=0,
            vm=event.vm.name if event.vm else "",
            reason=event.message or "a detection",
            event=event.id,
        )
        block = self._blocks.add(
            template,
            settings.network_attacks.block_minutes,
            segment_index=port.segment,
            now=time.time(),
            monotonic_ns=time.monotonic_ns(),
        )
        if block is not None:
            minutes = round((block.until - block.since) / 60)
            self._tell(Kind.SOURCE_BLOCKED, block, f"blocked for {minutes} minutes: {block.reason}", Severity.WARNING)
        return msgspec.structs.replace(event, done=EventAction.TERMINATE_AND_BLOCK, reason="")

    def _tell(self, kind: Kind, block: Block, text: str, severity: Severity = Severity.INFORMATIONAL) -> None:
        where = f"{block.segment}, VLAN {block.vlan}" if block.vlan else block.segment
        self._log.write(
            kind,
            f"{block.address} in {where}: {text}",
            severity=severity,
            feature=Feature.RESPONSE,
            vm=block.vm,
            source=block.address,
        )

    def _indexes(self) -> dict[str, int]:
        return {segment.name: segment.index for segment in self._segments.values()}
