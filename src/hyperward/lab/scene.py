"""Attacks and harmless traffic at the same time, in a lab that is up: what was sent, how it ended, what arrived."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from hyperward.lab.evidence import Row, Tried
from hyperward.lab.outcome import Outcome
from hyperward.lab.records import Record
from hyperward.lab.running import received, run_attack, run_check
from hyperward.lab.scenario import Attack, Check, CheckKind
from hyperward.lab.topology import Lab

ATTACK_SECONDS = 20.0
"""An attack of the QEMU VM waits for its console while a download runs there."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Checked:
    """A harmless check that was carried out, and how many seconds it took."""

    check: Check
    outcome: Outcome
    began: datetime
    seconds: float

    def row(self) -> Row:
        """Return it for people: it must have gone through."""
        check, outcome = self.check, self.outcome
        if check.kind is CheckKind.DOWNLOAD:
            what, expected = f"download of {check.size // 1024**2} MiB", "completes, the checksum is right"
            right = f"checksum right, {check.size / 1024**2 / self.seconds:.0f} MiB/s"
            happened = right if outcome.completed else _text(outcome)
        else:
            what, expected, happened = check.kind.value, "answered", _text(outcome)
        where = f"{check.client} to {check.server}, IPv{check.family}"
        return Row(f"{what}, {where}", expected, happened, outcome.completed)


def play(
    lab: Lab, attacks: Sequence[Attack], checks: Sequence[Check], progress: Callable[[str], None]
) -> tuple[list[Tried], list[Checked]]:
    """Carry out attacks and checks together; return both in the order given.

    Downloads run beside everything else. Attacks on equal connections follow one another; others overlap.

    Raises:
        SystemFault: a client could not be run at all.
    """
    servers = sorted({attack.server for attack in attacks})
    before = {server: lab.records(server) for server in servers}
    downloads = [check for check in checks if check.kind is CheckKind.DOWNLOAD]
    others = [check for check in checks if check.kind is not CheckKind.DOWNLOAD]
    ways = list(dict.fromkeys((attack.client, attack.server) for attack in attacks))
    by_way = [[one for one in attacks if (one.client, one.server) == way] for way in ways]

    def check_in_turn(some: Iterable[Check]) -> list[Checked]:
        return [_check(lab, check, progress) for check in some]

    def attack_in_turn(some: Iterable[Attack]) -> list[Tried]:
        return [_attack(lab, attack, progress) for attack in some]

    jobs: list[Callable[[], list[Checked] | list[Tried]]] = []
    jobs += [_job(check_in_turn, [check]) for check in downloads]
    jobs += [_job(check_in_turn, others), *(_job(attack_in_turn, some) for some in by_way)]
    done = [result for results in _together(jobs) for result in results]
    after = {server: records_since(before[server], lab.records(server)) for server in servers}
    tried = {one.attack.name: _with_arrival(one, after) for one in done if isinstance(one, Tried)}
    checked = {one.check.name: one for one in done if isinstance(one, Checked)}
    return [tried[attack.name] for attack in attacks], [checked[check.name] for check in checks]


def records_since(before: Iterable[Record], after: Iterable[Record]) -> list[Record]:
    """Return the records that came after `before` was read; the QEMU VM's are in order only within each service."""
    known = Counter(record.service for record in before)
    fresh = []
    for record in after:
        if known[record.service] > 0:
            known[record.service] -= 1
        else:
            fresh.append(record)
    return fresh


def _attack(lab: Lab, attack: Attack, progress: Callable[[str], None]) -> Tried:
    progress(f"{attack.kind.title}: {attack.client} to {attack.server}, IPv{attack.family}")
    address = lab.plan.node(attack.client).address(attack.family)
    began = datetime.now(UTC)
    outcome = run_attack(lab, attack, timeout=ATTACK_SECONDS)
    return Tried(attack, address, began, outcome, arrived=False)


def _check(lab: Lab, check: Check, progress: Callable[[str], None]) -> Checked:
    progress(f"{check.kind}: {check.client} to {check.server}, IPv{check.family}")
    began, start = datetime.now(UTC), time.monotonic()
    outcome = run_check(lab, check, timeout=ATTACK_SECONDS)
    return Checked(check, outcome, began, time.monotonic() - start)


def _with_arrival(tried: Tried, records: dict[str, list[Record]]) -> Tried:
    # The QEMU VM's SSH server knows no peers; only the host outside attacks it.
    peers = {"", tried.client_address}
    seen = [record for record in records[tried.attack.server] if record.peer in peers]
    return replace(tried, arrived=received(seen, tried.attack))


def _job(
    function: Callable[[list[T]], list[Checked] | list[Tried]], what: list[T]
) -> Callable[[], list[Checked] | list[Tried]]:
    return lambda: function(what)


def _together(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Run jobs at once. When one fails, or the user interrupts, the rest ends with the lab: nobody waits for it."""
    pool = ThreadPoolExecutor(len(jobs))
    try:
        return [future.result() for future in [pool.submit(job) for job in jobs]]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _text(outcome: Outcome) -> str:
    return f"{outcome.result} ({outcome.detail})" if outcome.detail else outcome.result.value
