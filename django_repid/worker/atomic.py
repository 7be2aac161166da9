"""Actors that run in one transaction with the settlement of their own job: `atomic=True`.

The one place where running and settling meet. The fenced settlement is the last statement: were it
the first, a verdict of the broker thread's (a timeout) would wait for the actor's lock, and the
actor would win. A crash at any instruction leaves all of it or nothing.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from django_repid.core import clock
from django_repid.core.actor import Actor
from django_repid.core.announcing import announce
from django_repid.core.connection import Connection
from django_repid.core.eager import decide
from django_repid.core.errors import ConfigurationError
from django_repid.core.message import StoredMessage
from django_repid.core.outcome import Bench, Outcome
from django_repid.core.settlement import Settlement
from django_repid.worker.attempt import Attempt
from django_repid.worker.executor import Executor, attempt, failed, overdue

logger = logging.getLogger("django_repid.worker")

#: A transaction that is open for longer keeps the server from tidying up after all others, and on
#: SQLite everybody else from writing.
_LONG_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Written:
    """The settlement is in the store, with all that the actor wrote; or its lease was lost."""

    end: Settlement
    lost: frozenset[int]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Undone:
    """Nothing was written. `unsure`: unless the store was lost while it was about to say so."""

    outcome: Outcome
    unsure: bool = False


class _Undo(Exception):
    """Leaves the transaction, and nothing behind."""

    def __init__(self, written: Written | None) -> None:
        self.written = written


def check_atomic(actors: dict[str, Actor], connection: Connection) -> None:
    """Make sure that a connection can run its atomic actors.

    Raises:
        ConfigurationError: it cannot, since messages or results are stored elsewhere.

    """
    names = sorted(actor.name for actor in actors.values() if actor.atomic)
    if names and not (connection.message_broker.is_transactional and connection.settles_at_once):
        message = (
            f"{', '.join(names)}: atomic=True needs messages and results in one database, that of "
            f"the actor's own writes. The connection {connection.alias!r} has them elsewhere."
        )
        raise ConfigurationError(message)


class AtomicRunner:
    """Runs attempts of atomic actors on the calling thread."""

    def __init__(self, connection: Connection, executor: Executor) -> None:
        self._connection = connection
        self._executor = executor
        self._warned: set[str] = set()

    def __call__(self, one: Attempt, bench: Callable[[], Bench]) -> Written | Undone | None:
        """Run an attempt; None if somebody else has ended it meanwhile."""
        self._executor.before(one.message)
        began = time.monotonic()
        outcome, written = self._in_transaction(one, bench)
        self._warn_if_long(one, time.monotonic() - began)
        self._executor.after(one.message, outcome)
        if isinstance(written, Written):
            return written
        if written is None and not one.end():
            return None
        return written or Undone(outcome)

    def _in_transaction(
        self, one: Attempt, bench: Callable[[], Bench]
    ) -> tuple[Outcome, Written | Undone | None]:
        """Return how the actor ended, and what became of it (None: not decided yet)."""
        message = one.message
        actor = self._executor.actors[message.key.topic]
        began = clock.now_ns()
        outcome: Outcome | None = None
        mine = False
        try:
            with self._connection.message_broker.atomically():
                outcome = attempt(actor, message, self._executor.result_limit)
                if outcome.done and _overran(outcome, message):
                    outcome = failed(overdue(message), outcome.started_when)
                mine = outcome.done and one.end()
                end = self._settle(one, outcome, bench(), mine=mine)
        except _Undo as undo:
            assert outcome is not None  # noqa: S101 - it was raised after the actor
            return outcome, undo.written
        except Exception as error:  # noqa: BLE001 - the commit's, or of the store: the job failed
            failure = failed(error, began if outcome is None else outcome.started_when)
            return failure, Undone(failure, unsure=True) if mine else None
        return outcome, Written(end, frozenset(), outcome)

    def _settle(self, one: Attempt, outcome: Outcome, bench: Bench, *, mine: bool) -> Settlement:
        """Settle in the transaction if the actor has done its work; else leave it.

        Raises:
            _Undo: the actor failed, or the attempt is not ours to end, or its lease is lost.

        """
        if not mine:
            raise _Undo(None)
        message, connection = one.message, self._connection
        actor = self._executor.actors[message.key.topic]
        end = decide(message, outcome, actor.retry_policy, bench)
        announce(connection.middleware, "before", [end])
        if lost := connection.settle([end]):
            raise _Undo(Written(end, lost, outcome))
        return end

    def _warn_if_long(self, one: Attempt, seconds: float) -> None:
        topic = one.message.key.topic
        if seconds > _LONG_SECONDS and topic not in self._warned:
            self._warned.add(topic)
            logger.warning(
                "The atomic actor %s kept its transaction open for %.0f s. Meanwhile the database "
                "cannot tidy up, and on SQLite nobody else can write: make it shorter.",
                topic,
                seconds,
            )


def _overran(outcome: Outcome, message: StoredMessage) -> bool:
    """Whether an actor took too long, although nobody has given it up yet: here a timeout binds."""
    return outcome.finished_when - outcome.started_when > message.spec.timeout * 1000
