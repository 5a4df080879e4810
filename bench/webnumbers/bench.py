"""One run of all measurements: what is measured under which guard, and what its numbers are held against."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from hyperward.webscan.database import open_database
from hyperward.webscan.settings import WebScan
from webnumbers.figures import Bound, Row, Series, note_of, ratio, sure_of
from webnumbers.ground import Ground
from webnumbers.guard import Guard
from webnumbers.loads import LARGE, SMALL, THREADS, Load, bulk, fetch, wrk
from webnumbers.memory import resident_in, resident_of
from webnumbers.names import LISTED_HOST
from webnumbers.rounds import Found, Guarded, Kind, Rounds, Sample
from webnumbers.stock import Stock

OPEN, GUARDED, STOCK = "unprotected", "protected", "Suricata"
LIMIT_SMALL, LIMIT_LARGE, LIMIT_BULK = 0.90, 0.95, 0.95
LIMIT_STOCK = 10.0
LIMIT_MEDIAN_US, LIMIT_P99_US = 300.0, 2000.0
LIMIT_RESIDENT_MB = 64.0
_DELAY_MS = 5
_UNSCANNED = ("web_open_down", "web_open_busy", "web_limited", "web_refused")


@dataclass(frozen=True, slots=True)
class Options:
    """How long and how much.

    Args:
        rounds: of each measurement under each guard.
        patience: how often a round is tried that others disturb.
        seconds: of a round.
        connections: of the load.
    """

    rounds: int
    patience: int
    seconds: float
    connections: int


@dataclass
class Bench:
    """One run.

    Args:
        options: of it.
        ground: with the server running.
        guard: with scanners running.
        hosts: file of the hosts that are asked for.
        tell: says how far it is.

    Attributes:
        series: all rounds so far.
        faults: why numbers do not mean what they say.
    """

    options: Options
    ground: Ground
    guard: Guard
    hosts: Path
    tell: Callable[[str], None]
    series: list[Series] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _kinds: tuple[Kind, ...] = ()
    _plain: tuple[dict[str, Found], ...] = ()
    _is_protected: bool = False

    def throughput(self) -> list[Row]:
        """Measure rates and bulk with and without protection."""
        self._try("403 ", GUARDED, self._protected)
        self._kinds = (
            Kind((("1 KB answers", "req/s"),), partial(self._ask, self._load(SMALL))),
            Kind((("100 KB answers", "req/s"),), partial(self._ask, self._load(LARGE))),
            Kind((("bulk on one connection", "Gbit/s"),), self._bulk),
        )
        self._plain = tuple(self._both(kind) for kind in self._kinds)
        rows = []
        for found, limit in zip(self._plain, (LIMIT_SMALL, LIMIT_LARGE, LIMIT_BULK), strict=True):
            (with_it,), (without,) = found[GUARDED].series, found[OPEN].series
            name = f"{with_it.name}, part of unprotected"
            rows.append(_row(name, ratio(with_it, without), limit, with_it, without))
        for prefix, size in ((SMALL, "1 KB"), (LARGE, "100 KB")):
            load = replace(self._load(prefix), kept=False)
            kind = Kind(((f"{size}, a connection each", "req/s"),), partial(self._ask, load))
            found = self._both(kind)
            (with_it,), (without,) = found[GUARDED].series, found[OPEN].series
            name = f"{with_it.name}, part of unprotected"
            rows.append(_row(name, ratio(with_it, without), None, with_it, without))
        small = self._plain[0][GUARDED].samples
        each = sum(one.scanners for one in small) / max(sum(one.requests for one in small), 1) * 1e6
        note = "user and system, with what the kernel does on the way of their frames"
        rows.append(Row("scanners' CPU for a request of 1 KB", each, unit="us", note=note))
        return rows

    def latency(self) -> list[Row]:
        """Measure how much longer a request waits at half of what the scanners can carry; after `throughput`."""
        rate = self._plain[0][GUARDED].series[0].median / 2
        connections = max(THREADS, round(rate * _DELAY_MS / 1000))

        load = replace(self._load(SMALL), connections=connections, delay_ms=_DELAY_MS)
        names = (("half load", "req/s"), ("median at half load", "us"), ("99th percentile at half load", "us"))
        found = self._both(Kind(names, partial(self._ask, load)))
        rows = []
        for at, limit in ((1, LIMIT_MEDIAN_US), (2, LIMIT_P99_US)):
            with_it, without = found[GUARDED].series[at], found[OPEN].series[at]
            added = with_it.median - without.median
            name = f"added to the {with_it.name}"
            note = note_of(with_it, without, found[GUARDED].series[0])
            rows.append(Row(name, added, limit, Bound.UNDER, "us", note, sure_of(with_it, without)))
        return rows

    def against(self, stock: Stock) -> list[Row]:
        """Measure the same loads through stock Suricata; after `throughput`."""

        @contextmanager
        def through_stock() -> Iterator[None]:
            stock.on()
            try:
                yield
            finally:
                stock.off()

        self._try("000 ", STOCK, through_stock)
        rows = []
        for kind, plain, limit in zip(self._kinds, self._plain, (None, LIMIT_STOCK, None), strict=True):
            found = self._rounds().run(kind, {STOCK: through_stock})
            self.series += found[STOCK].series
            self.faults += [fault for sample in found[STOCK].samples for fault in sample.faults]
            (with_it,), (theirs,) = plain[GUARDED].series, found[STOCK].series
            name = f"{with_it.name}, times stock Suricata"
            rows.append(_row(name, ratio(with_it, theirs), limit, with_it, theirs))
        return rows

    def resident(self, database: Path, listed: Path) -> list[Row]:
        """Measure what a database takes in scanners that are asked for entries from all over it."""
        self.guard.follow([database], WebScan({}))
        with self._protected():
            self._ask(replace(self._load(SMALL), hosts=listed, seconds=self.options.seconds * 3))
        used = max(resident_in(pid, database) for pid in self.guard.pids)
        whole = max(resident_of(pid) for pid in self.guard.pids)
        with open_database(database) as opened:
            count, most = opened.count, opened.mapped
        note = f"of a mapping that {self.guard.count} scanners share; {most / 1e6:.1f} MB if all of it was asked for"
        return [
            Row(f"resident, {count:,} entries", used / 1e6, LIMIT_RESIDENT_MB, Bound.UNDER, "MB", note),
            Row("resident, the whole process", whole / 1e6, unit="MB", note="with what it shares"),
        ]

    def _rounds(self) -> Rounds:
        return Rounds(self.ground, self.guard.pids, self.options.rounds, self.options.patience, self.tell)

    def _both(self, kind: Kind) -> dict[str, Found]:
        found = self._rounds().run(kind, {OPEN: self._unprotected, GUARDED: self._protected})
        self.series += _flat(found.values())
        self.faults += [fault for one in found.values() for sample in one.samples for fault in sample.faults]
        return found

    def _load(self, prefix: str) -> Load:
        return Load(self.hosts, prefix, self.options.seconds, self.options.connections)

    def _ask(self, load: Load) -> Sample:
        """Put on a load; return its rate, the median and the 99th percentile of its waiting times."""
        before = self._counted()
        answered = wrk(self.ground, load)
        faults = self._unscanned(before, answered.requests)
        if answered.failed:
            faults.append(f"{answered.failed} of {answered.requests} requests below {load.prefix} failed")
        values = (answered.rate, answered.p50_us, answered.p99_us)
        return Sample(values, answered.requests, faults=tuple(faults))

    def _bulk(self) -> Sample:
        before = self._counted()
        value = bulk(self.ground)
        return Sample((value,), 1, faults=tuple(self._unscanned(before, 1)))

    def _counted(self) -> dict[str, int]:
        return self.guard.counted() if self._is_protected else {}

    def _unscanned(self, before: Mapping[str, int], requests: int) -> list[str]:
        after = self._counted()
        return unscanned({name: after[name] - before[name] for name in after}, requests) if after else []

    @contextmanager
    def _unprotected(self) -> Iterator[None]:
        yield

    @contextmanager
    def _protected(self) -> Iterator[None]:
        self.guard.on()
        self._is_protected = True
        try:
            yield
        finally:
            self._is_protected = False
            self.guard.off()

    def _try(self, expected: str, name: str, guarded: Guarded) -> None:
        """See that a guard blocks before its speed is measured."""
        with guarded():
            found = fetch(self.ground, LISTED_HOST, "/1k.bin", 2)
        if not found.startswith(expected):
            self.faults.append(f"{name} does not block {LISTED_HOST}: {found}")


def unscanned(counted: Mapping[str, int], requests: int) -> list[str]:
    """Return why the numbers of a protected round do not mean what they say.

    Args:
        counted: the web counters of the port.
        requests: that were answered.
    """
    faults = [f"{counted[name]} packets: {name}" for name in _UNSCANNED if counted.get(name)]
    if counted.get("web_handed", 0) < requests:
        faults.append(f"only {counted.get('web_handed', 0)} packets of {requests} requests went to the scanners")
    return faults


def _row(name: str, value: float, limit: float | None, *series: Series) -> Row:
    return Row(name, value, limit, note=note_of(*series), sure=sure_of(*series))


def _flat(found: Iterable[Found]) -> list[Series]:
    return [series for one in found for series in one.series]
