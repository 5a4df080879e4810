"""Notice from the counters when a port's failure action is in force, and what passed or was dropped meanwhile. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from hyperward.steering.layout import Counters

WHY = ("down", "busy")
QUIET_SECONDS = 2.0
"""Without another packet under the failure action for so long it counts as over."""
ENGINE = "engine"
SCANNER = "web scanner"
_PREFIXES = {ENGINE: "", SCANNER: "web_"}
"""What the names of a component's counters begin with."""
_COUNTERS = tuple(f"{p}{action}_{why}" for p in _PREFIXES.values() for action in ("open", "closed") for why in WHY)


@dataclass(frozen=True, slots=True)
class Failure:
    """A time in which the failure action of a port was in force.

    Args:
        port_id: the port.
        component: which part cannot inspect, as people call it.
        why: `down` or `busy`.
        began: time of the first sight.
        passed: packets that went on without inspection since then.
        dropped: packets dropped since then.
        last: time of the last sight.
        over: whether it has ended.
    """

    port_id: int
    why: str
    began: float
    passed: int
    dropped: int
    last: float
    over: bool = False
    component: str = ENGINE


class FailureMemory(msgspec.Struct, frozen=True):
    """What a watch knows, stored so that the next daemon tells of the time between and of nothing twice.

    Args:
        seen: the counters at the last look, by port id.
        open: failures that were begun and not ended.
    """

    seen: dict[int, dict[str, int]] = {}
    open: tuple[Failure, ...] = ()


class FailureWatch:
    """Compares counters from look to look.

    Args:
        memory: of the daemon before; None where there was none.
    """

    def __init__(self, memory: FailureMemory | None = None) -> None:
        known = memory or FailureMemory()
        self._seen = dict(known.seen)
        self._open = {(failure.port_id, failure.component, failure.why): failure for failure in known.open}

    @property
    def memory(self) -> FailureMemory:
        """What is to be stored."""
        return FailureMemory({port: dict(seen) for port, seen in self._seen.items()}, self.active())

    def look(self, counters: Mapping[int, Counters], now: float) -> list[Failure]:
        """Return failures that began or ended since the last look.

        Args:
            counters: by port id, as the kernel has them now.
            now: seconds of a monotonic clock.
        """
        news: list[Failure] = []
        for port_id, value in counters.items():
            totals = {name: value.from_vm[name] + value.to_vm[name] for name in _COUNTERS}
            # A daemon from before a counter existed has not stored it.
            before = dict.fromkeys(_COUNTERS, 0) | self._seen.get(port_id, {})
            self._seen[port_id] = totals
            # A port registered anew counts from zero again.
            grown = {
                name: totals[name] - before[name] if totals[name] >= before[name] else totals[name] for name in totals
            }
            for component, prefix in _PREFIXES.items():
                for why in WHY:
                    key = (port_id, component, why)
                    news += self._update(key, grown[f"{prefix}open_{why}"], grown[f"{prefix}closed_{why}"], now)
        for port_id in self._seen.keys() - counters.keys():
            del self._seen[port_id]
        return news + self._ended(counters, now)

    def active(self) -> tuple[Failure, ...]:
        """Return the failures that have not ended."""
        return tuple(self._open.values())

    def _update(self, key: tuple[int, str, str], passed: int, dropped: int, now: float) -> list[Failure]:
        if not passed and not dropped:
            return []
        known = self._open.get(key)
        if known is None:
            port_id, component, why = key
            failure = Failure(port_id, why, now, passed, dropped, now, component=component)
            self._open[key] = failure
            return [failure]
        self._open[key] = replace(known, passed=known.passed + passed, dropped=known.dropped + dropped, last=now)
        return []

    def _ended(self, counters: Mapping[int, Counters], now: float) -> list[Failure]:
        # A last sight in the future is one of before a reboot.
        ended = [
            key for key, f in self._open.items() if not 0 <= now - f.last < QUIET_SECONDS or f.port_id not in counters
        ]
        return [replace(self._open.pop(key), over=True) for key in ended]
