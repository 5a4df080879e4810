import os
from pathlib import Path

import msgspec
import pytest

from hyperward.errors import SystemFault
from hyperward.ips.engine.rotate import numbered
from hyperward.ips.engine.tail import EveTail
from hyperward.webscan.protocols.model import WebProtocol
from hyperward.webscan.scanner.recordfile import RecordFile
from hyperward.webscan.scanner.records import WebRecord
from hyperward.webscan.settings import WebAction


def record(number: int) -> WebRecord:
    return WebRecord(
        time=1.0,
        event=str(number),
        port=7,
        source="10.0.0.1",
        source_port=1,
        destination="10.0.0.9",
        destination_port=80,
        transport="TCP",
        protocol=WebProtocol.HTTP,
        address="evil.test/",
        asked=WebAction.BLOCK,
        done="blocked",
    )


def drained(tail: EveTail) -> list[str]:
    events: list[str] = []
    for _ in range(1000):
        batch = tail.read()
        assert batch.troubles == []
        events += [msgspec.json.decode(line.data, type=WebRecord).event for line in batch.lines]
        if batch.caught_up:
            return events
    raise AssertionError("the reader never catches up")


def test_the_reader_gets_each_record_once_through_rotation(tmp_path: Path) -> None:
    path = tmp_path / "records-0.json"
    tail = EveTail(path)
    file = RecordFile(path, rotate_bytes=2_000)
    events: list[str] = []
    for number in range(500):
        assert file.write(record(number))
        if number % 7 == 0:
            events += drained(tail)
            tail.forget_read_files(keep=1)
    file.close()
    events += drained(tail)
    assert events == [str(number) for number in range(500)]
    assert len(numbered(path)) <= 7


def test_without_a_reader_only_so_much_is_kept_and_the_rest_counted(tmp_path: Path) -> None:
    path = tmp_path / "records-0.json"
    file = RecordFile(path, rotate_bytes=2_000, max_aside=3)
    written = sum(file.write(record(number)) for number in range(500))
    assert file.lost == 500 - written
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= 4 * 2_000
    assert drained(EveTail(path)) == [str(number) for number in range(written)]
    file.close()


def test_a_line_that_a_predecessor_began_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "records-0.json"
    path.write_bytes(b'{"half')
    file = RecordFile(path)
    file.write(record(1))
    file.close()
    lines = path.read_bytes().splitlines()
    assert lines[0] == b'{"half'
    assert msgspec.json.decode(lines[1], type=WebRecord).event == "1"


def test_a_full_disk_loses_the_record_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records-0.json"
    file = RecordFile(path)
    assert file.write(record(1))
    whole = os.write

    def full(fd: int, data: bytes) -> int:
        return whole(fd, data[:10])

    def refused(_fd: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    for broken in (full, refused):
        monkeypatch.setattr(os, "write", broken)
        assert not file.write(record(2))
    monkeypatch.setattr(os, "write", whole)
    assert file.write(record(3))
    file.close()
    assert file.lost == 2
    assert drained(EveTail(path)) == ["1", "3"]


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemFault, match="cannot be written"):
        RecordFile(tmp_path / "missing" / "records.json")
