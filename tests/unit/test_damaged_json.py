"""JSON damaged in the ways that msgspec tells by errors of three kinds: every reader refuses each of them alike."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyperward.databases import ledger
from hyperward.databases.changes.model import decode_report
from hyperward.databases.feeds.misp import event_indicators, feed_events
from hyperward.databases.feeds.stix import bundle_indicators
from hyperward.databases.history import read_history
from hyperward.databases.manifest import parse_manifest
from hyperward.errors import EngineFault, InputError
from hyperward.events.web import decode_record
from hyperward.fromjson import from_json
from hyperward.ips.engine import journal, protocol
from hyperward.svm.databases.memory import Memory, load_memory
from hyperward.svm.scanners.report import read_report
from hyperward.svm.state import State
from hyperward.webscan.database.names import decode_names
from hyperward.webscan.scanner.follow import read_settings

DAMAGED = {
    "no JSON": b"\0" * 50,
    "cut off": b'{"format":1',
    "not UTF-8": b'{"\xff\xfe":1}',
    "nested too deeply": b'{"x":' + b"[" * 100_000,
    "another shape": b'"text"',
}
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
REFUSING: dict[str, tuple[type[Exception], Callable[[bytes], object]]] = {
    "from_json": (ValueError, lambda raw: from_json(raw, dict[str, int])),
    "MISP event": (InputError, lambda raw: list(event_indicators(raw, where="x"))),
    "MISP feed": (InputError, lambda raw: feed_events(raw, where="x")),
    "STIX": (InputError, lambda raw: list(bundle_indicators(raw, where="x", now=_NOW))),
    "manifest": (InputError, parse_manifest),
    "ledger": (ValueError, ledger.load),
    "names of a database": (ValueError, decode_names),
    "record of a scanner": (ValueError, decode_record),
    "change report": (ValueError, decode_report),
    "answer of the engine": (EngineFault, lambda raw: protocol.decode(raw, command="version")),
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("reader", REFUSING)
def test_what_comes_from_outside_is_refused(reader: str, damage: str) -> None:
    error, read = REFUSING[reader]
    with pytest.raises(error):
        read(DAMAGED[damage])


@pytest.mark.parametrize("damage", DAMAGED)
def test_files_of_our_own_that_a_full_or_failing_disk_left(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(DAMAGED[damage] + b"\n")
    assert read_report(path) is None
    assert read_history(path, 5) == []
    assert load_memory(path) == Memory()
    assert journal.load(path, pid=1, started=1) is None
    with pytest.raises(InputError):
        read_settings(path)
    assert State(path).tenants == {}
    assert path.with_suffix(".damaged").exists()


def test_the_refusal_shows_nothing_that_a_terminal_obeys() -> None:
    with pytest.raises(InputError) as told:
        parse_manifest(b'{"format":1,"version":1,"time":"","\\u001b[2J\xc2\x9b":1}')
    assert str(told.value).isprintable()
    assert r"\x1b[2J\x9b" in str(told.value)
