"""Jobs: what is asked for."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ParamSpec
from uuid import uuid4

from asgiref.sync import markcoroutinefunction, sync_to_async

from django_repid.core import clock, follow, terms
from django_repid.core.actor import Actor
from django_repid.core.binding import bind, identify
from django_repid.core.bucket import ArgsBucket, ResultBucket
from django_repid.core.connection import Connection, get_connection
from django_repid.core.errors import ArgsInvalid, InvalidJob
from django_repid.core.enqueue import Order, place, place_sync
from django_repid.core.host import host
from django_repid.core.loud import Loud, require_loop
from django_repid.core.message import (
    DelayProperties,
    Enqueued,
    NewMessage,
    OnDuplicate,
    Parameters,
    PrioritiesT,
    ResultProperties,
    RetriesProperties,
    RoutingKey,
)
from django_repid.core.names import check_id, check_queue_name
from django_repid.core.queue import Queue
from django_repid.core.receipt import Receipt

P = ParamSpec("P")

_DEFAULT_TIMEOUT = timedelta(minutes=10)
_ONE_DAY = timedelta(days=1)


class Job:
    """A job to be run by an actor.

    Making one checks everything it is given and writes nothing; `await job.enqueue()` or
    `job.enqueue_sync()` does. One object may be enqueued several times.
    """

    def __init__(
        self,
        name: str | Callable[..., Any],
        queue: str | Queue | None = None,
        *,
        priority: int = PrioritiesT.MEDIUM,
        id_: str | None = None,
        deferred_until: datetime | None = None,
        retries: int | None = None,
        timeout: timedelta | None = None,
        ttl: timedelta | None = None,
        args: Any = None,
        args_id: str | None = None,
        args_ttl: timedelta | None = None,
        use_args_bucketer: bool | None = None,
        result_id: str | None = None,
        result_ttl: timedelta | None = _ONE_DAY,
        store_result: bool | None = None,
        headers: Mapping[str, str] | None = None,
        on_duplicate: str = "skip",
        connection: str | Connection | None = None,
    ) -> None:
        """Describe a job.

        Args:
            name: the actor's name, or the actor function.
            queue: default: the registered actor's; "default" where this process knows none.
            priority: more is sooner; strict within a queue.
            id_: makes the job unique; default: a new UUID at every enqueue.
            deferred_until: not before; naive means the current time zone.
            retries: further tries after the first fails; default: the actor's, else 0.
            timeout: of one try, from the actor's start; default: the actor's, else 10 minutes.
            ttl: not started within it after it became due: dead letter.
            args: what serializes to a JSON object whose keys are the actor's parameters.
            args_id: bucket of the arguments. Without `args`, the job waits for that bucket.
            args_ttl: of the args bucket; None: for ever.
            use_args_bucketer: default: whether the connection has an args bucket broker.
            result_id: bucket of the result; default: a UUID made here.
            result_ttl: of the result bucket; None: for ever.
            store_result: default: whether the connection has a results bucket broker.
            headers: a small map of strings that travels with the message.
            on_duplicate: for an `id_` that waits or runs: "skip", "raise" or "replace".
            connection: an alias of the settings, or a `Connection`.

        Raises:
            InvalidJob: (a ValueError) one of them cannot be right.
            ConfigurationError: there is no such connection.

        """
        self._given = {name: value for name, value in locals().items() if name != "self"}
        self.connection = get_connection(connection)
        self._actor, self.name = identify(name)
        self._queue = None if queue is None else check_queue_name(getattr(queue, "name", queue))
        self.priority = terms.check_priority(priority)
        self.id_ = None if id_ is None else check_id(id_)
        self.deferred_until = terms.check_moment("deferred_until", deferred_until)
        self._retries = None if retries is None else terms.check_retries(retries)
        self._timeout = terms.check_span_or_none("timeout", timeout)
        self.ttl = terms.check_span_or_none("ttl", ttl)
        self.args = terms.serialize_args(args, self.connection)
        self.args_id_set = args_id is not None
        self.args_id = uuid4().hex if args_id is None else check_id(args_id, "args_id")
        self.args_ttl = terms.check_span_or_none("args_ttl", args_ttl)
        self.result_id = uuid4().hex if result_id is None else check_id(result_id, "result_id")
        self.result_ttl = terms.check_span_or_none("result_ttl", result_ttl)
        self.headers = terms.check_headers(headers)
        self.on_duplicate = terms.check_on_duplicate(on_duplicate)
        self.use_args_bucketer = terms.check_wish(
            "use_args_bucketer", use_args_bucketer, self.connection.args_bucket_broker
        )
        self.store_result = terms.check_wish(
            "store_result", store_result, self.connection.results_bucket_broker
        )
        terms.check_bucket_ids(
            self.args_id, self.result_id, self.connection, reads=args is None and self.args_id_set
        )
        self._answer: Enqueued | None = None

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
        job = cls(actor, args=bind(actor, args, kwargs))
        try:
            found.converter.convert_inputs(job.args or "")
        except ArgsInvalid as error:
            raise InvalidJob(str(error)) from error
        return job

    def using(self, **options: Any) -> "Job":
        """Return a copy with other options, named as in the constructor."""
        return type(self)(**{**self._given, **options})

    def __repr__(self) -> str:
        id_ = "" if self.id_ is None else f", id_={self.id_!r}"
        return f"Job({self.name!r}{id_})"

    @property
    def is_unique(self) -> bool:
        """Whether its id was chosen, so that only one such job waits or runs at a time."""
        return self.id_ is not None

    @property
    def queue(self) -> Queue:
        """The queue it goes to."""
        actor = None if self._queue is not None else self._find_actor()
        name = self._queue or (actor.queue if actor else "default")
        return Queue(name, self.connection)

    @property
    def retries(self) -> int:
        """Further tries after the first fails."""
        if self._retries is not None:
            return self._retries
        actor = self._find_actor()
        return 0 if actor is None or actor.retries is None else actor.retries

    @property
    def timeout(self) -> timedelta:
        """The time that one try may take."""
        if self._timeout is not None:
            return self._timeout
        actor = self._find_actor()
        return _DEFAULT_TIMEOUT if actor is None or actor.timeout is None else actor.timeout

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
        host().guard_sync("enqueue_many_sync")
        jobs = list(jobs)
        orders = [job._order() for job in jobs]
        return _receipts(jobs, orders, place_sync(orders))

    @property
    def result(self) -> Coroutine[Any, Any, ResultBucket | None]:
        """The result bucket, or None if there is none (yet, or any more); to be awaited."""
        require_loop("Job.result", "job.result_sync()")
        reading = self.connection.run(self.connection.result, self._awaited_id())
        return Loud(reading, f"{self!r}.result")

    def result_sync(self) -> ResultBucket | None:
        """Return the result bucket, or None if there is none (yet, or any more)."""
        host().guard_sync("result_sync")
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
        host().guard_sync("wait_sync")
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
        host().guard_sync("cancel_sync")
        return self._cancel()

    def _cancel(self) -> bool:
        id_ = self.id_ or (self._answer.key.id_ if self._answer else None)
        return id_ is not None and follow.cancel(self.connection, id_)

    def _wait(self, timeout: float | timedelta) -> follow.Wait:
        standing = self._answer.standing if self._answer else None
        stores = self.store_result if standing is None else standing.result is not None
        if not stores:
            message = f"{self!r} stores no result (store_result is False), so it cannot be awaited."
            raise ValueError(message)
        since = self._answer.enqueued_at if self._answer else None
        return follow.Wait(self.connection, self._awaited_id(), since, timeout)

    def _awaited_id(self) -> str:
        """The result's id: of a duplicate that was skipped, the one of the job that stands."""
        standing = self._answer.standing if self._answer else None
        if standing is not None and standing.result is not None:
            return standing.result.id_
        return self.result_id

    def _find_actor(self) -> Actor | None:
        return self._actor or host().find_actor(self.name)

    def _order(self) -> Order:
        key = RoutingKey(self.name, self.queue.name, self.priority, self.id_ or uuid4().hex)
        parameters = Parameters(
            execution_timeout=self.timeout,
            result=ResultProperties(self.result_id, self.result_ttl) if self.store_result else None,
            retries=RetriesProperties(self.retries),
            delay=DelayProperties(self.deferred_until),
            ttl=self.ttl,
        )
        in_bucket = self.args is not None and self.use_args_bucketer
        reads_bucket = in_bucket or (self.args is None and self.args_id_set)
        message = NewMessage(
            key=key,
            parameters=parameters,
            run_at=None if self.deferred_until is None else clock.to_us(self.deferred_until),
            payload=None if in_bucket else self.args,
            args_id=self.args_id if reads_bucket else None,
            args_generated=in_bucket and not self.args_id_set,
            args=ArgsBucket(self.args, ttl=self.args_ttl) if in_bucket and self.args else None,
            headers=self.headers,
            on_duplicate=OnDuplicate(self.on_duplicate) if self.is_unique else None,
        )
        return Order(self.connection, message)

    def _receive(self, order: Order, answer: Enqueued) -> Receipt:
        self._answer = answer
        return Receipt(answer.key, self.args or "", order.message.parameters, answer.duplicate)


async def _enqueue(job: Job) -> Receipt:
    return (await _enqueue_many([job]))[0]


async def _enqueue_many(jobs: Sequence[Job]) -> list[Receipt]:
    if not host().prepared:  # it imports every tasks module: nothing for an event loop
        await sync_to_async(host().prepare, thread_sensitive=True)()
    orders = [job._order() for job in jobs]
    return _receipts(jobs, orders, await place(orders))


def _receipts(
    jobs: Sequence[Job], orders: Sequence[Order], answers: Sequence[Enqueued]
) -> list[Receipt]:
    return [
        job._receive(order, answer)
        for job, order, answer in zip(jobs, orders, answers, strict=True)
    ]
