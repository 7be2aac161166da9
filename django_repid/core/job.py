"""Jobs: what is asked for, and what can be asked about it afterwards."""

import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import timedelta
from typing import Any, ParamSpec

from asgiref.sync import markcoroutinefunction, sync_to_async

from django_repid.core import follow
from django_repid.core.binding import bind, identify
from django_repid.core.bucket import ResultBucket
from django_repid.core.enqueue import Order, place, place_sync
from django_repid.core.errors import ArgsInvalid, InvalidJob
from django_repid.core.host import host
from django_repid.core.job_terms import JobTerms
from django_repid.core.loud import Loud, require_loop
from django_repid.core.message import Enqueued
from django_repid.core.receipt import Receipt

P = ParamSpec("P")

logger = logging.getLogger("django_repid.job")


class Job(JobTerms):
    """A job to be run by an actor.

    Making one checks everything it is given and writes nothing; `await job.enqueue()` or
    `job.enqueue_sync()` does. One object may be enqueued several times.
    """

    #: What the store said to the last enqueue of this object.
    _answer: Enqueued | None = None

    @classmethod
    def of(cls, actor: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> "Job":
        """Make a job of an actor function and the arguments for its call.

        They are bound, and where the actor's converter validates also validated, before anything
        is stored. Other options are set by `using`.

        Raises:
            InvalidJob: the function is no actor, or the arguments do not fit it.

        """
        found, _ = identify(actor)
        assert found is not None  # noqa: S101 - a function is known or was refused
        job = cls(actor, args=bind(found, args, kwargs))
        try:
            found.converter.convert_inputs(job.args or "")
        except ArgsInvalid as error:
            raise InvalidJob(str(error)) from error
        return job

    @markcoroutinefunction
    def enqueue(self) -> Coroutine[Any, Any, Receipt]:
        """Write the job, and return a receipt; to be awaited.

        It takes part in the transaction of the thread that Django's async calls run on. In
        synchronous code use `enqueue_sync`.

        Raises:
            RuntimeError: no event loop runs here.
            DuplicateJob: `on_duplicate` is "raise" and the id waits or runs.
            BrokerUnavailable: the store cannot be reached.

        """
        require_loop("Job.enqueue()", "job.enqueue_sync()")
        return Loud(_enqueue(self), f"{self!r}.enqueue()")

    def enqueue_sync(self) -> Receipt:
        """Write the job on this thread, in its transaction, and return a receipt.

        Raises:
            SynchronousOnlyOperation: an event loop runs in this thread: await `enqueue` there.
            DuplicateJob: `on_duplicate` is "raise" and the id waits or runs.
            BrokerUnavailable: the store cannot be reached.

        """
        host().guard_sync("job.enqueue_sync")
        return self.enqueue_many_sync([self])[0]

    @staticmethod
    @markcoroutinefunction
    def enqueue_many(jobs: Iterable["Job"]) -> Coroutine[Any, Any, list[Receipt]]:
        """Write many jobs in one go, all or none of each connection's; to be awaited."""
        require_loop("Job.enqueue_many(…)", "Job.enqueue_many_sync(…)")
        return Loud(_enqueue_many(list(jobs)), "Job.enqueue_many(…)")

    @staticmethod
    def enqueue_many_sync(jobs: Iterable["Job"]) -> list[Receipt]:
        """Write many jobs in one go on this thread, all or none of each connection's."""
        host().guard_sync("Job.enqueue_many_sync")
        jobs = list(jobs)
        orders = [job.order() for job in jobs]
        return _receipts(jobs, orders, place_sync(orders))

    @property
    def result(self) -> Coroutine[Any, Any, ResultBucket | None]:
        """The result bucket, or None if there is none (yet, or any more); to be awaited."""
        require_loop("Job.result", "job.result_sync()")
        reading = self.connection.run(self.connection.result, self._awaited_id())
        return Loud(reading, f"{self!r}.result")

    def result_sync(self) -> ResultBucket | None:
        """Return the result bucket, or None if there is none (yet, or any more)."""
        host().guard_sync("job.result_sync")
        return self.connection.result(self._awaited_id())

    @markcoroutinefunction
    def wait(self, timeout: float | timedelta) -> Coroutine[Any, Any, ResultBucket]:
        """Wait for the final outcome of the last enqueue; to be awaited.

        Args:
            timeout: seconds, or a timedelta.

        Raises:
            TimeoutError: it did not come in time.
            ValueError: the job stores no result.

        """
        require_loop("Job.wait(…)", "job.wait_sync(…)")
        return Loud(self._wait(timeout).coroutine(), f"{self!r}.wait(…)")

    def wait_sync(self, timeout: float | timedelta) -> ResultBucket:
        """Wait on this thread for the final outcome of the last enqueue; see `wait`."""
        host().guard_sync("job.wait_sync")
        return self._wait(timeout).sync()

    @markcoroutinefunction
    def cancel(self) -> Coroutine[Any, Any, bool]:
        """Take the job back; to be awaited.

        Returns:
            True if it waited and is gone (its bucket says `Cancelled`), or runs and was asked to
            stop; False if there was nothing to cancel.

        """
        require_loop("Job.cancel()", "job.cancel_sync()")
        return Loud(self.connection.run(self._cancel), f"{self!r}.cancel()")

    def cancel_sync(self) -> bool:
        """Take the job back on this thread; see `cancel`."""
        host().guard_sync("job.cancel_sync")
        return self._cancel()

    def _cancel(self) -> bool:
        id_ = self.id_ or (self._answer.key.id_ if self._answer else None)
        return id_ is not None and follow.cancel(self.connection, id_)

    def _wait(self, timeout: float | timedelta) -> follow.Wait:
        standing = self._answer.standing if self._answer else None
        stores = self.store_result if standing is None else standing.result_id is not None
        if not stores:
            message = f"{self!r} stores no result (store_result is False), so it cannot be awaited."
            raise ValueError(message)
        since = self._answer.enqueued_at if self._answer else None
        return follow.Wait(self.connection, self._awaited_id(), since, timeout)

    def _awaited_id(self) -> str:
        """The result's id: of a duplicate that was skipped, the one of the job that stands."""
        standing = self._answer.standing if self._answer else None
        if standing is not None and standing.result_id is not None:
            return standing.result_id
        return self.result_id

    def receive(self, order: Order, answer: Enqueued) -> Receipt:
        """Take in what the store answered to an order."""
        self._answer = answer
        if answer.duplicate:
            logger.info("Job id_=%r waits or runs already: not enqueued again.", self.id_)
        return Receipt(answer.key, self.args or "", order.message.spec, answer.duplicate)


async def _enqueue(job: Job) -> Receipt:
    return (await _enqueue_many([job]))[0]


async def _enqueue_many(jobs: Sequence[Job]) -> list[Receipt]:
    if not host().prepared:  # it imports every tasks module: nothing for an event loop
        await sync_to_async(host().prepare, thread_sensitive=True)()
    orders = [job.order() for job in jobs]
    return _receipts(jobs, orders, await place(orders))


def _receipts(
    jobs: Sequence[Job], orders: Sequence[Order], answers: Sequence[Enqueued]
) -> list[Receipt]:
    return [
        job.receive(order, answer) for job, order, answer in zip(jobs, orders, answers, strict=True)
    ]
