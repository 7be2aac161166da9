"""How an attempt ended, and what is kept of it: its result bucket, and its failure."""

from dataclasses import dataclass, field

from django_repid.core import clock
from django_repid.core.answer import Answer
from django_repid.core.bucket import BucketRecord
from django_repid.core.cause import Cause
from django_repid.core.message import StoredMessage
from django_repid.core.settlement import Failure

#: Characters of an exception's text that lists show; its traceback holds the whole.
_TEXT_LIMIT = 2000


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How an attempt ended; what `after_actor_run` gets as `result`.

    `data` is the serialized result of a success. Times are nanoseconds since the epoch. `answer`:
    what the actor itself said is to follow; see `core.eager`.
    """

    data: str = field(default="", repr=False)  # it may hold secrets
    success: bool = True
    exception: BaseException | None = None
    started_when: int
    finished_when: int
    answer: Answer | None = None

    @property
    def done(self) -> bool:
        """Whether what an atomic actor has written stays."""
        return self.success if self.answer is None else self.answer.done


@dataclass(slots=True, kw_only=True)
class Bench:
    """What judging needs to know of the place it happens at."""

    worker: str
    now: int
    traceback_limit: int = 64 * 1024


def unstarted(error: Exception) -> Outcome:
    """Return the outcome of an attempt whose actor was not run."""
    now = clock.now_ns()
    return Outcome(success=False, exception=error, started_when=now, finished_when=now)


def result_of(
    message: StoredMessage, outcome: Outcome, bench: Bench, *, tries: int | None = None
) -> BucketRecord | None:
    """Return the result bucket that an outcome leaves; None where the job stores none."""
    wanted = message.spec.result_id
    if wanted is None:
        return None
    cause = None if outcome.exception is None else Cause.of(outcome.exception)
    return BucketRecord(
        id_=wanted,
        data=outcome.data if cause is None else _capped(cause.text, bench.traceback_limit),
        # Not before its own enqueue, which whoever waits for it compares it with.
        stored_at=max(bench.now, message.enqueued_at),
        ttl=message.spec.result_ttl,
        started_ns=outcome.started_when,
        finished_ns=outcome.finished_when,
        success=outcome.success,
        exception=None if cause is None else cause.name,
        origin=message,
        tries=message.tries if tries is None else tries,
        worker=bench.worker,
    )


def failure_of(outcome: Outcome, cause: Cause, bench: Bench) -> Failure:
    """Return what is kept of a failing attempt."""
    text = cause.traceback
    if len(stored := text.encode()) > bench.traceback_limit:
        # The end names the error, so the beginning goes.
        text = "…\n" + stored[-bench.traceback_limit :].decode(errors="ignore")
    return Failure(
        exception=cause.name,
        text=cause.text[:_TEXT_LIMIT],
        traceback=text,
        fingerprint=cause.fingerprint,
        worker=bench.worker,
        at=bench.now,
        duration_us=(outcome.finished_when - outcome.started_when) // 1000,
    )


def _capped(text: str, limit: int) -> str:
    """Return the beginning of a text, at most `limit` bytes."""
    return text.encode()[:limit].decode(errors="ignore")
