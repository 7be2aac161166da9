"""Blocking calls beside the event loop, on threads that nobody waits for when the process ends.

asyncio's own executor joins its threads at the end: one that waits for a server which does not
answer would hold up the exit.
"""

import asyncio
import threading
from collections.abc import Callable


def aside(call: Callable[[], object]) -> "asyncio.Future[None]":
    """Make a call on a thread of its own; the future tells when it is over, and what it raised."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # if nobody asks

    def tell(error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def work() -> None:
        error: BaseException | None = None
        try:
            call()
        except BaseException as raised:  # noqa: BLE001 - it belongs to whoever waits
            error = raised
        try:
            loop.call_soon_threadsafe(tell, error)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    threading.Thread(target=work, name="repid-aside", daemon=True).start()
    return future
