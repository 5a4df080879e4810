from datetime import UTC, datetime

from hyperward.exclusions.rows import Direction, ExclusionAction, ExclusionRow
from hyperward.exclusions.scope import ScopedRows, needs_observing, next_expiry

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def row(address: str, **fields: object) -> ExclusionRow:
    given = {"address": address, "action": ExclusionAction.DO_NOT_SCAN, "reason": "x", **fields}
    return ExclusionRow.model_validate(given)


def test_rows_hold_for_the_vms_and_groups_that_they_name() -> None:
    every = [row("10.0.0.1"), row("10.0.0.2", vms=("web-*", "db")), row("10.0.0.3", groups=("dmz",), vms=("x",))]
    scoped = ScopedRows(every, now=NOW)
    assert scoped.of("db") == (every[0], every[1])
    assert scoped.of("web-1", ["dmz"]) == tuple(every)
    assert scoped.of("mail", ["dmz", "other"]) == (every[0], every[2])
    assert scoped.of("mail") is scoped.of("ftp")


def test_expired_rows_do_not_hold() -> None:
    every = [row("10.0.0.1", expires="2026-05-31"), row("10.0.0.2", expires="2026-06-01")]
    assert ScopedRows(every, now=NOW).of("vm") == (every[1],)
    assert next_expiry(every, now=NOW) == datetime(2026, 6, 2, tzinfo=UTC)
    assert next_expiry(every[:1], now=NOW) is None


def test_excluded_directions_stand_below_all_rows() -> None:
    mine = row("10.0.0.1", action=ExclusionAction.DEFAULT)
    [first, last] = ScopedRows([mine], [Direction.INBOUND], now=NOW).of("vm")
    assert (first, last.direction, last.address) == (mine, Direction.INBOUND, "any")
    assert last.action is ExclusionAction.DO_NOT_SCAN
    [both] = ScopedRows([], [Direction.INBOUND, Direction.OUTBOUND], now=NOW).of("vm")
    assert both.direction is Direction.ANY
    assert not needs_observing([mine, last])
    assert needs_observing([row("any", action=ExclusionAction.DO_NOT_BLOCK)])
