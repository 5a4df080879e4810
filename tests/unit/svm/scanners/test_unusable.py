"""Which address databases cannot be used: told once, and once when they can again."""

from hyperward.events.model import Kind
from hyperward.svm.scanners.unusable import UnusableMemory, UnusableWatch
from hyperward.webscan.scanner.status import ScannerStatus

GOOD = ScannerStatus(1, 2, 3, {"a": "v1", "b": "v2"})
BAD = ScannerStatus(1, 2, 3, {"b": "v2"}, "a: damaged", {"a": "a: damaged"})
KEPT = ScannerStatus(1, 2, 3, {"a": "v1", "b": "v2"}, "a: damaged", {"a": "a: damaged"})


def told(watch: UnusableWatch, *reports: ScannerStatus) -> list[tuple[Kind, str]]:
    return [(notice.kind, notice.text) for notice in watch.look(reports)]


def test_all_is_well() -> None:
    assert told(UnusableWatch(["a", "b"]), GOOD, GOOD) == []


def test_it_is_told_once_whatever_scanners_there_are_and_once_when_mended() -> None:
    watch = UnusableWatch(["a", "b"])
    [(kind, text)] = told(watch, BAD, KEPT)
    assert (kind, text) == (Kind.ADDRESSES_UNUSABLE, "an address database cannot be used: a: damaged")
    assert told(watch, BAD, KEPT) == []
    assert told(watch, GOOD, KEPT) == []
    [(kind, text)] = told(watch, GOOD, GOOD)
    assert (kind, text) == (Kind.ADDRESSES_USABLE, "the address database a is in use, version v1")
    assert told(watch, GOOD) == []


def test_without_scanners_nothing_is_mended() -> None:
    watch = UnusableWatch(["a"])
    told(watch, BAD)
    assert told(watch) == []
    assert told(watch, ScannerStatus(1, 2)) == []


def test_another_reason_is_told() -> None:
    watch = UnusableWatch(["a"])
    told(watch, BAD)
    gone = ScannerStatus(1, 2, 3, {}, "a: gone", {"a": "a: gone"})
    assert [kind for kind, _ in told(watch, gone)] == [Kind.ADDRESSES_UNUSABLE]


def test_the_next_daemon_tells_nothing_twice_and_forgets_what_is_not_configured() -> None:
    watch = UnusableWatch(["a"])
    told(watch, BAD)
    after = UnusableWatch(["a"], watch.memory)
    assert told(after, BAD) == []
    assert [kind for kind, _ in told(after, GOOD)] == [Kind.ADDRESSES_USABLE]
    assert UnusableWatch(["b"], watch.memory).memory == UnusableMemory()
