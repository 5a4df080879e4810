"""What the engine raises behind a protected port, and what it raises alone on the same captures."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from alone import events_alone
from hyperward.ips.engine.tenants import Tenant
from protected import FAILED, protected_port
from replay import addresses, is_tagged_twice, last_time, read_capture

Alerts = frozenset[tuple[int, int]]
"""Generator and signature numbers."""
TENANT: Final = 1


@dataclass(frozen=True, slots=True)
class Passed:
    """What came of captures that were played through a port.

    Args:
        alerts: by capture.
        lost: by capture, how many packets did not come out; captures that lost none are not in it.
        rewritten: how many segments came out with other data.
        unplayable: how many packets no wire can carry.
        failures: packets that passed without inspection, by counter, beyond those with two tags of the guest's own.
    """

    alerts: dict[Path, Alerts]
    lost: dict[Path, int]
    rewritten: int
    unplayable: int
    failures: dict[str, int]


def in_order_of_time(captures: Iterable[Path]) -> list[Path]:
    """Return the captures in an order in which time never goes back.

    The engine's flow manager looks at the clock of the capture before, when a capture begins: were that later, it would
    now and then end connections of the capture that has just begun.
    """
    return sorted(captures, key=lambda path: (last_time(path), path.name))


def run_alone(rules: Path, captures: Sequence[Path]) -> dict[Path, Alerts]:
    """Let the engine read the captures without us, one after the other."""
    with TemporaryDirectory(prefix="hw-") as folder:
        events = events_alone(tenant(rules), captures, Path(folder))
    return {capture: _alerts(events[capture]) for capture in captures}


def run_behind_port(rules: Path, captures: Sequence[Path]) -> Passed:
    """Play the captures through one protected port, each under a VLAN id of its own with the same rules."""
    vids = {capture: vid for vid, capture in enumerate(captures, 1)}
    events: list[dict[str, Any]] = []
    played = {}
    tagged_twice = 0
    with protected_port({TENANT: tenant(rules)}, dict.fromkeys(vids.values(), TENANT), events) as port:
        for capture, vid in vids.items():
            frames = read_capture(capture)
            tagged_twice += sum(map(is_tagged_twice, frames))
            played[capture] = port.play(frames, vid)
        counted = port.counters()
    failures = {name: counted.from_vm[name] + counted.to_vm[name] for name in FAILED}
    failures["open_busy"] -= tagged_twice
    by_vid: dict[int, list[dict[str, Any]]] = {vid: [] for vid in vids.values()}
    for event in events:
        by_vid[event["vlan"][0]].append(event)
    return Passed(
        alerts={capture: _alerts(by_vid[vid]) for capture, vid in vids.items()},
        lost={capture: len(found.lost) for capture, found in played.items() if found.lost},
        rewritten=sum(len(found.rewritten) for found in played.values()),
        unplayable=sum(len(found.unplayable) for found in played.values()),
        failures={name: count for name, count in failures.items() if count},
    )


def strangers(captures: Mapping[Path, Collection[object]]) -> list[list[Path]]:
    """Sort captures into groups in which no two share both an address and one of the rules in question.

    The engine counts the thresholds of a rule by address, for all VLAN ids together, and never forgets: what one
    capture has raised may silence the next with the same address.

    Args:
        captures: the rules in question for each.
    """
    groups: list[list[Path]] = []
    seen = {capture: addresses(read_capture(capture)) for capture in captures}

    def meet(one: Path, other: Path) -> bool:
        return bool(seen[one] & seen[other] and set(captures[one]) & set(captures[other]))

    for capture in captures:
        fitting = (group for group in groups if not any(meet(capture, other) for other in group))
        group = next(fitting, None)
        if group is None:
            groups.append([capture])
        else:
            group.append(capture)
    return groups


def tenant(rules: Path) -> Tenant:
    """Return a tenant with every address at home: more rules fire than with the networks of one site."""
    return Tenant(TENANT, rules, "1", home_net=(), external_net=())


def _alerts(events: Iterable[dict[str, Any]]) -> Alerts:
    found = (event["alert"] for event in events if event["event_type"] == "alert")
    return frozenset((alert["gid"], alert["signature_id"]) for alert in found)
