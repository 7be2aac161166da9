"""What a job is asked for with: checked when it is made, and turned into a message."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self, Unpack

from django_repid.core import clock, terms
from django_repid.core.actor import Actor
from django_repid.core.binding import identify
from django_repid.core.codec import Spec
from django_repid.core.connection import Connection, get_connection
from django_repid.core.enqueue import Order
from django_repid.core.host import host
from django_repid.core.job_options import JobOptions
from django_repid.core.message import (
    NewMessage,
    OnDuplicate,
    PrioritiesT,
    RoutingKey,
)
from django_repid.core.names import check_id, check_queue_name, new_id
from django_repid.core.queue import Queue

_DEFAULT_TIMEOUT = timedelta(minutes=10)
_ONE_DAY = timedelta(days=1)


class JobTerms:
    """The terms of a job, and the message that they make."""

    def __init__(
        self,
        name: str | Callable[..., Any],
        queue: str | Queue | None = None,
        *,
        priority: int = PrioritiesT.MEDIUM,
        id_: str | None = None,
        deferred_until: datetime | None = None,
        deferred_by: timedelta | None = None,
        cron: str | None = None,
        timezone: str | tzinfo | None = None,
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
            deferred_by: recurring: this long after now (or at `deferred_until`), and then every
                time that it has passed again.
            cron: recurring: five fields, or one of @hourly, @daily, @weekly, @monthly, @yearly.
            timezone: that `cron` goes by: a name, or a `tzinfo` with one; default: the current
                time zone.
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
        #: When this object was made; aware.
        self.timestamp = clock.utc_now()
        self.connection = get_connection(connection)
        self._actor, self.name = identify(name)
        self._queue = None if queue is None else check_queue_name(getattr(queue, "name", queue))
        self.priority = terms.check_priority(priority)
        self.id_ = None if id_ is None else check_id(id_)
        self.deferred_until = terms.check_moment("deferred_until", deferred_until)
        self.deferred_by, self.cron = deferred_by, cron
        self.schedule = terms.check_recurrence(deferred_by, cron, timezone)
        self._retries = None if retries is None else terms.check_retries(retries)
        self._timeout = terms.check_span_or_none("timeout", timeout)
        self.ttl = terms.check_span_or_none("ttl", ttl)
        self.args = terms.serialize_args(args, self.connection)
        self.args_id_set = args_id is not None
        self.args_id = new_id() if args_id is None else check_id(args_id, "args_id")
        self.args_ttl = terms.check_span_or_none("args_ttl", args_ttl)
        self.result_id = new_id() if result_id is None else check_id(result_id, "result_id")
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

    def using(self, **options: Unpack[JobOptions]) -> Self:
        """Return a copy with other options, named as in the constructor."""
        return type(self)(**self._given | dict(options))

    def __repr__(self) -> str:
        id_ = "" if self.id_ is None else f", id_={self.id_!r}"
        return f"Job({self.name!r}{id_})"

    @property
    def is_unique(self) -> bool:
        """Whether its id was chosen, so that only one such job waits or runs at a time."""
        return self.id_ is not None

    @property
    def is_deferred(self) -> bool:
        """Whether it is not due at once, or not only once."""
        return self.deferred_until is not None or self.schedule is not None

    @property
    def is_overdue(self) -> bool:
        """Whether its `ttl` is over, counted from its due time if it was enqueued when made.

        A recurring job is due anew at each occurrence; this is about the first one.
        """
        if self.ttl is None:
            return False
        made = clock.to_us(self.timestamp)
        until = None if self.deferred_until is None else clock.to_us(self.deferred_until)
        due = (
            max(made, until or made) if self.schedule is None else self.schedule.first(made, until)
        )
        return clock.now_us() > due + clock.span_us(self.ttl)

    @property
    def queue(self) -> Queue:
        """The queue it goes to."""
        actor = None if self._queue is not None else self._find_actor()
        name = self._queue or (actor.queue if actor else "default")
        return Queue(name, self.connection)

    @property
    def retries(self) -> int:
        """Further tries after the first fails."""
        return self._retries_of(self._find_actor())

    def _retries_of(self, actor: Actor | None) -> int:
        if self._retries is not None:
            return self._retries
        return 0 if actor is None or actor.retries is None else actor.retries

    @property
    def timeout(self) -> timedelta:
        """The time that one try may take."""
        return self._timeout_of(self._find_actor())

    def _timeout_of(self, actor: Actor | None) -> timedelta:
        if self._timeout is not None:
            return self._timeout
        return _DEFAULT_TIMEOUT if actor is None or actor.timeout is None else actor.timeout

    def _find_actor(self) -> Actor | None:
        return self._actor or host().find_actor(self.name)

    def order(self) -> Order:
        """Return the message that an enqueue writes; a new id each time unless one was chosen."""
        actor = None
        if self._queue is None or self._retries is None or self._timeout is None:
            actor = self._find_actor()
        queue = self._queue or (actor.queue if actor else "default")
        key = RoutingKey(self.name, queue, self.priority, self.id_ or new_id())
        until = None if self.deferred_until is None else clock.to_us(self.deferred_until)
        now = clock.now_us()
        tick = None if self.schedule is None else self.schedule.first(now, until)
        spec = Spec.write(
            now,
            timeout=clock.span_us(self._timeout_of(actor)),
            retries=self._retries_of(actor),
            ttl=_us(self.ttl),
            until=until,
            result_id=self.result_id if self.store_result else None,
            result_ttl=_us(self.result_ttl),
            again=self.schedule,
        )
        in_bucket = self.args is not None and self.use_args_bucketer
        reads_bucket = in_bucket or (self.args is None and self.args_id_set)
        message = NewMessage(
            key=key,
            spec=spec,
            run_at=until if tick is None else tick,
            tick=tick,
            payload=None if in_bucket else self.args,
            args_id=self.args_id if reads_bucket else None,
            args_generated=in_bucket and not self.args_id_set,
            args=self.args if in_bucket else None,
            args_ttl=_us(self.args_ttl),
            headers=self.headers,
            on_duplicate=OnDuplicate(self.on_duplicate) if self.is_unique else None,
        )
        return Order(self.connection, message)


def _us(span: timedelta | None) -> int | None:
    return None if span is None else clock.span_us(span)
