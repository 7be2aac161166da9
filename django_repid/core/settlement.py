"""What becomes of a claimed message, decided once and written in one transaction."""

from dataclasses import dataclass

from django_repid.core.bucket import BucketRecord
from django_repid.core.message import MessageState, StoredMessage


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
    processed: bool = True


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


def anew(message: StoredMessage, *, at: int) -> Settlement:
    """The job starts over as if it had just been enqueued: what `reschedule` does."""
    return Settlement(
        message=message,
        state=MessageState.READY,
        run_at=at,
        due_at=at,
        tick=message.tick,
        tries=0,
        crashes=0,
        uncancel=True,
        processed=False,
    )
