"""Buckets: the stored arguments of a job, and its stored result."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django_repid.core.clock import utc_now
from django_repid.core.errors import JobFailed


@dataclass(frozen=True, slots=True)
class ArgsBucket:
    """Serialized arguments, kept apart from their message.

    `data` is the text that the serializer made. `ttl` counts from `timestamp` (aware); None means
    that the bucket never expires. `id_` is set on buckets that came out of a store.
    """

    data: str
    timestamp: datetime = field(default_factory=utc_now)
    ttl: timedelta | None = None
    id_: str | None = None

    @property
    def expires_at(self) -> datetime | None:
        """The instant from which no reader sees this bucket any more, or None."""
        return None if self.ttl is None else self.timestamp + self.ttl

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a result came from, kept beside it so that a finished job can be looked at."""

    message_id: str
    topic: str
    queue: str
    priority: int
    tries: int
    worker: str
    payload: str | None
    args_id: str | None
    spec: str
    headers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRecord:
    """One bucket on its way into a store. `generated`: its id was made by us, not chosen."""

    id_: str
    bucket: ArgsBucket
    generated: bool = False
    origin: Origin | None = None
