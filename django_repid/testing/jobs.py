"""Running jobs inside a test, on its thread, its database connection and in its transaction."""

import asyncio
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async

from django_repid.core import clock
from django_repid.core.bucket import ResultBucket
from django_repid.core.connection import Connection, get_connection
from django_repid.core.errors import JobFailed
from django_repid.core.host import host
from django_repid.core.message import MessageState
from django_repid.core.router import Router
from django_repid.core.settlement import Settlement
from django_repid.worker.here import Here

_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One attempt of a job, as it ended.

    `success`: whether the actor returned. `exception`: the class of what it failed with. `dead`:
    the job is a dead letter now. `again_at`: when it comes again: a further try, or the next
    occurrence of a recurring job. `result`: the bucket that was stored, if one was.
    """

    id_: str
    name: str
    queue: str
    success: bool
    exception: str | None
    dead: bool
    again_at: datetime | None
    result: ResultBucket | None

    @property
    def value(self) -> Any:
        """What the actor returned, as a reader of the result gets it.

        Raises:
            JobFailed: it failed.
            ValueError: the job stores no result.

        """
        if self.result is not None:
            return self.result.value
        if not self.success:
            message = f"Job {self.id_} ({self.name}) failed with {self.exception}."
            raise JobFailed(message)
        message = f"Job {self.id_} ({self.name}) stores no result."
        raise ValueError(message)


def run_jobs(
    routers: Iterable[Router] | None = None,
    *,
    queues: Collection[str] | None = None,
    connection: str | Connection | None = None,
    until: datetime | timedelta | None = None,
    raise_errors: bool = False,
    limit: int = _LIMIT,
) -> list[Ran]:
    """Run the jobs that are due, and those that they enqueue, one after another on this thread.

    They use the caller's database connection and transaction, so that a `TestCase` sees what they
    did and takes it back. Further tries that are due later are not run, unless `until` is given:
    then the clock travels (see `travel`) from one due time to the next, up to there.

    Args:
        routers: whose actors; default: those of the project.
        queues: only these; default: all.
        connection: an alias of the settings, or a `Connection`.
        until: a moment, or so long from now.
        raise_errors: raise what an actor raises, once its failure is settled.
        limit: at most so many attempts.

    Raises:
        RuntimeError: `limit` is reached, so jobs seem to enqueue each other for ever.
            Or an event loop runs in this thread: await `arun_jobs` there.

    """
    _refuse_loop()
    here = get_connection(connection)
    actors = host().find_actors() if routers is None else _merged(routers)
    ran: list[Ran] = []
    with closing(Here(here, actors).due(queues, until=_moment(here, until))) as runs:
        for end, outcome in runs:
            ran.append(_ran(end))
            if raise_errors and outcome is not None and outcome.exception is not None:
                raise outcome.exception
            if len(ran) == limit:
                message = f"{limit} attempts, and no end: do jobs enqueue each other for ever?"
                raise RuntimeError(message)
    return ran


def _refuse_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    message = "run_jobs() would block the event loop that runs here: await arun_jobs() instead."
    raise RuntimeError(message)


async def arun_jobs(routers: Iterable[Router] | None = None, **options: Any) -> list[Ran]:
    """Run jobs from a coroutine; see `run_jobs`. Their sync parts use Django's own thread."""
    return await sync_to_async(run_jobs, thread_sensitive=True)(routers, **options)


def _merged(routers: Iterable[Router]) -> dict[str, Any]:
    merged = Router()
    for router in routers:
        merged.include_router(router)
    return merged.actors


def _moment(connection: Connection, until: datetime | timedelta | None) -> int | None:
    if until is None:
        return None
    if isinstance(until, timedelta):
        return connection.message_broker.now_us() + clock.span_us(until)
    return clock.to_us(until)


def _ran(end: Settlement) -> Ran:
    key, record = end.message.key, end.result
    bucket = None if record is None else record.bucket
    comes_again = end.state is MessageState.READY
    return Ran(
        id_=key.id_,
        name=key.topic,
        queue=key.queue,
        success=end.failure is None and (bucket is None or _succeeded(bucket)),
        exception=None if end.failure is None else end.failure.exception,
        dead=end.state is MessageState.DEAD,
        again_at=clock.from_us(end.run_at) if comes_again else None,
        result=bucket if isinstance(bucket, ResultBucket) else None,
    )


def _succeeded(bucket: object) -> bool:
    return isinstance(bucket, ResultBucket) and bucket.success
