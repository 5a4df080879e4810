"""Puts a scanner of this build into the place of one that an earlier installation left running.

The fresh one starts and loads beside the other, which is ended when the fresh one waits for nothing but its device.
"""

import asyncio
import time
from typing import Final, Protocol

from hyperward.ips.engine.watched import WatchedProcess

READY: Final = 60.0
"""Seconds that a scanner may take to load; nothing suffers meanwhile, for the other one still works."""
POLL: Final = 0.01


class Starter(Protocol):
    """How a scanner is started, and asked which build it is of."""

    def spawn(self, index: int) -> WatchedProcess:
        """Start a scanner.

        Raises:
            SystemFault: it cannot be started.
        """

    def build_of(self, index: int, process: WatchedProcess) -> str | None:
        """Return which build of the package a scanner runs; None where it has not said a word yet."""


async def renewed(index: int, old: WatchedProcess, starter: Starter) -> WatchedProcess | None:
    """Start a scanner and end the one whose place it takes; return the fresh one.

    Returns:
        None where the fresh one did not come up; the old one was left alone.

    Raises:
        SystemFault: it cannot be started; the old one was left alone.
    """
    fresh = starter.spawn(index)
    try:
        if not await _ready(index, fresh, starter):
            await fresh.kill()
            fresh.close()
            return None
    except asyncio.CancelledError:
        # The next daemon finds the old one, and decides itself.
        await fresh.kill()
        fresh.close()
        raise
    await old.stop(seconds=3)
    old.close()
    return fresh


async def _ready(index: int, process: WatchedProcess, starter: Starter) -> bool:
    deadline = time.monotonic() + READY
    while process.alive and time.monotonic() < deadline:
        if starter.build_of(index, process) is not None:
            return True
        await asyncio.sleep(POLL)
    return False
