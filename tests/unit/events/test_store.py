import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hyperward.errors import SystemFault
from hyperward.events.ids import derived_id
from hyperward.events.model import Event, Feature, Kind, Severity, VmRef
from hyperward.events.reader import EventReader, Query
from hyperward.events.store import EventStore, Limits
from hyperward.ips.engine.tail import TailPosition

START = datetime(2026, 11, 22, tzinfo=UTC)


def make(number: int, vm: str = "web", severity: Severity = Severity.CRITICAL, packet: str = "") -> Event:
    time = START + timedelta(seconds=number)
    return Event(
        id=derived_id(time, "f", number, b""),
        time=time,
        severity=severity,
        kind=Kind.DETECTION,
        feature=Feature.INTRUSION_PREVENTION,
        vm=VmRef(name=vm, id=f"lab:{vm}"),
        packet=packet,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.db"


@pytest.fixture
def store(path: Path) -> Iterator[EventStore]:
    with EventStore(path, svm="svm1") as opened:
        yield opened


def test_what_was_stored_is_read_as_it_was(store: EventStore, path: Path) -> None:
    events = [make(1), make(2, "db", Severity.WARNING), make(3)]
    assert store.append(events) == 3
    with EventReader(path) as reader:
        assert [stored.event for stored in reader.query(Query())] == events
        assert [stored.event for stored in reader.query(Query(vm="db"))] == [events[1]]
        assert [stored.event for stored in reader.query(Query(vm="lab:web", limit=1))] == [events[2]]
        assert [stored.event for stored in reader.query(Query(severity=Severity.WARNING))] == [events[1]]
        assert [stored.event for stored in reader.query(Query(since=events[2].time))] == [events[2]]
        assert [stored.event for stored in reader.query(Query(until=events[1].time))] == [events[0]]
        assert reader.query(Query(feature=Feature.STEERING)) == []


def test_an_event_read_twice_is_stored_once(store: EventStore, path: Path) -> None:
    assert store.append([make(1)]) == 1
    assert store.append([make(1), make(2)]) == 1
    with EventReader(path) as reader:
        assert len(reader.query(Query())) == 2


def test_events_and_position_are_stored_together_or_not_at_all(store: EventStore, path: Path) -> None:
    first, second = TailPosition(1, 2, 3), TailPosition(1, 2, 9)
    store.append([make(1)], tail="eve", position=first)
    with pytest.raises(AttributeError):
        store.append([make(3), object()], tail="eve", position=second)  # type: ignore[list-item]
    assert store.position("eve", TailPosition) == first
    assert store.position("other", TailPosition) is None
    with EventReader(path) as reader:
        assert len(reader.query(Query())) == 1


def test_a_reader_follows_and_survives_a_fresh_store(path: Path) -> None:
    with EventStore(path) as store:
        store.append([make(1)])
    reader = EventReader(path)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            with EventStore(path) as store:
                store.append([make(2, "db"), make(3)])
        else:
            path.rename(path.with_suffix(".old"))
            with EventStore(path) as store:
                store.append([make(4)])

    found = reader.follow(0, Query(vm="web"), pause=pause)
    assert [next(found).event for _ in range(3)] == [make(1), make(3), make(4)]
    reader.close()


def test_the_oldest_events_go_first(path: Path) -> None:
    with EventStore(path, limits=Limits(events=10)) as store:
        for number in range(25):
            store.append([make(number)])
    with EventReader(path) as reader:
        assert [stored.event for stored in reader.query(Query())] == [make(number) for number in range(15, 25)]
        assert reader.last() == 25


def test_the_disk_used_is_bounded(path: Path) -> None:
    limit = 1 << 20
    with EventStore(path, limits=Limits(bytes=limit)) as store:
        for number in range(300):
            store.append([make(number, packet="A" * 20_000)])
    size = sum(file.stat().st_size for file in path.parent.iterdir())
    assert size < 2 * limit
    with EventReader(path) as reader:
        assert reader.query(Query())[-1].event.time == make(299).time


def test_no_room_at_all_is_a_fault_and_changes_nothing(path: Path) -> None:
    with EventStore(path, limits=Limits(bytes=300_000)) as store:
        store.append([make(1)], tail="eve", position=TailPosition(1, 2, 3))
        with pytest.raises(SystemFault, match="full"):
            store.append([make(2, packet="A" * 900_000)], tail="eve", position=TailPosition(1, 2, 9))
        assert store.position("eve", TailPosition) == TailPosition(1, 2, 3)
        assert store.append([make(3)]) == 1


def test_a_file_that_is_no_store_is_moved_aside(path: Path) -> None:
    content = b"this is no database at all, but long enough to be taken for one" * 10
    path.parent.mkdir()
    path.write_bytes(content)
    with EventStore(path, svm="svm1") as store:
        assert store.append([make(1)]) == 1
    (aside,) = path.parent.glob("*.broken-*")
    assert aside.read_bytes() == content
    with EventReader(path) as reader:
        lost, kept = (stored.event for stored in reader.query(Query()))
    assert (lost.kind, lost.svm, kept) == (Kind.EVENTS_LOST, "svm1", make(1))


def test_a_store_that_breaks_while_it_is_used_is_moved_aside(path: Path) -> None:
    with EventStore(path) as store:
        store.append([make(number, packet="A" * 3000) for number in range(200)])
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with EventStore(path) as store:
        assert store.append([make(500)]) == 1
    assert len(list(path.parent.glob("*.broken-*"))) == 1


def test_a_store_of_a_later_version_is_left_alone(path: Path) -> None:
    with EventStore(path):
        pass
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(SystemFault, match="version 99"):
        EventStore(path)
    assert path.read_bytes() == before


def test_no_store(path: Path) -> None:
    with pytest.raises(SystemFault, match="no events can be read"):
        EventReader(path)
    path.parent.mkdir()
    path.mkdir()
    with pytest.raises(SystemFault):
        EventStore(path)
    shutil.rmtree(path)
