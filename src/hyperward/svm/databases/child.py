"""Heavy work in a child process: the daemon's loop goes on, the memory goes with the child, and ending it is safe."""

import asyncio
import os
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Final, Protocol, TypeVar

from hyperward.errors import HyperwardError, SystemFault

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")
_NICE: Final = 5


class Work(Protocol):
    """Runs a function somewhere. `in_child` is the real one, `in_here` its twin for tests."""

    async def __call__(self, work: Callable[[_Argument], _Result], argument: _Argument) -> _Result:
        """Return what the function returns.

        Raises:
            HyperwardError, OSError: what it raises.
        """


async def in_child(work: Callable[[_Argument], _Result], argument: _Argument) -> _Result:
    """Run a function of a module in a process of its own; when the task is cancelled, the process is ended.

    Raises:
        SystemFault: the child was killed.
        HyperwardError, OSError: what the function raises.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(theirs, work, argument), daemon=True)
    try:
        process.start()
        theirs.close()
        await _readable(ours)
        try:
            result, error = ours.recv()
        except EOFError:
            what = f"the process for {work.__name__} was killed"
            raise SystemFault(what, where="databases", hint="is there enough memory?") from None
    finally:
        if process.pid is not None:
            process.kill()
            process.join()
            process.close()
        ours.close()
    if error is not None:
        raise error
    returned: _Result = result
    return returned


async def in_here(work: Callable[[_Argument], _Result], argument: _Argument) -> _Result:
    """Run it in this process."""
    return work(argument)


def _run(answer: Connection, work: Callable[[_Argument], _Result], argument: _Argument) -> None:
    os.nice(_NICE)
    try:
        outcome = (work(argument), None)
    except (HyperwardError, OSError) as error:
        outcome = (None, error)  # type: ignore[assignment]
    answer.send(outcome)


async def _readable(connection: Connection) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection.fileno())
