import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyperward.errors import SystemFault
from hyperward.events.collect import EveCollector
from hyperward.events.detect import PortView
from hyperward.events.model import Event, Kind, VmRef
from hyperward.events.notices import event_of_notice
from hyperward.events.reader import EventReader, Query
from hyperward.events.store import EventStore
from hyperward.ips.engine.notices import EngineNotice, NoticeKind
from hyperward.ips.engine.rotate import put_aside
from hyperward.ips.engine.settings import EngineSettings


class Ports:
    def by_vid(self, vid: int) -> PortView | None:
        return PortView(port=vid, vm=VmRef(name=f"vm{vid}"))


def alert(number: int) -> str:
    record = {
        "timestamp": "2026-11-22T12:29:10.423124+0000",
        "event_type": "alert",
        "vlan": [5],
        "alert": {"signature_id": number},
    }
    return json.dumps(record) + "\n"


def collect_forever(collector: EveCollector, complete: Callable[[Event], Event]) -> None:
    while True:
        collector.collect(complete)


def sids(path: Path) -> list[int]:
    with EventReader(path) as reader:
        return [stored.event.rule.sid for stored in reader.query(Query(kind=Kind.DETECTION)) if stored.event.rule]


def test_every_line_is_stored_once_whenever_the_daemon_is_killed(tmp_path: Path) -> None:
    settings, db = EngineSettings(log_dir=tmp_path), tmp_path / "events.db"
    for start in range(0, 30, 10):
        with settings.eve_path.open("a") as file:
            file.writelines(alert(number) for number in range(start, start + 10))
        with EventStore(db) as store:
            collector = EveCollector(settings, store, Ports(), svm="s")

            def killed(event: Event) -> Event:
                raise KeyboardInterrupt(event.id)

            with pytest.raises(KeyboardInterrupt):
                collect_forever(collector, killed)
            assert len(collector.collect().events) == 10
            put_aside(settings.eve_path)
            assert collector.collect().caught_up
    assert sids(db) == list(range(30))


def test_a_full_disk_delays_events_and_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, db = EngineSettings(log_dir=tmp_path), tmp_path / "events.db"
    settings.eve_path.write_text(alert(1))
    with EventStore(db) as store:
        collector = EveCollector(settings, store, Ports(), svm="s")

        def full(*_: object, **__: object) -> int:
            raise SystemFault("disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(store, "append", full)
            with pytest.raises(SystemFault):
                collector.collect()
        collector.collect()
    assert sids(db) == [1]


def test_unreadable_lines_are_counted_and_reported_with_their_place(tmp_path: Path) -> None:
    settings, db = EngineSettings(log_dir=tmp_path), tmp_path / "events.db"
    settings.eve_path.write_text(
        alert(1) + "rubbish\n" + '{"timestamp":"x","event_type":"alert","alert":{"signature_id":1}}\n'
    )
    with EventStore(db) as store:
        collected = EveCollector(settings, store, Ports(), svm="s").collect()
    assert collected.unreadable == 2
    assert collected.events[-1].kind is Kind.EVENTS_LOST
    assert f"line at {len(alert(1))}" in collected.events[-1].message


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_notice_is_an_event(kind: NoticeKind) -> None:
    event = event_of_notice(EngineNotice(kind, "text"), time=datetime.now(UTC), svm="s")
    assert (event.message, event.svm) == ("text", "s")
