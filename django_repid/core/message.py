"""A message: the record of a job that waits, runs or is dead."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from django_repid.core import clock
from django_repid.core.codec import Spec
from django_repid.core.names import new_id
from django_repid.core.schedule import Schedule


class PrioritiesT(IntEnum):
    """The priorities that have a name. Any small integer is legal, and more is sooner."""

    LOW = 0
    MEDIUM = 5
    HIGH = 9


class MessageCategory(StrEnum):
    """What a queue can be browsed for."""

    NORMAL = "NORMAL"
    DELAYED = "DELAYED"
    DEAD = "DEAD"


class MessageState(IntEnum):
    """The three states of a row. A deferred or retried job is READY with a later `run_at`."""

    READY = 0
    RUNNING = 1
    DEAD = 2


class OnDuplicate(StrEnum):
    """What becomes of an enqueue whose chosen id waits or runs already."""

    SKIP = "skip"
    RAISE = "raise"
    REPLACE = "replace"


#: A recurring job with an id is an upsert, whichever of these was asked for.
_RENEWING = (OnDuplicate.SKIP, OnDuplicate.REPLACE)


@dataclass(frozen=True, slots=True)
class RoutingKey:
    """Where a message belongs, and which attempt of it this is.

    `pk` and `lease` are the fence: an attempt may change its message only while the store still
    holds it under this pair in state RUNNING. `pk` is None until the store has assigned one.
    """

    topic: str
    queue: str = "default"
    priority: int = PrioritiesT.MEDIUM
    id_: str = field(default_factory=new_id)
    pk: int | None = None
    lease: int = 0


@dataclass(frozen=True, slots=True)
class RetriesProperties:
    """How often a job may be tried again, and how often it has been."""

    max_amount: int = 0
    already_tried: int = 0


@dataclass(frozen=True, slots=True)
class ResultProperties:
    """Under which id a job's result is stored, and for how long (None: for ever)."""

    id_: str
    ttl: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DelayProperties:
    """When a job may run, and when it comes again.

    `cron` goes by the time zone that `timezone` names. `next_execution_time`: not before; None
    until the job is stored.
    """

    delay_until: datetime | None = None
    defer_by: timedelta | None = None
    cron: str | None = None
    timezone: str | None = None
    next_execution_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Parameters:
    """The terms of a job: everything about it that is neither its arguments nor its address."""

    execution_timeout: timedelta = timedelta(minutes=10)
    result: ResultProperties | None = None
    retries: RetriesProperties = RetriesProperties()
    delay: DelayProperties = DelayProperties()
    timestamp: datetime = field(default_factory=clock.utc_now)
    ttl: timedelta | None = None

    @property
    def is_overdue(self) -> bool:
        """Whether the `ttl` is over since the due time that these terms know of."""
        due = self.delay.next_execution_time or self.delay.delay_until or self.timestamp
        return self.ttl is not None and clock.utc_now() > due + self.ttl

    @property
    def compute_next_execution_time(self) -> datetime | None:
        """When the job would come next if its occurrence ended now; None if it does not recur."""
        delay, now = self.delay, clock.now_us()
        every = None if delay.defer_by is None else clock.span_us(delay.defer_by)
        until = None if delay.delay_until is None else clock.to_us(delay.delay_until)
        if every is None and delay.cron is None:
            return delay.delay_until if until is not None and until > now else None
        schedule = Schedule(every, delay.cron, delay.timezone)
        tick = clock.to_us(delay.next_execution_time or self.timestamp)
        coming = until if until is not None and until > now else schedule.following(tick, now)
        return clock.from_us(coming)

    @classmethod
    def of(cls, spec: Spec, *, tries: int = 0, run_at: int | None = None) -> "Parameters":
        """Return what a spec says; `run_at` in microseconds."""
        until = None if spec.until is None else clock.from_us(spec.until)
        coming = None if run_at is None else clock.from_us(run_at)
        delay = DelayProperties(until, next_execution_time=coming)
        if (again := spec.again) is not None:
            every = _span_or_none(again.every)
            delay = DelayProperties(until, every, again.cron, again.zone, coming)
        return cls(
            execution_timeout=clock.span(spec.timeout),
            result=None
            if spec.result_id is None
            else ResultProperties(spec.result_id, _span_or_none(spec.result_ttl)),
            retries=RetriesProperties(spec.retries, tries),
            delay=delay,
            timestamp=clock.from_us(spec.at),
            ttl=_span_or_none(spec.ttl),
        )


def _span_or_none(microseconds: int | None) -> timedelta | None:
    return None if microseconds is None else clock.span(microseconds)


@dataclass(slots=True, kw_only=True)
class NewMessage:
    """What `enqueue` hands to a broker. Made once for each job, so not frozen: see `Spec`.

    `run_at` None means "now, by the store's clock". `args` is to be stored under `args_id`, for
    `args_ttl` microseconds. Without `on_duplicate` the id was generated for this enqueue and
    cannot clash. `tick`: the first occurrence of a recurring job.
    """

    key: RoutingKey
    spec: Spec
    run_at: int | None = None
    tick: int | None = None
    payload: str | None = field(default=None, repr=False)  # it may hold secrets, here and below
    args_id: str | None = None
    args_generated: bool = False
    args: str | None = field(default=None, repr=False)
    args_ttl: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    on_duplicate: OnDuplicate | None = None

    @property
    def parameters(self) -> Parameters:
        """Its terms."""
        return Parameters.of(self.spec, run_at=self.run_at)

    @property
    def renews(self) -> bool:
        """Whether it takes the place of a recurring job of its id, also of one that runs."""
        return self.tick is not None and self.on_duplicate in _RENEWING


@dataclass(slots=True)
class StoredMessage:
    """A message as its store holds it: claimed by a worker, or looked at.

    Times are microseconds since the epoch by the store's clock. `run_at`: not before; of a dead
    message, when it died. `due_at`: when it became due, which `ttl` counts from (back-off moves
    only `run_at`). `tick`: of a recurring job, the occurrence that it stands for. `tries`: failed
    attempts so far. `suspicion`: see `core.suspicion`.
    `waits_for`: the bucket it waits for.
    Nobody changes one; it is not frozen for the reason that `Spec` is not.
    """

    key: RoutingKey
    spec: Spec
    state: MessageState
    headers: Mapping[str, str] = field(repr=False)
    cancel_asked: bool
    args_generated: bool
    run_at: int
    due_at: int
    tick: int | None
    enqueued_at: int
    claimed_at: int | None
    worker_id: int | None
    tries: int
    crashes: int
    suspicion: int
    payload: str | None = field(repr=False)
    args_id: str | None
    waits_for: str | None
    dead_reason: str

    @property
    def parameters(self) -> Parameters:
        """Its terms."""
        return Parameters.of(self.spec, tries=self.tries, run_at=self.run_at)


@dataclass(slots=True, kw_only=True)
class Enqueued:
    """What a broker answers for one `NewMessage`.

    Where the message is only written on commit, `duplicate` and `enqueued_at` are None until
    then. `standing`: the terms of the job that a duplicate found in its place.
    """

    key: RoutingKey
    duplicate: bool | None
    enqueued_at: int | None
    standing: Spec | None = None

    def complete(self, written: "Enqueued") -> None:
        """Take over what is known once the message has been written."""
        self.key, self.duplicate = written.key, written.duplicate
        self.enqueued_at, self.standing = written.enqueued_at, written.standing
