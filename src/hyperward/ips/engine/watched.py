"""A process that is not necessarily our child: wait for its end, signal it, let go of it."""

import asyncio
import os
import signal
from contextlib import suppress

from hyperward.ips.engine.procfs import ProcessInfo, process_info


class WatchedProcess:
    """A living process, started by us or found.

    Args:
        info: of the process.

    Raises:
        ProcessLookupError: it has ended.
    """

    def __init__(self, info: ProcessInfo) -> None:
        self.info = info
        self._ended: asyncio.Future[None] | None = None
        self._pidfd = os.pidfd_open(info.pid)
        if process_info(info.pid) != info:
            os.close(self._pidfd)
            raise ProcessLookupError(f"process {info.pid} has ended")

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return process_info(self.info.pid) == self.info

    async def wait(self) -> None:
        """Return when the process has ended. Any number of tasks may wait."""
        if self._ended is None:
            loop = asyncio.get_running_loop()
            self._ended = loop.create_future()
            loop.add_reader(self._pidfd, self._end)
        # Shielded: one task that gives up must not end the waiting of the others.
        await asyncio.shield(self._ended)

    def _end(self) -> None:
        self._unwatch()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        # One we found is the child of another process, which reaps it.
        with suppress(ChildProcessError):
            os.waitpid(self.info.pid, os.WNOHANG)

    def _unwatch(self) -> None:
        if self._ended is not None:
            self._ended.get_loop().remove_reader(self._pidfd)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to that very process, even if its pid were taken by another by now."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    async def stop(self, *, seconds: float = 10) -> None:
        """End the process: ask, then kill after the time given."""
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await self.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End the process at once."""
        self.send(signal.SIGKILL)
        await self.wait()

    def close(self) -> None:
        """Let go of the process without ending it; whoever waits for its end is cancelled."""
        if self._pidfd >= 0:
            self._unwatch()
            if self._ended is not None:
                self._ended.cancel()
            os.close(self._pidfd)
            self._pidfd = -1
