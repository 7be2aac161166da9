"""Rows to values and values to rows."""

from collections.abc import Sequence
from typing import Any

from django_repid.core import clock
from django_repid.core.bucket import ArgsBucket, BucketRecord, ResultBucket
from django_repid.core.claims import Work, WorkerInfo
from django_repid.core.codec import Spec, decode_headers, encode_headers
from django_repid.core.message import MessageState, NewMessage, RoutingKey, StoredMessage
from django_repid.core.settlement import Settlement
from django_repid.models import Bucket, Statistic, WorkerProcess

#: The columns of a message that is read, in the order that `message` takes them in: from the
#: seventh on they are the fields of a `StoredMessage`.
MESSAGE_COLUMNS = (
    "topic", "queue", "priority", "message_id", "id", "lease", "spec", "state", "headers",
    "cancel_asked", "args_generated", "run_at", "due_at", "tick", "enqueued_at", "claimed_at",
    "worker_id", "tries", "crashes", "suspicion", "payload", "args_id", "waits_for", "dead_reason",
)  # fmt: skip
MESSAGE_ID, PK, TOPIC, CLAIMED_AT = map(
    MESSAGE_COLUMNS.index, ("message_id", "id", "topic", "claimed_at")
)

#: The columns of a new message whose values come from its enqueuer. The three times beside them
#: come from the database's clock: see `Statements.enqueue`.
NEW_COLUMNS = (
    "message_id", "queue", "topic", "priority", "args_id", "args_generated", "payload", "spec",
    "headers", "tick",
)  # fmt: skip

#: The columns of a new message that the database's clock fills where its enqueuer does not.
TIME_COLUMNS = ("run_at", "due_at", "enqueued_at")

#: The columns of a new message that begin the same for every one, as SQL.
FIRST_VALUES = {
    "state": "0",
    "lease": "0",
    "tries": "0",
    "crashes": "0",
    "suspicion": "0",
    "cancel_asked": "FALSE",
    "dead_reason": "''",
}

#: What an overwritten message is reset to besides. Its lease is not: it never goes back.
RESET_VALUES = {
    **{name: value for name, value in FIRST_VALUES.items() if name != "lease"},
    "renewal": "NULL",
    "worker_id": "NULL",
    "claimed_at": "NULL",
    "waits_for": "NULL",
}

BUCKET_COLUMNS = (
    "bucket_id", "kind", "generated", "data", "stored_at", "expires_at", "started_ns",
    "finished_ns", "success", "exception", "message_id", "topic", "queue", "priority", "tries",
    "worker", "payload", "args_id", "spec", "headers",
)  # fmt: skip

FAILURE_COLUMNS = (
    "message_key", "message_id", "topic", "queue", "worker", "number", "lease", "failed_at",
    "duration_us", "exception", "fingerprint", "text", "traceback",
)  # fmt: skip

UPDATE_COLUMNS = (
    "state", "run_at", "due_at", "tick", "tries", "crashes", "suspicion", "waits_for",
    "dead_reason",
)  # fmt: skip

_STATES = tuple(MessageState)
_ARGUMENTS, _RESULT = (int(kind) for kind in Bucket.Kind)
_NOWHERE = (None,) * 10


def message(row: Sequence[Any]) -> StoredMessage:
    """Return the message that a row of `MESSAGE_COLUMNS` holds."""
    topic, queue, priority, id_, pk, lease, spec, state, headers, cancel, generated, *rest = row
    return StoredMessage(
        RoutingKey(topic, queue, priority, id_, pk, lease),
        Spec.read(spec),
        _STATES[state],
        decode_headers(headers) if headers else {},
        bool(cancel),
        bool(generated),
        *rest,
    )


def new_message(new: NewMessage) -> tuple[Any, ...]:
    """Return the values of `NEW_COLUMNS`."""
    key = new.key
    return (
        key.id_, key.queue, key.topic, int(key.priority), new.args_id, new.args_generated,
        new.payload, new.spec.text, encode_headers(new.headers), new.tick,
    )  # fmt: skip


def update(end: Settlement) -> tuple[Any, ...]:
    """Return the values of `UPDATE_COLUMNS`, and whether a wish to cancel is forgotten."""
    assert end.state is not None  # noqa: S101 - rows that go are deleted, not updated
    return (
        int(end.state), end.run_at, end.due_at, end.tick, end.tries, end.crashes, end.suspicion,
        end.waits_for, end.dead_reason, end.uncancel,
    )  # fmt: skip


def failure(end: Settlement) -> tuple[Any, ...]:
    """Return the values of `FAILURE_COLUMNS`."""
    key, found = end.message.key, end.failure
    assert found is not None  # noqa: S101 - callers have filtered
    return (
        key.pk, key.id_, key.topic, key.queue, found.worker, end.message.tries + 1, key.lease,
        found.at, found.duration_us, found.exception[:255], found.fingerprint, found.text,
        found.traceback,
    )  # fmt: skip


def bucket(record: BucketRecord, now: int) -> tuple[Any, ...]:
    """Return the values of `BUCKET_COLUMNS`; `now` for a record that does not say when."""
    origin, ttl = record.origin, record.ttl
    stored_at = now if record.stored_at is None else record.stored_at
    expires_at = None if ttl is None else stored_at + ttl
    outcome: tuple[Any, ...] = (None, None, None, None)
    came_from: tuple[Any, ...] = _NOWHERE
    kind = _ARGUMENTS
    if record.finished_ns is not None:
        exception = None if record.exception is None else record.exception[:255]
        kind, outcome = _RESULT, (record.started_ns, record.finished_ns, record.success, exception)
    if origin is not None:
        key = origin.key
        came_from = (
            key.id_, key.topic, key.queue, int(key.priority), record.tries, record.worker,
            origin.payload, origin.args_id, origin.spec.text, encode_headers(origin.headers),
        )  # fmt: skip
    return (
        record.id_, kind, record.generated, record.data, stored_at, expires_at,
        *outcome, *came_from,
    )  # fmt: skip


def bucket_value(row: Bucket) -> ArgsBucket:
    """Return the bucket that a model instance holds."""
    ttl = None
    if row.expires_at is not None:
        ttl = clock.from_us(row.expires_at) - clock.from_us(row.stored_at)
    stored_at = clock.from_us(row.stored_at)
    if row.kind == Bucket.Kind.ARGUMENTS:
        return ArgsBucket(row.data, stored_at, ttl, row.bucket_id)
    return ResultBucket(
        row.data,
        stored_at,
        ttl,
        row.bucket_id,
        started_when=row.started_ns or 0,
        finished_when=row.finished_ns or 0,
        success=bool(row.success),
        exception=row.exception,
    )


def statistic(worker_id: int, work: Work) -> Statistic:
    """Return the row of what a worker did."""
    return Statistic(
        minute=work.minute,
        queue=work.queue,
        topic=work.topic,
        worker_id=worker_id,
        succeeded=work.succeeded,
        failed=work.failed,
        retried=work.retried,
        duration_us=work.duration_us,
        histogram=" ".join(map(str, work.histogram)),
    )


def work(row: Statistic) -> Work:
    """Return what a row of statistics says."""
    return Work(
        minute=row.minute,
        queue=row.queue,
        topic=row.topic,
        succeeded=row.succeeded,
        failed=row.failed,
        retried=row.retried,
        duration_us=row.duration_us,
        histogram=tuple(map(int, row.histogram.split())),
    )


def worker_info(row: WorkerProcess) -> WorkerInfo:
    """Return who a worker's row says it is."""
    return WorkerInfo(
        name=row.name,
        host=row.host,
        boot_id=row.boot_id,
        pid=row.pid,
        pid_started=row.pid_started,
        queues=row.queues.split(),
        topics=row.topics.split(),
        version=row.version,
        schedules=row.schedules.split(),
    )
