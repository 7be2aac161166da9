"""What follows from an eager response: the actor's own word on its message.

===========  ====================================================================================
response     settlement
===========  ====================================================================================
ack          row gone (a recurring job comes again); a result is stored if the actor gave one
nack         dead letter with its reason, failed result and failure stored, whatever tries are left
reject       ready again at once as it was, counters untouched
retry        ready again after the wait it names, or the back-off; counted as a try
force_retry  the same, also where no tries are left
reschedule   ready again now, as if just enqueued; a result is stored if the actor gave one
===========  ====================================================================================

A job that was asked to stop does not come again: all but `ack` end it as `Cancelled`.
"""

from collections.abc import Container
from dataclasses import replace

from django_repid.core import clock, settlement
from django_repid.core.answer import Verb
from django_repid.core.cause import Cause, RemoteFailure
from django_repid.core.errors import RepidError
from django_repid.core.message import StoredMessage
from django_repid.core.outcome import Bench, Outcome, failure_of, result_of
from django_repid.core.retry import RetryPolicyT, backoff
from django_repid.core.retryable import ALL, Retryable
from django_repid.core.settlement import Failure, Settlement
from django_repid.core.verdict import cancelled, hand_back, judge, onward


class Nacked(RepidError):
    """A message was put aside by nack(), without an exception."""

    def __init__(self) -> None:
        super().__init__("It was put aside by nack().")


def decide(
    message: StoredMessage,
    outcome: Outcome,
    policy: RetryPolicyT,
    bench: Bench,
    *,
    cancel_asked: bool = False,
    secrets: Container[str] = (),
    retryable: Retryable = ALL,
) -> Settlement:
    """Decide what follows from an attempt: what its actor said, else what `judge` says."""
    if outcome.answer is not None:
        return answered(message, outcome, policy, bench, cancel_asked=cancel_asked, secrets=secrets)
    return judge(
        message,
        outcome,
        policy,
        bench,
        cancel_asked=cancel_asked,
        secrets=secrets,
        retryable=retryable,
    )


def answered(
    message: StoredMessage,
    outcome: Outcome,
    policy: RetryPolicyT,
    bench: Bench,
    *,
    cancel_asked: bool = False,
    secrets: Container[str] = (),
) -> Settlement:
    """Decide what follows from an attempt that has answered. The arguments are those of `judge`."""
    answer = outcome.answer
    assert answer is not None  # noqa: S101 - callers have asked
    cause = None
    if outcome.exception is not None:
        cause = Cause.of(outcome.exception).hiding(message.payload, secrets)
        outcome = replace(outcome, exception=RemoteFailure(cause))
    result = result_of(message, outcome, bench) if answer.gave else None
    if answer.verb is Verb.ACK:
        end = settlement.gone(message, result=result, processed=True)
        return end if cancel_asked else onward(end, outcome, bench)
    failure = None if cause is None else failure_of(outcome, cause, bench)
    if cancel_asked or message.cancel_asked:
        return cancelled(message, bench, failure=failure, processed=True)
    if answer.verb is Verb.NACK:
        return _nacked(message, outcome, bench)
    if answer.verb is Verb.REJECT:
        return replace(hand_back(message), processed=True)
    if answer.verb is Verb.RESCHEDULE:
        end = settlement.anew(message, at=bench.now)
        # A wish to stop may be on its way.
        return replace(end, result=result, failure=failure, uncancel=False, processed=True)
    return _tried_again(message, answer.wait, policy, bench, failure)


def _nacked(message: StoredMessage, outcome: Outcome, bench: Bench) -> Settlement:
    """Return a dead letter; a result that the actor gave is kept as it gave it."""
    error = outcome.exception or Nacked()
    cause = Cause.of(error)
    kept = outcome
    if not outcome.success:
        kept = replace(outcome, exception=RemoteFailure(cause))
    tries = message.tries + 1
    end = settlement.dead(
        message,
        at=bench.now,
        reason=cause.line,
        result=result_of(message, kept, bench, tries=tries),
        failure=failure_of(outcome, cause, bench),
        tries=tries,
        processed=True,
    )
    return onward(end, outcome, bench)


def _tried_again(
    message: StoredMessage,
    wait: int | None,
    policy: RetryPolicyT,
    bench: Bench,
    failure: Failure | None,
) -> Settlement:
    tries = message.tries + 1
    if wait is None:
        wait = clock.span_us(backoff(policy, tries))
    return settlement.again(
        message, run_at=bench.now + wait, tries=tries, failure=failure, processed=True
    )
