"""Work in a child process: results and errors come back, a killed child is an error, a cancelled one is ended."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from hyperward.databases.errors import SpaceFault
from hyperward.errors import SystemFault
from hyperward.svm.databases.child import in_child
from hyperward.svm.databases.thread import in_thread


def double(number: int) -> int:
    return number * 2


def full(place: str) -> None:
    raise SpaceFault("no room", where=place, hint="make some")


def killed(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stuck(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def test_results_come_back() -> None:
    assert asyncio.run(in_child(double, 21)) == 42


def test_errors_come_back_with_all_their_parts() -> None:
    with pytest.raises(SpaceFault, match="no room") as caught:
        asyncio.run(in_child(full, "/here"))
    assert (caught.value.where, caught.value.hint) == ("/here", "make some")


def test_a_killed_child_is_an_error() -> None:
    with pytest.raises(SystemFault, match="was killed"):
        asyncio.run(in_child(killed, 1))


def test_a_cancelled_child_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "pid"

    async def run() -> None:
        task = asyncio.create_task(in_child(stuck, str(file)))
        async with asyncio.timeout(30):
            while not file.exists() or not file.read_text():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def test_threads_give_results_and_errors() -> None:
    assert asyncio.run(in_thread(lambda: 7, "test")) == 7
    with pytest.raises(SpaceFault):
        asyncio.run(in_thread(lambda: full("/here"), "test"))


def test_a_thread_holds_nobody_up() -> None:
    async def run() -> None:
        task = asyncio.create_task(in_thread(lambda: time.sleep(2), "test"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    began = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - began < 2
