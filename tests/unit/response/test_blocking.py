from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path

import msgspec
import pytest

from hyperward.events.model import Direction, Event, EventAction, Feature, Kind, Party, Severity
from hyperward.response.blocking import NeverBlock, block_minutes, completed, never_block, refusal
from hyperward.response.blocks import REMEMBERED_SECONDS, Block, Blocks
from hyperward.steering.layout import BlockedKey, Flow
from unit_tables import DictTable

SOURCE = ip_address("10.0.0.9")
FLOW = Flow(1, 2, 3, 4, 5, 6, 111, 222, 0x12, 0x1A, b"\x02" * 6, b"\x04" * 6)
EVENT = Event(
    id="1",
    time=datetime(2026, 1, 1, tzinfo=UTC),
    severity=Severity.CRITICAL,
    kind=Kind.DETECTION,
    feature=Feature.INTRUSION_PREVENTION,
    direction=Direction.INBOUND,
    opened_by=Party.REMOTE,
    protocol="TCP",
    asked=EventAction.TERMINATE_AND_BLOCK,
    done=EventAction.TERMINATE,
)


def test_opener_of_a_proven_connection_is_blocked() -> None:
    assert refusal(EVENT, SOURCE, FLOW, NeverBlock()) == ""


@pytest.mark.parametrize(
    ("changes", "flow", "why"),
    [
        ({"protocol": "UDP"}, FLOW, "forged"),
        ({}, None, "forged"),
        ({}, replace(FLOW, flags_from=0x00), "forged"),
        ({"opened_by": Party.VM}, FLOW, "answer"),
        ({"opened_by": None}, FLOW, "answer"),
        ({"done": EventAction.IGNORE, "reason": "monitoring mode"}, FLOW, "monitoring mode"),
    ],
)
def test_what_is_not_certain_is_not_blocked(changes: dict[str, object], flow: Flow | None, why: str) -> None:
    assert why in refusal(msgspec.structs.replace(EVENT, **changes), SOURCE, flow, NeverBlock())


@pytest.mark.parametrize("text", ["10.0.0.0/24", "10.0.0.9/32"])
def test_never_block_set_is_never_blocked(text: str) -> None:
    never = never_block(a_gateway=[ip_network(text)])
    assert refusal(EVENT, SOURCE, FLOW, never) == "10.0.0.9 is never blocked: a gateway"
    assert refusal(EVENT, ip_address("10.0.1.9"), FLOW, never) == ""
    assert refusal(EVENT, ip_address("fd77::9"), FLOW, never) == ""


@pytest.mark.parametrize("text", ["224.0.0.1", "ff02::1", "0.0.0.0", "::"])
def test_what_is_no_single_host_is_never_blocked(text: str) -> None:
    assert "no single host" in refusal(EVENT, ip_address(text), FLOW, NeverBlock())


def test_handshake_needs_both_ends() -> None:
    assert completed(FLOW)
    assert not completed(replace(FLOW, flags_to=0x02))


def test_each_return_doubles_the_block_up_to_a_limit() -> None:
    assert [block_minutes(60, times) for times in range(4)] == [60, 120, 240, 480]
    assert block_minutes(60, 50) == 32768


TEMPLATE = Block("10.0.0.9", "br0", 5, 0, 0, 0, "web", "an attack", "1")


def test_block_is_in_the_kernel_until_its_time_and_told_once(tmp_path: Path) -> None:
    table: DictTable[BlockedKey, int] = DictTable()
    blocks = Blocks(table, tmp_path / "blocks.json")
    block = blocks.add(TEMPLATE, 60, segment_index=3, now=1000.0, monotonic_ns=7)
    assert block is not None
    assert (block.until, block.times) == (1000.0 + 3600, 1)
    [(key, until)] = table.items()
    assert (key.segment, key.vlan, until) == (3, 5, 7 + 3_600_000_000_000)
    assert blocks.add(TEMPLATE, 60, segment_index=3, now=1001.0, monotonic_ns=7) is None
    assert blocks.expire({"br0": 3}, 4599.0) == []
    assert [b.address for b in blocks.expire({"br0": 3}, 4600.0)] == ["10.0.0.9"]
    assert blocks.expire({"br0": 3}, 4601.0) == []
    assert not dict(table.items())


def test_source_that_comes_back_is_blocked_longer_until_it_is_forgotten(tmp_path: Path) -> None:
    blocks = Blocks(DictTable(), tmp_path / "blocks.json")
    blocks.add(TEMPLATE, 1, segment_index=3, now=0.0, monotonic_ns=0)
    blocks.expire({}, 60.0)
    again = blocks.add(TEMPLATE, 1, segment_index=3, now=100.0, monotonic_ns=0)
    assert again is not None
    assert (again.times, again.until) == (2, 220.0)
    blocks.expire({}, 220.0)
    blocks.expire({}, 220.0 + REMEMBERED_SECONDS)
    fresh = blocks.add(TEMPLATE, 1, segment_index=3, now=1e6, monotonic_ns=0)
    assert fresh is not None
    assert fresh.times == 1


def test_block_survives_a_restart_and_a_reboot_and_can_be_removed_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "blocks.json"
    Blocks(DictTable(), path).add(TEMPLATE, 60, segment_index=3, now=0.0, monotonic_ns=0)
    table: DictTable[BlockedKey, int] = DictTable()
    blocks = Blocks(table, path)
    blocks.install({"br0": 8}, now=600.0, monotonic_ns=50)
    [(key, until)] = table.items()
    assert (key.segment, until) == (8, 50 + 3_000_000_000_000)
    assert [b.vm for b in blocks.remove(SOURCE, {"br0": 8}, 601.0)] == ["web"]
    assert not dict(table.items())
    assert list(Blocks(table, path).active(602.0)) == []


def test_damaged_file_does_not_stop_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "blocks.json"
    path.write_text("[{")
    assert list(Blocks(DictTable(), path).active(0.0)) == []
