"""Notice from counters when a port is not inspected as it should be, and what passed or was dropped meanwhile. Pure.

That is the failure action of its policy; requests that are dropped since the VM asks for more than its share of busy
scanners; and copies that no scanner took.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from hyperward.steering.layout import Counters

ENGINE = "engine"
SCANNER = "web scanner"
LIMITED = "limited"
COPIES_LOST = "copies lost"
QUIET_SECONDS = 2.0
"""Without another packet under the failure action for so long it counts as over."""
QUIET_OF_VM_SECONDS = 60.0
"""The same of what a VM can bring about by itself as often as it likes: a flood that pauses is one flood."""


class Sign(NamedTuple):
    """The counters that tell of one kind of trouble; empty where there is none.

    Args:
        passed: of packets that went on without inspection.
        dropped: of packets that were dropped.
        quiet: seconds without another packet after which it counts as over.
    """

    passed: str
    dropped: str
    quiet: float = QUIET_SECONDS


_SIGNS = {
    **{
        (component, why): Sign(f"{prefix}open_{why}", f"{prefix}closed_{why}")
        for component, prefix in ((ENGINE, ""), (SCANNER, "web_"))
        for why in ("down", "busy")
    },
    (SCANNER, LIMITED): Sign("", "web_limited", QUIET_OF_VM_SECONDS),
    (SCANNER, COPIES_LOST): Sign("web_copy_lost", "", QUIET_OF_VM_SECONDS),
}
_COUNTERS = tuple(name for sign in _SIGNS.values() for name in (sign.passed, sign.dropped) if name)


@dataclass(frozen=True, slots=True)
class Failure:
    """A time in which a port was not inspected as it should be.

    Args:
        port_id: the port.
        component: which part cannot inspect, as people call it.
        why: `down` or `busy`, and the failure action of the policy is in force; or `LIMITED` or `COPIES_LOST`.
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
        self._open = {(f.port_id, f.component, f.why): f for f in known.open if (f.component, f.why) in _SIGNS}

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
            for (component, why), sign in _SIGNS.items():
                passed, dropped = grown.get(sign.passed, 0), grown.get(sign.dropped, 0)
                news += self._update((port_id, component, why), passed, dropped, now)
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
            key
            for key, f in self._open.items()
            if not 0 <= now - f.last < _SIGNS[f.component, f.why].quiet or f.port_id not in counters
        ]
        return [replace(self._open.pop(key), over=True) for key in ended]
