"""Calls that block, in a thread that gives up when its caller is cancelled."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class _GivenUpError(Exception):
    pass


async def blocking(call: Callable[[Callable[[int], None]], Result]) -> Result:
    """The result of `call(progress)`, run in a thread.

    When this is cancelled, the next call of `progress` raises, and this returns when the thread has
    ended: nothing goes on behind the back of a run that has ended.
    """
    stop = threading.Event()

    def progress(_moved: int) -> None:
        if stop.is_set():
            raise _GivenUpError

    thread = asyncio.ensure_future(asyncio.to_thread(call, progress))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(Exception):
            await thread
        raise
