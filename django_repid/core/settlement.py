"""What becomes of a claimed message, decided once and written in one transaction."""

from dataclasses import dataclass, replace

from django_repid.core.bucket import BucketRecord
from django_repid.core.codec import Spec
from django_repid.core.message import MessageState, StoredMessage

_REASON_LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failing attempt, kept for people to look at.

    `fingerprint` is equal for failures with one cause: same class, same place in the code.
    """

    exception: str
    text: str
    traceback: str
    fingerprint: str
    worker: str
    at: int
    duration_us: int


@dataclass(slots=True, kw_only=True)
class Settlement:
    """The end of one claim: its row's next state, and what is written with it.

    `state` None removes the row. READY puts it back with `run_at`, `due_at`, `tries`, `crashes`,
    `suspicion` and `waits_for` as given here; DEAD with `dead_reason`. All of it applies only if
    the store still holds `message.key` (pk and lease) in state RUNNING; otherwise nothing is
    written.
    `result` and whatever waits for its bucket belong to the same transaction.
    `recurs`: a recurring job has come to the end of an occurrence, and the next one follows. Where
    it was asked to stop meanwhile, its row goes; where new terms were enqueued meanwhile, they
    take the place of the old ones.
    `uncancel` forgets that the job was to be stopped. `processed` says whether the actor was run
    for it: what `messages_limit` counts.
    """

    message: StoredMessage
    state: MessageState | None
    run_at: int
    due_at: int
    tick: int | None
    tries: int
    crashes: int
    suspicion: int = 0
    waits_for: str | None = None
    dead_reason: str = ""
    result: BucketRecord | None = None
    failure: Failure | None = None
    uncancel: bool = False
    recurs: bool = False
    processed: bool = True

    @property
    def failed_for_good(self) -> bool:
        """Whether the job, or this occurrence of it, will not be tried again."""
        if self.state is MessageState.DEAD:
            return True
        result = self.result
        failed = self.failure is not None or (result is not None and not result.success)
        return self.recurs and failed


def gone(message: StoredMessage, *, result: BucketRecord | None, processed: bool) -> Settlement:
    """The job has come to its end, and its row goes."""
    return Settlement(
        message=message,
        state=None,
        run_at=message.run_at,
        due_at=message.due_at,
        tick=message.tick,
        tries=message.tries,
        crashes=message.crashes,
        result=result,
        processed=processed,
    )


def dead(
    message: StoredMessage,
    *,
    at: int,
    reason: str,
    result: BucketRecord | None,
    failure: Failure | None,
    tries: int,
    processed: bool,
) -> Settlement:
    """The job has failed for good, and its row becomes a dead letter."""
    return Settlement(
        message=message,
        state=MessageState.DEAD,
        run_at=at,
        due_at=message.due_at,
        tick=message.tick,
        tries=tries,
        crashes=message.crashes,
        dead_reason=reason,
        result=result,
        failure=failure,
        processed=processed,
    )


def again(
    message: StoredMessage,
    *,
    run_at: int,
    tries: int,
    crashes: int | None = None,
    suspicion: int = 0,
    failure: Failure | None = None,
    waits_for: str | None = None,
    processed: bool = False,
) -> Settlement:
    """The job is to run (again) later: a retry, a job that waits, one that is handed back.

    An attempt that has ended clears its job of every suspicion; one that did not count keeps it.
    """
    return Settlement(
        message=message,
        state=MessageState.READY,
        run_at=run_at,
        due_at=message.due_at,
        tick=message.tick,
        tries=tries,
        crashes=message.crashes if crashes is None else crashes,
        suspicion=suspicion,
        waits_for=waits_for,
        failure=failure,
        processed=processed,
    )


def recurring(end: Settlement, *, after: int) -> Settlement:
    """Let the end of an occurrence be followed by the next one that is later than `after`.

    One that cannot be told, because this machine does not know the time zone, is a dead letter.
    """
    message, again = end.message, end.message.spec.again
    assert again is not None  # noqa: S101 - callers have asked
    try:
        tick = again.following(_tick(message), after)
    except ValueError as error:
        reason = f"The next occurrence cannot be told: {error}"[:_REASON_LIMIT]
        return replace(end, state=MessageState.DEAD, dead_reason=reason)
    return _followed_by(end, tick)


def _followed_by(end: Settlement, tick: int) -> Settlement:
    return replace(
        end,
        state=MessageState.READY,
        run_at=tick,
        due_at=tick,
        tick=tick,
        tries=0,
        crashes=0,
        suspicion=0,
        waits_for=None,
        dead_reason="",
        recurs=True,
    )


def same_schedule(one: Spec, other: Spec) -> bool:
    """Whether two messages come at the same times, so that an occurrence of one is the other's."""
    return one.again is not None and (one.again, one.until) == (other.again, other.until)


def under_way(message: StoredMessage) -> bool:
    """Whether an occurrence of a recurring job runs, or has run and is to be tried again.

    It ends under the terms that it began with; new ones hold from the next occurrence on.
    """
    if message.spec.again is None or message.state is MessageState.DEAD:
        return False
    return bool(message.state is MessageState.RUNNING or message.tries or message.crashes)


def renewed(end: Settlement, spec: Spec, tick: int) -> Settlement:
    """The end of an occurrence whose job has got new terms meanwhile, which begin at `tick`.

    One that is quarantined stays so.
    """
    if end.state is MessageState.DEAD:
        return replace(end, uncancel=True)
    if end.recurs and same_schedule(spec, end.message.spec):
        return replace(end, uncancel=True)
    return replace(_followed_by(end, tick), uncancel=True)


def stopped(end: Settlement) -> Settlement:
    """The end of an occurrence whose job was asked to come no more."""
    return replace(end, state=None, recurs=False)


def _tick(message: StoredMessage) -> int:
    return message.due_at if message.tick is None else message.tick


def anew(message: StoredMessage, *, at: int) -> Settlement:
    """The job starts over as if it had just been enqueued: what `reschedule` does."""
    again = message.spec.again
    return Settlement(
        message=message,
        state=MessageState.READY,
        run_at=at,
        due_at=at,
        tick=None if again is None else again.run_at(_tick(message), at),
        tries=0,
        crashes=0,
        uncancel=True,
        processed=False,
    )
