"""Buckets: the stored arguments of a job, and its stored result."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django_repid.core import clock
from django_repid.core.errors import JobFailed
from django_repid.core.message import NewMessage, StoredMessage


@dataclass(frozen=True, slots=True)
class ArgsBucket:
    """Serialized arguments, kept apart from their message.

    `data` is the text that the serializer made. `ttl` counts from `timestamp` (aware); None means
    that the bucket never expires. `id_` is set on buckets that came out of a store.
    """

    data: str = field(repr=False)  # it may hold secrets, here and below
    timestamp: datetime = field(default_factory=clock.utc_now)
    ttl: timedelta | None = None
    id_: str | None = None

    @property
    def expires_at(self) -> datetime | None:
        """The instant from which no reader sees this bucket any more, or None."""
        return None if self.ttl is None else self.timestamp + self.ttl

    @property
    def is_overdue(self) -> bool:
        """Whether its `ttl` is over, so that no reader is handed it any more."""
        end = self.expires_at
        return end is not None and clock.utc_now() >= end

    @property
    def value(self) -> Any:
        """`data` decoded from JSON."""
        return json.loads(self.data)


@dataclass(frozen=True, slots=True)
class ResultBucket(ArgsBucket):
    """The final outcome of a job; also readable as the arguments of another.

    `started_when` and `finished_when` are nanoseconds since the epoch by the worker's clock. Of a
    failed job, `success` is False, `data` the exception's text and `exception` its class name.
    """

    data: str  # whoever prints a result wants to see it
    started_when: int = 0
    finished_when: int = 0
    success: bool = True
    exception: str | None = None

    @property
    def value(self) -> Any:
        """`data` decoded from JSON.

        Raises:
            JobFailed: the job failed; the text names the exception it failed with.

        """
        if not self.success:
            message = f"The job failed with {self.exception}: {self.data}"
            raise JobFailed(message)
        return json.loads(self.data)


@dataclass(slots=True, kw_only=True)
class BucketRecord:
    """One bucket on its way into a store. One is made for every job: so not frozen, see `Spec`.

    `stored_at` (microseconds; None: now, by the store's clock) and `ttl` (microseconds) make its
    end. `generated`: its id was made by us, not chosen. With `finished_ns` it is a result.
    `origin` is the message that it came from, kept beside it so that a finished job can be looked
    at: after `tries` failed tries, by `worker`.
    """

    id_: str
    data: str = field(repr=False)
    stored_at: int | None = None
    ttl: int | None = None
    generated: bool = False
    started_ns: int = 0
    finished_ns: int | None = None
    success: bool = True
    exception: str | None = None
    origin: StoredMessage | None = None
    tries: int = 0
    worker: str = ""

    @classmethod
    def of(cls, id_: str, bucket: ArgsBucket, *, generated: bool = False) -> "BucketRecord":
        """Return the record of a bucket."""
        record = cls(
            id_=id_,
            data=bucket.data,
            stored_at=clock.to_us(bucket.timestamp),
            ttl=None if bucket.ttl is None else clock.span_us(bucket.ttl),
            generated=generated,
        )
        if isinstance(bucket, ResultBucket):
            record.started_ns, record.finished_ns = bucket.started_when, bucket.finished_when
            record.success, record.exception = bucket.success, bucket.exception
        return record

    @property
    def bucket(self) -> ArgsBucket:
        """The bucket as its readers see it."""
        at = clock.utc_now() if self.stored_at is None else clock.from_us(self.stored_at)
        ttl = None if self.ttl is None else clock.span(self.ttl)
        if self.finished_ns is None:
            return ArgsBucket(self.data, at, ttl, self.id_)
        return ResultBucket(
            self.data,
            at,
            ttl,
            self.id_,
            started_when=self.started_ns,
            finished_when=self.finished_ns,
            success=self.success,
            exception=self.exception,
        )


def args_record(message: NewMessage) -> BucketRecord | None:
    """Return the args bucket that is to be stored with a message, if there is one."""
    if message.args is None or message.args_id is None:
        return None
    return BucketRecord(
        id_=message.args_id,
        data=message.args,
        ttl=message.args_ttl,
        generated=message.args_generated,
    )
