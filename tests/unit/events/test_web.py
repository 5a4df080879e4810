from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.events.collectweb import WebCollector, record_files
from hyperward.events.model import Direction, EntryRef, Event, EventAction, Feature, Kind, Party, Severity, VmRef
from hyperward.events.reader import EventReader, Query
from hyperward.events.store import EventStore
from hyperward.events.web import WebPort, decode_record, event_of_record
from hyperward.ips.engine.rotate import put_aside
from hyperward.policy.actions import WebAction
from hyperward.webscan.protocols.model import WebProtocol
from hyperward.webscan.scanner.records import WebRecord

RECORD = WebRecord(
    time=1_790_000_000.5,
    event="01981234-0000-7000-8000-000000000001",
    port=5,
    source="10.0.0.5",
    source_port=40000,
    destination="192.0.2.7",
    destination_port=8080,
    transport="TCP",
    vlan=(7,),
    protocol=WebProtocol.HTTP,
    address="evil.example/x.exe",
    method="GET",
    category="malicious",
    list_id="urls",
    entry="evil.example",
    entry_kind="domain",
    entry_id="17",
    database="2026-11-22.1",
    asked=WebAction.BLOCK,
    done="blocked",
    packet="AAAA",
)


class Ports:
    def __init__(self, copy_reason: str = "monitoring mode") -> None:
        self.copy_reason = copy_reason

    def by_port(self, port_id: int) -> WebPort | None:
        return WebPort(VmRef(name=f"vm{port_id}"), self.copy_reason) if port_id != 99 else None


def event(ports: Ports | None = None, **changes: Any) -> Event:
    return event_of_record(msgspec.structs.replace(RECORD, **changes), ports or Ports(), svm="s")


def test_all_that_a_record_says_is_in_the_event() -> None:
    assert event() == Event(
        id=RECORD.event,
        time=datetime.fromtimestamp(1_790_000_000.5, UTC),
        severity=Severity.CRITICAL,
        kind=Kind.WEB_ADDRESS,
        feature=Feature.WEB_ADDRESSES,
        message="malicious address: evil.example/x.exe",
        svm="s",
        vm=VmRef(name="vm5"),
        port=5,
        vlan=(7,),
        direction=Direction.OUTBOUND,
        opened_by=Party.VM,
        source="10.0.0.5",
        source_port=40000,
        destination="192.0.2.7",
        destination_port=8080,
        protocol="TCP",
        application="http",
        category="malicious",
        entry=EntryRef(list="urls", entry="evil.example", kind="domain", id="17", version="2026-11-22.1"),
        asked=EventAction.BLOCK,
        done=EventAction.BLOCK,
        verdict="drop",
        request="GET evil.example/x.exe",
        packet="AAAA",
    )


@pytest.mark.parametrize(
    ("changes", "severity", "done", "reason", "message"),
    [
        (
            {"asked": WebAction.REPORT, "done": "reported"},
            Severity.CRITICAL,
            EventAction.REPORT,
            "",
            "malicious address",
        ),
        ({"category": "gambling"}, Severity.WARNING, EventAction.BLOCK, "", "gambling address"),
        (
            {"category": "gambling", "asked": WebAction.REPORT, "done": "reported"},
            Severity.INFORMATIONAL,
            EventAction.REPORT,
            "",
            "gambling address",
        ),
        (
            {"done": "reported", "exempt": "*.example"},
            Severity.INFORMATIONAL,
            EventAction.REPORT,
            "never_block: *.example",
            "malicious address",
        ),
        ({"done": "reported", "copy": True}, Severity.CRITICAL, EventAction.REPORT, "monitoring mode", "malicious"),
        ({"done": "reported", "reason": "too late"}, Severity.CRITICAL, EventAction.REPORT, "too late", "malicious"),
        (
            {"category": "", "entry": "", "hidden_name": True, "asked": WebAction.REPORT, "done": "reported"},
            Severity.INFORMATIONAL,
            EventAction.REPORT,
            "",
            "hidden name: evil.example/x.exe",
        ),
        ({"hidden_name": True}, Severity.CRITICAL, EventAction.BLOCK, "", "and the name that is meant is hidden"),
    ],
)
def test_what_was_asked_and_done(
    changes: dict[str, Any], severity: Severity, done: EventAction, reason: str, message: str
) -> None:
    found = event(**changes)
    assert (found.severity, found.done, found.reason) == (severity, done, reason)
    assert message in found.message
    assert found.verdict == ("drop" if done is EventAction.BLOCK else "pass")
    assert (found.entry is None) == ("entry" in changes)


def test_an_exclusion_is_told_from_monitoring() -> None:
    found = event(Ports("an exclusion: do_not_block"), copy=True, done="reported")
    assert found.reason == "an exclusion: do_not_block"


def test_unknown_port_still_makes_an_event() -> None:
    assert event(port=99).vm is None


@pytest.mark.parametrize("changes", [{"done": "dropped"}, {"time": 1e300}])
def test_what_cannot_be_understood_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        event(**changes)


def test_an_endless_address_is_cut() -> None:
    found = event(address="a" * 100_000)
    assert len(found.message) < 300
    assert len(found.request) < 10_000


@given(st.binary(max_size=200))
def test_no_line_breaks_the_reader(line: bytes) -> None:
    try:
        decode_record(line)
    except ValueError:
        return


def line(number: int) -> bytes:
    record = msgspec.structs.replace(
        RECORD, event=f"01981234-0000-7000-8000-{number:012d}", address=f"a{number}.example/"
    )
    return msgspec.json.encode(record) + b"\n"


def addresses(path: Path) -> list[str]:
    with EventReader(path) as reader:
        return [stored.event.request for stored in reader.query(Query(kind=Kind.WEB_ADDRESS))]


def test_every_record_of_every_scanner_is_stored_once_through_restarts_and_rotation(tmp_path: Path) -> None:
    folder, db = tmp_path / "web", tmp_path / "events.db"
    folder.mkdir()
    expected = []
    for start in range(0, 40, 10):
        for number in range(start, start + 10):
            with (folder / f"records-{number % 2}.json").open("ab") as file:
                file.write(line(number))
            expected.append(f"GET a{number}.example/")
        with EventStore(db) as store:
            collector = WebCollector(folder, store, Ports(), svm="s")
            found = [collector.collect() for _ in range(3)]
            assert sum(len(done.events) for done in found) == 10
            assert found[-1].caught_up
            put_aside(folder / "records-0.json")
    with EventStore(db) as store:
        assert WebCollector(folder, store, Ports(), svm="s").collect().events == []
    assert sorted(addresses(db)) == sorted(expected)


def test_half_a_line_of_a_killed_scanner_costs_nothing_else(tmp_path: Path) -> None:
    path, db = tmp_path / "records-0.json", tmp_path / "events.db"
    path.write_bytes(line(1) + line(2)[:50])
    with EventStore(db) as store:
        collector = WebCollector(tmp_path, store, Ports(), svm="s")
        collector.collect()
        put_aside(path)
        path.write_bytes(line(3) + b"{}\n" + line(4))
        found = [collector.collect() for _ in range(3)]
    assert sum(done.unreadable for done in found) == 2
    assert [event.kind for done in found for event in done.events].count(Kind.EVENTS_LOST) == 2
    assert addresses(db) == ["GET a1.example/", "GET a3.example/", "GET a4.example/"]


def test_files_of_scanners_that_are_gone_are_still_read(tmp_path: Path) -> None:
    for name in ("records-11.json", "records-2.json.7", "records-2.json", "scanner-0.json", "records-x.json", "a"):
        (tmp_path / name).touch()
    assert [path.name for path in record_files(tmp_path)] == ["records-2.json", "records-11.json"]
    assert record_files(tmp_path / "missing") == []
