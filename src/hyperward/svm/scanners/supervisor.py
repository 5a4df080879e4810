"""Keeps the scanners running, whatever happens to them or to us."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from hyperward.build import build_id
from hyperward.errors import HyperwardError
from hyperward.events.model import Kind
from hyperward.ips.engine.backoff import Backoff
from hyperward.ips.engine.watched import WatchedProcess
from hyperward.svm.scanners.notices import ScannerNotice
from hyperward.svm.scanners.renewal import renewed
from hyperward.svm.scanners.slots import Slots

CHECK: Final = 0.25
"""Seconds between two looks at a scanner's heartbeat."""
HUNG: Final = 2.0
"""Seconds of silence after which a scanner is ended; the failure action has long begun, by itself."""
START: Final = 30.0
"""Seconds that a scanner may take before its first heartbeat: large databases, few processors."""

log = structlog.get_logger(__name__)
Notify = Callable[[ScannerNotice], None]


class Processes(Protocol):
    """How scanners are started and found."""

    def find(self) -> Sequence[list[WatchedProcess]]:
        """Return the running processes of every possible index, also of those that are not wanted any more."""

    def spawn(self, index: int) -> WatchedProcess:
        """Start a scanner.

        Raises:
            SystemFault: it cannot be started.
        """

    def build_of(self, index: int, process: WatchedProcess) -> str | None:
        """Return which build of the package a scanner runs; None where it has not said a word yet."""

    def last_words(self, index: int) -> str:
        """Return the last line that a scanner printed."""


class ScannerSupervisor:
    """Starts or adopts scanners, and starts them again whenever they die or hang.

    Use: `await start()` when there is something to scan, `await stop()` when there is nothing any more, in the end
    `detach()` to leave them running for the next daemon. Scanners of another build of the package are adopted like
    all others, and then replaced one by one.

    Args:
        count: how many scanners there shall be.
        processes: how they are started and found.
        slots: their heartbeats.
        notify: called with every notice, in the event loop.
    """

    def __init__(self, count: int, processes: Processes, slots: Slots, notify: Notify) -> None:
        self.count = count
        self._processes = processes
        self._slots = slots
        self._notify = notify
        self._running: dict[int, WatchedProcess] = {}
        self._fresh: dict[int, int] = {}
        """When a scanner was started whose heart has not beaten yet."""
        self._backoffs = [Backoff() for _ in range(count)]
        self._keepers: list[asyncio.Task[None]] = []
        self._outdated: set[int] = set()
        """Scanners of another build, to be replaced."""
        self._one_at_a_time = asyncio.Lock()
        self._idle = False
        """Whether it is certain that no scanner runs."""

    @property
    def started(self) -> bool:
        """Whether scanners are wanted and kept running."""
        return bool(self._keepers)

    def process(self, index: int) -> WatchedProcess | None:
        """Return a scanner's process while it runs."""
        process = self._running.get(index)
        return process if process is not None and process.alive else None

    def outdated(self, index: int) -> bool:
        """Tell whether a scanner is of another build and about to be replaced: what it refuses means nothing."""
        return index in self._outdated

    def answers(self, index: int) -> bool:
        """Tell whether a scanner's heart beats."""
        return time.monotonic_ns() - self._slots.alive_ns(index) < HUNG * 1e9

    async def start(self) -> None:
        """Adopt the scanners that run, end those too many, start those that are missing. Nothing when done already."""
        if self.started:
            return
        self._idle = False
        found = await asyncio.to_thread(self._processes.find)
        for index, processes in enumerate(found):
            keep = processes[0] if processes and index < self.count else None
            for process in processes:
                if process is not keep:
                    await _end(process)
            if keep is not None:
                self._running[index] = keep
                pid = keep.info.pid
                self._notify(ScannerNotice(Kind.SCANNER_ADOPTED, f"web scanner {index} (pid {pid}) was adopted"))
                if self._processes.build_of(index, keep) != build_id():
                    self._outdated.add(index)
        for index in range(self.count):
            if index not in self._running:
                self._spawn(index)
        self._keepers = [asyncio.create_task(self._keep(index), name=f"scanner-{index}") for index in range(self.count)]

    async def stop(self) -> None:
        """End all scanners, also those that an earlier daemon left. Nothing when done already."""
        if self._idle:
            return
        await self._cancel()
        for index, processes in enumerate(await asyncio.to_thread(self._processes.find)):
            self._slots.dead(index)
            for process in processes:
                await _end(process)
        for index, process in self._running.items():
            process.close()
            self._notify(ScannerNotice(Kind.SCANNER_STOPPED, f"web scanner {index} was stopped"))
        self._running.clear()
        self._idle = True

    async def detach(self) -> None:
        """Leave the scanners running for the next daemon."""
        await self._cancel()
        for process in self._running.values():
            process.close()
        self._running.clear()

    async def _cancel(self) -> None:
        keepers, self._keepers = self._keepers, []
        for task in keepers:
            task.cancel()
        for task in keepers:
            with suppress(asyncio.CancelledError):
                await task

    def _spawn(self, index: int) -> bool:
        begun = time.monotonic_ns()
        try:
            process = self._processes.spawn(index)
        except HyperwardError as error:
            self._notify(ScannerNotice(Kind.SCANNER_START_FAILED, error.line()))
            return False
        self._running[index] = process
        self._fresh[index] = begun
        text = f"web scanner {index} started (pid {process.info.pid})"
        self._notify(ScannerNotice(Kind.SCANNER_STARTED, text))
        return True

    async def _keep(self, index: int) -> None:
        """Bring a scanner back whenever it is gone, until cancelled."""
        if index in self._outdated:
            async with self._one_at_a_time:
                await self._renew(index)
        while True:
            process = self._running.get(index)
            if process is not None:
                why = await self._ended(index, process)
                # At once: the kernel would notice the silence by itself, but later.
                self._slots.dead(index)
                await process.kill()
                del self._running[index]
                process.close()
                self._notify(ScannerNotice(Kind.SCANNER_CRASHED, f"web scanner {index} {why}"))
            backoff = self._backoffs[index]
            pause = backoff.crashed(time.monotonic())
            if backoff.looping:
                text = f"web scanner {index} crashes again and again; next start in {pause:g} s"
                self._notify(ScannerNotice(Kind.SCANNER_CRASH_LOOP, text))
            await asyncio.sleep(pause)
            self._spawn(index)

    async def _renew(self, index: int) -> None:
        """Replace a scanner of another build; where that fails it stays."""
        old, begun = self._running[index], time.monotonic_ns()
        pid = old.info.pid
        try:
            fresh = await renewed(index, old, self._processes)
        except HyperwardError as error:
            self._notify(ScannerNotice(Kind.SCANNER_START_FAILED, error.line()))
            return
        finally:
            self._outdated.discard(index)
        if fresh is None:
            text = f"web scanner {index} (pid {pid}) is of another version and stays; its successor did not come up: "
            text += self._processes.last_words(index)
            self._notify(ScannerNotice(Kind.SCANNER_START_FAILED, text))
            return
        self._running[index], self._fresh[index] = fresh, begun
        text = f"web scanner {index} started (pid {fresh.info.pid}) in the place of pid {pid}, of another version"
        self._notify(ScannerNotice(Kind.SCANNER_STARTED, text))

    async def _ended(self, index: int, process: WatchedProcess) -> str:
        """Return why a scanner is to be started again, when it is: it has ended, or its heart does not beat."""
        begun = self._fresh.get(index, time.monotonic_ns())
        patience = START if index in self._fresh else HUNG
        waiter = asyncio.ensure_future(process.wait())
        try:
            while True:
                done, _ = await asyncio.wait({waiter}, timeout=CHECK)
                if done:
                    return f"ended by itself: {self._processes.last_words(index)}"
                alive = self._slots.alive_ns(index)
                silence = time.monotonic_ns() - max(alive, begun)
                # A heartbeat from before this process was watched may be another's.
                if alive > begun:
                    patience = HUNG
                    self._fresh.pop(index, None)
                if silence > patience * 1e9:
                    return f"gave no sign of life for {silence / 1e9:.1f} s and was ended"
        finally:
            waiter.cancel()


async def _end(process: WatchedProcess) -> None:
    await process.stop(seconds=3)
    process.close()
