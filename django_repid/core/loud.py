"""Coroutines that make a forgotten `await` heard."""

import asyncio
import logging
import sys
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger("django_repid.job")


def require_loop(call: str, twin: str) -> None:
    """Raise where no event loop runs, since nobody could await what `call` returns.

    Raises:
        RuntimeError: none runs in this thread.

    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        message = (
            f"{call} is awaited inside a running event loop, and this thread runs none, so nothing "
            f"would happen. In synchronous code call {twin} instead, or put "
            f"`await …{call.removeprefix('Job')}` into an `async def` and run that."
        )
        raise RuntimeError(message) from None


class Loud(Coroutine[Any, Any, T]):
    """A coroutine that logs an ERROR with the line that made it, if it is never awaited.

    Python itself only warns (`RuntimeWarning: coroutine … was never awaited`), which production
    settings hide, and the job is gone. Works wherever a coroutine does: await, gather,
    create_task, wait_for, TaskGroup.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], what: str, *, depth: int = 2) -> None:
        self._coroutine = coroutine
        self._what = what
        self._started = False
        frame = sys._getframe(depth)
        self._line = f"{frame.f_code.co_filename}:{frame.f_lineno}"

    def send(self, value: Any) -> Any:
        """Drive the coroutine: the event loop's business."""
        self._started = True
        return self._coroutine.send(value)

    def throw(
        self,
        kind: Any,
        value: Any = None,
        traceback: TracebackType | None = None,
    ) -> Any:
        """Raise inside the coroutine: the event loop's business."""
        self._started = True
        return self._coroutine.throw(kind if value is None else value)

    def close(self) -> None:
        """Give the coroutine up on purpose."""
        self._started = True
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        self._started = True
        return self._coroutine.__await__()

    def __del__(self) -> None:
        if not self._started:
            self._coroutine.close()
            logger.error("%s was never awaited, so nothing happened: %s", self._what, self._line)
