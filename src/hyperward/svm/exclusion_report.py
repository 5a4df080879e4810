"""What the daemon tells about exclusions: every row of every policy with what met it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from hyperward.policy.models import Policy
from hyperward.svm.exclusion_sets import ExclusionSets


def exclusion_report(policies: Iterable[Policy], sets: ExclusionSets, *, now: datetime) -> list[dict[str, Any]]:
    """Return one entry for each row: its policy, its number there from 1, what it says, packets, bytes.

    Rows that say the same in two policies are counted together.

    Args:
        policies: those in force.
        sets: where hits are counted.
        now: a row that expired by then is marked; with a time zone.
    """
    return [
        {
            "policy": policy.name,
            "row": number,
            **row.model_dump(mode="json", exclude_defaults=True),
            "expired": row.expires is not None and row.expires <= now,
            "packets": hits.packets,
            "bytes": hits.octets,
        }
        for policy in policies
        for number, (row, hits) in enumerate(sets.hits(policy.exclusions), 1)
    ]
