"""Signals that end a run."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Iterable

logger = logging.getLogger("django_repid.worker")

#: A signal that comes again within this long is the same wish: supervisors signal a process and
#: then its group.
REPEAT_SECONDS = 0.5


def take_signals(
    loop: asyncio.AbstractEventLoop,
    signals: Iterable[signal.Signals],
    is_stopping: Callable[[], bool],
    stop: Callable[[], None],
) -> Callable[[], None]:
    """Let signals call `stop`, on the loop's thread; return what gives them back."""
    last = float("-inf")

    def signalled(one: signal.Signals) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < REPEAT_SECONDS:
            return
        last = now
        what = "stopping at once" if is_stopping() else "finishing what runs, then ending"
        logger.info("%s: %s.", one.name, what)
        stop()

    taken: list[signal.Signals] = []
    for one in signals:
        try:
            loop.add_signal_handler(one, signalled, one)
        except (RuntimeError, ValueError, NotImplementedError):
            # Not the main thread, or Windows: whoever runs the worker there stops it.
            logger.debug("Signal %s is not handled here.", one.name)
        else:
            taken.append(one)

    def restore() -> None:
        for one in taken:
            loop.remove_signal_handler(one)

    return restore
