"""A slow server cannot hold us: a thread beside the transfer cuts the connection when too little arrives.

Time-outs of a socket bound the gap between two bytes, so a server that sends one byte every few seconds goes on for
years, in the headers as well as in the body. The watch looks at how much arrived, and shuts the connection down from
outside, which ends whatever read is waiting.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Self

_MOST_SOCKETS: Final = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server must keep up with.

    Args:
        connect: seconds for the connection.
        gap: seconds between two bytes.
        rate: bytes per second, on average over `window` seconds; also the time until the first byte counts.
        window: seconds.
        total: seconds for one file; the next try goes on where this one ended.
    """

    connect: float = 10.0
    gap: float = 30.0
    rate: float = 4096.0
    window: float = 30.0
    total: float = 1800.0


class Pace:
    """How fast bytes come. Pure; the caller gives the time in seconds."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._start = self._mark = now
        self._bytes = 0

    def add(self, count: int) -> None:
        """Count bytes."""
        self._bytes += count

    def problem(self, now: float) -> str:
        """Return why it is too slow, or an empty text."""
        if now - self._start > self._limits.total:
            return f"a file took more than {self._limits.total:g} seconds"
        if (passed := now - self._mark) >= self._limits.window:
            if self._bytes < self._limits.rate * passed:
                return f"{self._bytes} bytes in {passed:.0f} seconds, less than {self._limits.rate:g} a second"
            self._mark, self._bytes = now, 0
        return ""


class Watch:
    """Guards the connections of one transfer after another.

    Args:
        limits: what the server must keep up with.
        clock: seconds, never going back.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._pace: Pace | None = None
        self.problem = ""

    def guard(self, connection: socket.socket) -> None:
        """Take note of a connection; TLS may wrap it later, the watch holds the connection itself."""
        twin = socket.socket(fileno=os.dup(connection.fileno()))
        with self._lock:
            self._sockets.append(twin)
            old = self._sockets[:-_MOST_SOCKETS]
            del self._sockets[:-_MOST_SOCKETS]
        for one in old:
            one.close()

    def add(self, count: int) -> None:
        """Count bytes of the transfer."""
        with self._lock:
            if self._pace:
                self._pace.add(count)

    @contextlib.contextmanager
    def transfer(self) -> Iterator[Self]:
        """Watch while one file comes; `problem` says afterwards why it was cut."""
        done = threading.Event()
        with self._lock:
            self._pace, self.problem = Pace(self._limits, self._clock()), ""
        thread = threading.Thread(target=self._run, args=(done,), name="database-transfer-watch", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            done.set()
            thread.join()

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            one.close()

    def _run(self, done: threading.Event) -> None:
        interval = min(1.0, self._limits.window / 4, self._limits.total / 4)
        while not done.wait(interval):
            with self._lock:
                self.problem = self._pace.problem(self._clock()) if self._pace else ""
                if not self.problem:
                    continue
                for one in self._sockets:
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                return
