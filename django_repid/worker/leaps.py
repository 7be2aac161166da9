"""Waiting that takes no time: a loop with nothing to do but to wait goes on to its next timer.

For tests only (see `django_repid.testing.travel`). The clock of the process goes on by what was not
waited, so that sleeps, time-outs and what looks at the time agree.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django_repid.core import clock

#: Where a loop of the standard library keeps it; none has a way in that is public.
_SELECTOR = "_selector"
#: For so long a loop waits in earnest before a leap: a thread may be about to call it.
_GRACE_SECONDS = 0.005


class _Leaping:
    """A loop's selector that does not wait for timers."""

    def __init__(self, selector: Any) -> None:
        self._selector = selector
        self._own = len(selector.get_map())  # the loop's pipe to itself
        #: Calls in threads that have not come back: they take their time.
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)

    def select(self, timeout: float | None = None) -> Any:
        """Return what is ready; if nothing can become so but a timer, go on to that."""
        elsewhere = self.calls or len(self._selector.get_map()) > self._own
        if elsewhere or timeout is None or timeout <= 0:
            return self._selector.select(timeout)
        if ready := self._selector.select(min(timeout, _GRACE_SECONDS)):
            return ready
        clock.travel(clock.ahead_us() + max(round((timeout - _GRACE_SECONDS) * 1_000_000), 0))
        return []


@contextmanager
def leaps() -> Iterator[None]:
    """Let the running loop leap inside the block; one that cannot be looked into waits on."""
    loop: Any = asyncio.get_running_loop()
    before = getattr(loop, _SELECTOR, None)
    if before is None:  # of another make, such as uvloop's
        yield
        return
    selector = _Leaping(before)
    setattr(loop, _SELECTOR, selector)
    real_time, start, run_in_executor = loop.time, clock.ahead_us(), loop.run_in_executor

    def counted(*call: Any) -> Any:
        future = run_in_executor(*call)
        selector.calls += 1
        future.add_done_callback(lambda _: setattr(selector, "calls", selector.calls - 1))
        return future

    loop.time = lambda: real_time() + (clock.ahead_us() - start) / 1_000_000
    loop.run_in_executor = counted
    try:
        yield
    finally:
        # Its time must not go back: the loop may have timers yet.
        setattr(loop, _SELECTOR, before)
        loop.run_in_executor = run_in_executor
