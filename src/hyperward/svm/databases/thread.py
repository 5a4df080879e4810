"""Waiting work in a thread that nobody has to wait for at the end: a slow source must not hold the daemon up."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

_Result = TypeVar("_Result")


async def in_thread(work: Callable[[], _Result], name: str) -> _Result:
    """Run a function in a thread; when the task is cancelled, the thread is left to itself."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to who waits
            tell(partial(_settle, done, error=error))
        else:
            tell(partial(_settle, done, result=result))

    def tell(settle: Callable[[], None]) -> None:
        # The loop may be gone.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done


def _settle(
    done: "asyncio.Future[_Result]", *, result: _Result | None = None, error: BaseException | None = None
) -> None:
    if done.cancelled():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(result)  # type: ignore[arg-type]
