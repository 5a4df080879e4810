"""What the daemon says of failures, as events of the VM concerned."""

from pathlib import Path

import pytest

from hyperward.events.model import Feature, Kind, Severity
from hyperward.events.reader import EventReader
from hyperward.events.store import EventStore
from hyperward.steering.layout import Counters
from hyperward.svm.eventlog import EventLog
from hyperward.svm.failures import QUIET_OF_VM_SECONDS, FailureWatch
from hyperward.svm.telling import Teller


@pytest.mark.parametrize(
    ("counter", "kind", "severity", "feature"),
    [
        ("web_limited", Kind.REQUESTS_LIMITED, Severity.WARNING, Feature.WEB_ADDRESSES),
        ("web_copy_lost", Kind.COPIES_LOST, Severity.WARNING, Feature.WEB_ADDRESSES),
        ("web_open_down", Kind.FAILURE_ACTION, Severity.FUNCTIONAL_FAILURE, Feature.STEERING),
    ],
)
def test_begin_and_end_name_the_vm(
    tmp_path: Path, counter: str, kind: Kind, severity: Severity, feature: Feature
) -> None:
    zero = Counters.zero()
    counted = Counters(zero.from_vm | {counter: 4}, zero.to_vm)
    watch = FailureWatch()
    with EventStore(tmp_path / "events.db", svm="s") as store:
        tell = Teller(EventLog(store, "s"), {7: "vm-7"}.__getitem__)
        for now in (0.0, 1.0, 1.0 + QUIET_OF_VM_SECONDS):
            for failure in watch.look({7: counted}, now):
                tell.failure(failure)
    with EventReader(tmp_path / "events.db") as reader:
        begun, ended = (stored.event for stored in reader.newer(0))
    assert (begun.kind, begun.severity, begun.feature) == (kind, severity, feature)
    assert (ended.kind, ended.severity) == (kind, Severity.INFORMATIONAL)
    assert [(event.vm.name if event.vm else "", event.port) for event in (begun, ended)] == [("vm-7", 7)] * 2
