from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.events.model import Direction
from hyperward.ips.rules.classes import RuleClass
from hyperward.policy.actions import Action
from hyperward.policy.fields import Mode
from hyperward.simulate.html import html
from hyperward.simulate.judge import Judged, Rulings, judge
from hyperward.simulate.records import flows_of
from hyperward.simulate.report import SimulationReport, Verdict, plain
from hyperward.simulate.rows import Decide, Decision, RowAction, Traffic, no_rows
from hyperward.simulate.sides import Sides, VmSide

VM, REMOTE = "10.0.0.1", "198.51.100.20"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PARTS = {"pkts_toserver": 4, "pkts_toclient": 3, "bytes_toserver": 400, "bytes_toclient": 300}
ASKED = {RuleClass.NETWORK_ATTACK: Action.TERMINATE_AND_BLOCK, RuleClass.MALWARE: Action.TERMINATE}


def at(seconds: float) -> str:
    return (BEGIN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")


def flow(number: int, seconds: float = 0, *, client: str = REMOTE, server: str = VM, **more: Any) -> dict[str, Any]:
    return {
        "timestamp": at(seconds + 1),
        "event_type": "flow",
        "flow_id": number,
        "src_ip": client,
        "src_port": 40000 + number,
        "dest_ip": server,
        "dest_port": 80,
        "proto": "TCP",
        "app_proto": "http",
        "flow": {
            "pkts_toserver": 4,
            "pkts_toclient": 3,
            "bytes_toserver": 400,
            "bytes_toclient": 300,
            "start": at(seconds),
        },
        "tcp": {"tcp_flags_ts": "1b", "tcp_flags_tc": "1b"},
    } | more


def alert(
    number: int, seconds: float = 0.5, *, category: str = "network_attack", dropped: bool = True, **more: Any
) -> dict[str, Any]:
    made = flow(number, **{k: v for k, v in more.items() if k in {"client", "server"}})
    return made | {
        "timestamp": at(seconds),
        "event_type": "alert",
        "direction": "to_server",
        "flow": {"start": at(seconds - 0.5)},
        "alert": {
            "signature_id": 7,
            "gid": 1,
            "rev": 2,
            "signature": more.get("signature", "evil"),
            "metadata": {"hyperward_class": [category]},
        },
        "verdict": {"action": "drop" if dropped else "alert"},
        "http": {"hostname": "h", "url": more.get("url", "/x")},
    }


def judged(
    records: Iterable[dict[str, Any]],
    *,
    mode: Mode = Mode.STANDARD,
    vm: tuple[str, ...] = (VM,),
    side: VmSide = VmSide.HOME,
    decide: Decide = no_rows,
) -> Judged:
    flows, unreadable = flows_of(msgspec.json.encode(record) for record in records)
    assert unreadable == 0
    rulings = Rulings(mode=mode, asked=ASKED, block_minutes=1, sides=Sides(vm, side, ("10.0.0.0/8",)), decide=decide)
    return judge(flows, rulings)


def verdicts(found: Judged) -> list[Verdict]:
    return [connection.verdict for connection in found.connections]


def test_blocked_reported_and_passed_with_their_rules() -> None:
    other = REMOTE[:-1] + "1"
    found = judged(
        [
            alert(1, category="malware"),
            flow(1),
            alert(2, category="info", dropped=False, client=other),
            flow(2, client=other),
            flow(3, 2),
        ]
    )
    assert verdicts(found) == [Verdict.BLOCKED, Verdict.REPORTED, Verdict.PASSED]
    assert found.totals == {Verdict.BLOCKED: 1, Verdict.REPORTED: 1, Verdict.PASSED: 1}
    first = found.connections[0]
    assert (first.client, first.client_port, first.server_port, first.direction) == (
        REMOTE,
        40001,
        80,
        Direction.INBOUND,
    )
    assert (first.packets, first.bytes, first.application) == (7, 700, "http")
    [detection] = first.detections
    assert (detection.rule, detection.asked, detection.dropped, detection.request) == (
        "1:7:2",
        Action.TERMINATE,
        True,
        "http://h/x",
    )
    assert [(r.asked, r.blocked, r.reported) for r in found.rules_by_effect()] == [
        (Action.TERMINATE, 1, 0),
        (Action.IGNORE, 0, 1),
    ]


def test_the_source_of_a_proven_attack_is_blocked_for_its_minutes() -> None:
    records = [alert(1), flow(1), flow(2, 10), flow(3, 10, client=REMOTE[:-1]), flow(4, 70)]
    found = judged(records)
    assert verdicts(found) == [Verdict.BLOCKED, Verdict.SOURCE_BLOCKED, Verdict.PASSED, Verdict.PASSED]
    [block] = found.blocks
    assert (block.address, block.rule) == (REMOTE, "1:7:2")
    assert datetime.fromisoformat(block.until) - datetime.fromisoformat(block.since) == timedelta(minutes=1)


def test_what_comes_during_a_block_is_no_detection_and_the_next_block_is_longer() -> None:
    found = judged([alert(1), flow(1), alert(2, 10.5), flow(2, 10), alert(3, 90.5), flow(3, 90)])
    assert verdicts(found) == [Verdict.BLOCKED, Verdict.SOURCE_BLOCKED, Verdict.BLOCKED]
    lengths = [datetime.fromisoformat(b.until) - datetime.fromisoformat(b.since) for b in found.blocks]
    assert lengths == [timedelta(minutes=1), timedelta(minutes=2)]
    assert found.rules_by_effect()[0].blocked == 2


@pytest.mark.parametrize(
    "change",
    [{"proto": "UDP"}, {"tcp": {"tcp_flags_ts": "02", "tcp_flags_tc": "00"}}, {"vlan": [7]}],
    ids=["udp", "no handshake", "another VLAN"],
)
def test_a_source_that_could_be_forged_or_is_elsewhere_is_not_blocked(change: dict[str, Any]) -> None:
    attack = [alert(1) | change, flow(1) | change]
    assert verdicts(judged([*attack, flow(2, 10)]))[1] is Verdict.PASSED


def test_an_answer_that_matches_blocks_nobody() -> None:
    found = judged([alert(1) | {"direction": "to_client", "src_ip": VM, "dest_ip": REMOTE}, flow(1), flow(2, 10)])
    assert verdicts(found) == [Verdict.BLOCKED, Verdict.PASSED]
    assert found.blocks == []


def test_monitoring_reports_what_it_would_have_been_asked_to_do() -> None:
    found = judged([alert(1, dropped=False), flow(1), flow(2, 10)], mode=Mode.MONITORING)
    assert verdicts(found) == [Verdict.REPORTED, Verdict.PASSED]
    assert found.connections[0].reason == "monitoring mode"
    assert found.connections[0].detections[0].asked is Action.TERMINATE_AND_BLOCK


@pytest.mark.parametrize(
    ("action", "first", "second"),
    [
        (RowAction.DO_NOT_SCAN, Verdict.NOT_SCANNED, Verdict.NOT_SCANNED),
        (RowAction.DO_NOT_BLOCK, Verdict.REPORTED, Verdict.PASSED),
        (RowAction.DEFAULT, Verdict.BLOCKED, Verdict.SOURCE_BLOCKED),
    ],
)
def test_rows_decide_and_are_named(action: RowAction, first: Verdict, second: Verdict) -> None:
    asked: list[Traffic] = []

    def decide(traffic: Traffic) -> Decision:
        asked.append(traffic)
        return Decision(action, "row 3: the scanner")

    found = judged([alert(1), flow(1), flow(2, 10)], decide=decide)
    assert verdicts(found) == [first, second]
    assert {connection.row for connection in found.connections} == {"row 3: the scanner"}
    [row] = found.rows_by_use()
    assert (row.row, row.action, row.connections) == ("row 3: the scanner", action, 2)
    assert asked[0] == Traffic(REMOTE, 0, Direction.INBOUND, "TCP", 80, 40001, 80)


def test_who_the_vm_is() -> None:
    inside, outside = flow(1, client=VM, server=REMOTE), flow(2, 1, client="192.0.2.1", server="192.0.2.2")
    found = judged([inside, outside])
    assert ([c.direction for c in found.connections], found.others) == ([Direction.OUTBOUND], 1)
    by_home = judged([inside, outside], vm=())
    assert [c.direction for c in by_home.connections] == [Direction.OUTBOUND, None]
    assert [c.direction for c in judged([inside], vm=(), side=VmSide.SERVER).connections] == [Direction.INBOUND]
    assert [c.direction for c in judged([inside], vm=(), side=VmSide.CLIENT).connections] == [Direction.OUTBOUND]


def test_lines_that_are_no_records_are_counted() -> None:
    flows, unreadable = flows_of([b"", b"{", b"[]", b"\xff", msgspec.json.encode(flow(1)), b'{"timestamp":1}'])
    assert (len(flows), unreadable) == (1, 5)


def report(found: Judged) -> SimulationReport:
    return SimulationReport(
        policy="p",
        mode="standard",
        capture="<script>x.pcap",
        packets=1,
        rules_version="1",
        rules_unusable=0,
        totals={verdict.value: found.totals[verdict] for verdict in Verdict},
        other_connections=0,
        rules=found.rules_by_effect(),
        rows=found.rows_by_use(),
        source_blocks=tuple(found.blocks),
        connections=found.worst_first(100),
        left_out=0,
        notes=("<b>note",),
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@given(st.text(max_size=60))
def test_a_hostile_capture_writes_text_into_the_page_and_nothing_else(text: str) -> None:
    hostile = f'"><script src=//e>{text}</td><img onerror=x>'
    found = judged(
        [alert(1, url=hostile, signature=hostile), flow(1)], decide=lambda _: Decision(RowAction.DEFAULT, hostile)
    )
    parser = Tags()
    page = html(report(found))
    parser.feed(page)
    harmless = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "span"}
    assert parser.tags <= harmless | {"table", "thead", "tbody", "tr", "th", "td"}
    assert parser.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class"}
    assert all(character.isprintable() or character == "\n" for character in page)


def test_texts_cannot_move_the_cursor_nor_turn_the_line() -> None:
    assert plain("a\x1b[2Jb\u202ec\nd\ud800") == "a\\x1b[2Jb\\u202ec\\nd\\ud800"
    assert len(plain("x" * 1000)) == 300
