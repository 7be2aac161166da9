"""Telling the framework which jobs have failed for good.

On a thread of its own: whoever listens may take its time, and the broker thread has none.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from django_repid.core.actor import Actor
from django_repid.core.host import host
from django_repid.core.serializer import printable
from django_repid.core.settlement import Settlement
from django_repid.worker.aside import aside

logger = logging.getLogger("django_repid.worker")

#: How many may wait to be told. Listeners that are slower than jobs die must not fill the memory.
_MOST_WAITING = 10_000

_Death = tuple[Callable[..., Any] | None, dict[str, Any]]


class Deaths:
    """Tells `Host.job_failed` of dead letters, in their order. No thread while nobody listens."""

    def __init__(self, actors: Mapping[str, Actor]) -> None:
        self._actors = actors
        self._waiting: queue.Queue[_Death | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._dropped = False

    def tell(self, end: Settlement) -> None:
        """Take a dead letter that the store has taken; called by the broker thread alone."""
        try:
            self._take(end)
        except Exception:  # it is about a job that has ended well recorded: the next ones go on
            logger.exception("It cannot be told that job %s has failed.", _id(end))

    def _take(self, end: Settlement) -> None:
        actor = self._actors.get(end.message.key.topic)
        fn = None if actor is None else actor.fn
        if not host().hears_failures(fn):
            return
        if self._waiting.qsize() >= _MOST_WAITING:
            if not self._dropped:  # once
                logger.error("Those who are told of failed jobs are too slow: job %s.", _id(end))
            self._dropped = True
            return
        self._dropped = False
        self._waiting.put((fn, _details(end)))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="repid-deaths", daemon=True)
            self._thread.start()

    async def told(self, seconds: float, hurry: asyncio.Event) -> None:
        """Wait until all have been told of, for a while; no more can come."""
        if self._thread is None:
            return
        self._waiting.put(None)
        over, hurried = aside(self._thread.join), asyncio.ensure_future(hurry.wait())
        both: list[asyncio.Future[Any]] = [over, hurried]
        await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not over.done():
            logger.warning(
                "The worker ends while receivers of job_failed still run; they have not been told "
                "of %s more.",
                max(self._waiting.qsize() - 1, 0),
            )

    def _work(self) -> None:
        with host().thread_scope():
            while (death := self._waiting.get()) is not None:
                fn, details = death
                try:
                    host().job_failed(fn, details)
                except BaseException:
                    logger.exception(
                        "A receiver of job_failed raised, for job %s.", printable(details["job_id"])
                    )
                finally:
                    host().tidy()


def _details(end: Settlement) -> dict[str, Any]:
    """Return what is told of a dead letter; its arguments may be secret."""
    name, _, line = end.dead_reason.partition(": ")
    failure, key = end.failure, end.message.key
    if end.recurs and failure is not None:  # the next occurrence has no reason to be dead
        name = failure.exception
    return {
        "job_id": key.id_,
        "actor": key.topic,
        "queue": key.queue,
        "exception": name,
        "text": failure.text if failure is not None and failure.exception == name else line,
        "tries": end.tries,
        "key": key,
    }


def _id(end: Settlement) -> str:
    return printable(end.message.key.id_)
