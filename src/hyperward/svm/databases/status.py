"""What is told about databases, for people and programs."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from hyperward.databases.own.model import OwnReport
from hyperward.svm.config import SvmConfig
from hyperward.svm.databases.memory import age
from hyperward.svm.databases.updates import Done, Updates, shown


def status_of(config: SvmConfig, updates: Updates, *, now: datetime) -> dict[str, Any]:
    """Return how databases are.

    Args:
        config: of the SVM.
        updates: of the SVM.
        now: the time, with a zone.
    """
    held, memory, ledger = updates.held, updates.memory, updates.store.ledger
    contents, force = held.contents, updates.force()
    rules_replaced, addresses_replaced = updates.replaced
    old = age(memory, contents.time, now)
    return {
        "version": contents.name,
        "built": contents.time,
        "age_seconds": int(old.total_seconds()),
        "too_old": bool(contents.number) and old > config.databases.max_age,
        "max_age_seconds": int(config.databases.max_age.total_seconds()),
        "problem": held.problem,
        "previous": ledger.previous,
        "on_disk": updates.store.numbers(),
        "rule_files": [str(path) for path in force.rules],
        "address_databases": [str(path) for path in force.addresses],
        "entries": sum(one.file.count for one in contents.entries),
        "rules_replaced": rules_replaced,
        "addresses_replaced": addresses_replaced,
        "source": shown(config.databases.source),
        "looked": _text(memory.looked),
        "looked_at": memory.source,
        "confirmed": _text(memory.confirmed),
        "failed": memory.failed,
        "skipped_up_to": memory.skip,
        "own": own_rows(held.reports),
    }


def own_rows(reports: Iterable[OwnReport]) -> list[dict[str, Any]]:
    """Return what became of the operator's files."""
    rows: list[dict[str, Any]] = msgspec.to_builtins(list(reports))
    return rows


def done_row(done: Done) -> dict[str, Any]:
    """Return what came of a change."""
    return {
        "result": done.result,
        "before": done.before,
        "after": done.after,
        "text": done.text,
        "test_seconds": round(done.test_seconds, 2),
        "activation_seconds": round(done.activation_seconds, 2),
        "report": msgspec.to_builtins(done.report) if done.report is not None else None,
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment is not None else None
