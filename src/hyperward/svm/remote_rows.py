"""What the exclusion rows of a VM's policy say of a remote address, for `hyperward policy explain --remote`."""

from datetime import UTC, datetime

from hyperward.exclusions.match import Meets, Traffic, first_match, meets_row
from hyperward.exclusions.scope import ScopedRows
from hyperward.policy.assignment import Address, AssignableVm
from hyperward.policy.explain import RowDecision
from hyperward.policy.models import Policy


def row_decision(policy: Policy, vm: AssignableVm, remote: Address, *, now: datetime | None = None) -> RowDecision:
    """Return the row that decides about untagged traffic with an address, whatever its direction and ports.

    Where the answer depends on direction, protocol or port, the strictest that is possible is returned and the reason
    names the rows that may decide otherwise.

    Args:
        policy: with its effective settings.
        vm: whose traffic.
        remote: the other end's address.
        now: rows that expired by then do not count; the present by default.
    """
    moment = now or datetime.now(UTC)
    rows = ScopedRows(policy.exclusions, policy.excluded_directions, now=moment).of(vm.name, vm.groups)
    traffic = Traffic(version=remote.version, remote=int(remote))
    action, row = first_match(rows, traffic)
    possible = [number for number, found in enumerate(rows, 1) if meets_row(found, traffic) is Meets.MAYBE]
    depends = f"rows {', '.join(map(str, possible))} may decide by direction, protocol or port" if possible else ""
    if row is None:
        return RowDecision(action.value, "", depends or "no row holds for it")
    name = f"row {rows.index(row) + 1} ({row.address})"
    return RowDecision(action.value, name, f"{row.reason}; {depends}" if depends else row.reason)
