"""What follows from how an attempt ended: pure functions, one decision table.

=========================================  ==================================================
attempt                                    settlement
=========================================  ==================================================
succeeded                                  row gone, result stored
failed, tries left                         ready again after the back-off, failure kept
failed with RetryAfter, tries left         ready again when it says, failure kept
failed, no tries left                      dead letter, failed result and failure stored
failed for good (arguments, result, or     dead letter at once, whatever tries are left
as `retry_on` and `give_up_on` say)
failed or not started, cancel asked        row gone, failed result "Cancelled" stored
not started within its ttl                 dead letter, failed result "TtlExpired" stored
its chosen args bucket is not there yet    ready again after a short while, at no cost of a try
interrupted by the worker's shutdown       ready again as it was, counters untouched
killed the process that ran it alone       ready again under more suspicion; in the end a dead
                                           letter and failed result "Quarantined"
=========================================  ==================================================

Where a recurring job would be gone or a dead letter, it is ready for its next occurrence instead:
only a quarantine and a cancel end it. Further tries of one occurrence come before the next one.
"""

from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import timedelta

from django_repid.core import clock, settlement
from django_repid.core.bucket import ArgsBucket, ResultBucket
from django_repid.core.cause import Cause, RemoteFailure
from django_repid.core.errors import (
    ArgsBucketMissing,
    Cancelled,
    Quarantined,
    RepidError,
    ResultInvalid,
    TtlExpired,
    UpstreamFailed,
)
from django_repid.core.message import StoredMessage
from django_repid.core.outcome import Bench, Outcome, failure_of, result_of, unstarted
from django_repid.core.retry import RetryPolicyT, backoff
from django_repid.core.retryable import ALL, Retryable
from django_repid.core.settlement import Failure, Settlement
from django_repid.core.suspicion import CONVICTED, ISOLATED

#: How long a job waits that has killed its process: whatever else ails the machine may pass.
_CRASH_PAUSE_US = 1_000_000


def judge(
    message: StoredMessage,
    outcome: Outcome,
    policy: RetryPolicyT,
    bench: Bench,
    *,
    cancel_asked: bool = False,
    secrets: Container[str] = (),
    retryable: Retryable = ALL,
) -> Settlement:
    """Decide what follows from an attempt of `message`. `secrets`: arguments that nobody reads."""
    if outcome.success:
        end = settlement.gone(message, result=result_of(message, outcome, bench), processed=True)
        return end if cancel_asked else onward(end, outcome, bench)
    exception = outcome.exception
    assert exception is not None  # noqa: S101 - an outcome without success has one
    cause = Cause.of(exception, retryable).hiding(message.payload, secrets)
    outcome = replace(outcome, exception=RemoteFailure(cause))
    failure = failure_of(outcome, cause, bench)
    tries = message.tries + 1
    if cancel_asked or message.cancel_asked:
        return cancelled(message, bench, failure=failure, processed=True)
    if cause.final or tries > message.spec.retries:
        end = settlement.dead(
            message,
            at=bench.now,
            reason=cause.line,
            result=result_of(message, outcome, bench, tries=tries),
            failure=failure,
            tries=tries,
            processed=True,
        )
        return onward(end, outcome, bench)
    run_at = _next_try(cause, policy, tries, bench.now)
    return settlement.again(message, run_at=run_at, tries=tries, failure=failure, processed=True)


def refuse(message: StoredMessage, error: Exception, bench: Bench) -> Settlement:
    """Decide what follows when a claimed message cannot be started, now or ever."""
    outcome = unstarted(error)
    return onward(_refused(message, outcome, bench), outcome, bench)


def _refused(message: StoredMessage, outcome: Outcome, bench: Bench) -> Settlement:
    assert outcome.exception is not None  # noqa: S101 - it was not started, for a reason
    cause = Cause.of(outcome.exception)
    return settlement.dead(
        message,
        at=bench.now,
        reason=cause.line,
        result=result_of(message, outcome, bench),
        failure=failure_of(outcome, cause, bench),
        tries=message.tries,
        processed=False,
    )


def onward(end: Settlement, outcome: Outcome, bench: Bench) -> Settlement:
    """Let the end of a job's occurrence be followed by the next one, if the job recurs.

    What was missed until the actor started is made up for by that run, and left out. What came due
    while it ran follows at once.
    """
    if end.message.spec.again is None:
        return end
    spent = (outcome.finished_when - outcome.started_when) // 1000
    return settlement.recurring(end, after=bench.now - spent)


def cancelled(
    message: StoredMessage,
    bench: Bench,
    *,
    failure: Failure | None = None,
    processed: bool = False,
) -> Settlement:
    """Decide what follows when a job was cancelled before it came to an end."""
    outcome = unstarted(Cancelled("The job was cancelled."))
    result = result_of(message, outcome, bench)
    ended = settlement.gone(message, result=result, processed=processed)
    return ended if failure is None else replace(ended, failure=failure)


def refused_by_store(end: Settlement, error: ResultInvalid) -> Settlement:
    """Decide what follows when the store cannot take what a job left behind.

    The work is done, so it is not done again: a dead letter says what happened.
    """
    bench = Bench(worker="", now=clock.now_us())
    outcome = unstarted(error)
    instead = settlement.dead(
        end.message,
        at=bench.now,
        reason=Cause.of(error).line,
        result=result_of(end.message, outcome, bench),
        failure=None,
        tries=end.message.tries + 1,
        processed=True,
    )
    return onward(instead, outcome, bench)


def hand_back(message: StoredMessage, *, run_at: int | None = None) -> Settlement:
    """Decide what follows when a message was claimed and its attempt does not count.

    `run_at`: not before; at once unless it is given.
    """
    return settlement.again(
        message,
        run_at=message.run_at if run_at is None else run_at,
        tries=message.tries,
        suspicion=message.suspicion,
        waits_for=message.waits_for,
    )


def crashed(message: StoredMessage, died: RepidError, bench: Bench) -> Settlement:
    """Decide what follows when the process died that ran this job and nothing else."""
    level = max(message.suspicion, ISOLATED) + 1
    failure = failure_of(unstarted(died), Cause.of(died), bench)
    if level < CONVICTED:
        return settlement.again(
            message,
            run_at=bench.now + _CRASH_PAUSE_US,
            tries=message.tries,
            crashes=message.crashes + 1,
            suspicion=level,
            failure=failure,
        )
    error = Quarantined(f"Again and again the process died that ran this job alone: {died}")
    end = _refused(message, unstarted(error), bench)  # a recurring job pauses here
    return replace(end, failure=failure, crashes=message.crashes + 1, processed=True)


def examine(
    message: StoredMessage, buckets: Mapping[str, ArgsBucket], bench: Bench, args_wait_us: int
) -> StoredMessage | Settlement:
    """Decide whether a claimed message can start: it, with its arguments, or its settlement.

    `buckets` holds what was found under the args ids of the whole claim.
    """
    if message.cancel_asked:
        return cancelled(message, bench)
    bucket = None if message.args_id is None else buckets.get(message.args_id)
    if message.args_id is not None and bucket is None:
        return _without_arguments(message, bench, args_wait_us)
    ttl = message.spec.ttl
    if ttl is not None and bench.now > message.due_at + ttl:
        late = TtlExpired(f"Not started within {clock.span(ttl)} after it became due.")
        return refuse(message, late, bench)
    if bucket is None:
        return message
    if isinstance(bucket, ResultBucket) and not bucket.success:
        error = UpstreamFailed(
            f"The job whose result {message.args_id!r} was to be the arguments failed with "
            f"{bucket.exception}: {bucket.data}"
        )
        return refuse(message, error, bench)
    return replace(message, payload=bucket.data)


def _without_arguments(message: StoredMessage, bench: Bench, args_wait_us: int) -> Settlement:
    if message.args_generated:
        # Its bucket was written with it, so it has expired or was deleted: it won't come back.
        text = f"The bucket {message.args_id!r} that held the arguments has expired or was deleted."
        return refuse(message, ArgsBucketMissing(text), bench)
    ttl = message.spec.ttl
    patience = args_wait_us if ttl is None else ttl
    waited = bench.now - message.due_at
    if waited >= patience:
        text = (
            f"No bucket {message.args_id!r} appeared within {timedelta(microseconds=patience)}. "
            f"Enqueue the job that stores it, or give it more time by REPID[…]['OPTIONS']"
            f"['ARGS_WAIT_SECONDS']."
        )
        return refuse(message, ArgsBucketMissing(text), bench)
    # It is freed when the bucket is stored; looking now and then covers stores that cannot tell.
    pause = min(max(waited // 4, 500_000), 15_000_000, patience - waited)
    return settlement.again(
        message,
        run_at=bench.now + pause,
        tries=message.tries,
        suspicion=message.suspicion,
        waits_for=message.args_id,
    )


def _next_try(cause: Cause, policy: RetryPolicyT, number: int, now: int) -> int:
    """Return when a job is tried again: as its actor asked, else by its policy."""
    if cause.again_at is not None:
        return max(cause.again_at, now)
    if cause.again_in is not None:
        return now + cause.again_in
    return now + clock.span_us(backoff(policy, number))
