from dataclasses import replace

import pytest

from hyperward.events.model import VmRef
from hyperward.events.web import WebPort
from hyperward.exclusions.rows import ExclusionAction, ExclusionRow
from hyperward.inventory.models import NicIdentity
from hyperward.policy.fields import Mode
from hyperward.policy.models import Failure
from hyperward.svm.desired import DesiredPort
from hyperward.svm.lanes import Lane, Ledger, PortKey
from hyperward.svm.views import OBSERVED, LedgerViews

KEY = PortKey("static", "vm1", "tap1")
PORT = DesiredPort("tap1", "vm1", NicIdentity("static", "vm1", None), None, None, Mode.STANDARD, Failure())
ROW = ExclusionRow(action=ExclusionAction.DO_NOT_BLOCK, reason="r")


@pytest.mark.parametrize(
    ("port", "reason"),
    [
        (None, "monitoring mode"),
        (PORT, "monitoring mode"),
        (replace(PORT, exclusions=(ROW,)), OBSERVED),
        (replace(PORT, exclusions=(ROW,), mode=Mode.MONITORING), "monitoring mode"),
    ],
)
def test_a_port_is_known_by_its_id_and_why_copies_are_made_of_its_packets(
    port: DesiredPort | None, reason: str
) -> None:
    ledger = Ledger()
    lane = ledger.take(KEY, Lane.ENFORCE, vm_name="vm1", now=0.0)
    views = LedgerViews(ledger, {}, {}, {lane.port_id: port} if port else {})
    assert views.by_port(lane.port_id) == WebPort(VmRef(name="vm1", id="static/vm1"), reason)
    ledger.release(KEY, now=1.0)
    assert views.by_port(lane.port_id) is not None
    assert views.by_port(lane.port_id + 1) is None
