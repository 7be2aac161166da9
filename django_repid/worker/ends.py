"""How attempts end: from whatever became of them to a settlement on the broker thread's desk."""

import logging
import time
from collections.abc import Iterable
from dataclasses import replace

from django_repid.core import clock
from django_repid.core.actor import Actor
from django_repid.core.eager import decide
from django_repid.core.errors import ConfigurationError, RepidError
from django_repid.core.outcome import Outcome
from django_repid.core.serializer import printable
from django_repid.core.settlement import Settlement
from django_repid.core.verdict import crashed, hand_back, refuse
from django_repid.worker.atomic import Undone, Written
from django_repid.worker.attempt import Attempt
from django_repid.worker.desk import Desk
from django_repid.worker.executor import failed, overdue
from django_repid.worker.group import Group

logger = logging.getLogger("django_repid.worker")

#: How long a job waits for which no process could be started: for memory, or an unfinished deploy.
_NO_PROCESS_PAUSE_US = 10_000_000


class Ends:
    """Takes the ends of attempts, from any thread.

    `unsure`: the settlement may be in the store already, by a commit whose answer was lost.
    """

    def __init__(self, actors: dict[str, Actor]) -> None:
        self._actors = actors
        self._groups: dict[str, Group] = {}
        self._desk: Desk

    def attach(self, groups: Iterable[Group], desk: Desk) -> None:
        """Say where they go. Groups and desk themselves need to know who takes the ends."""
        self._groups = {topic: group for group in groups for topic in group.topics}
        self._desk = desk

    def ended(self, attempt: Attempt, outcome: Outcome | None, *, unsure: bool = False) -> None:
        """Take an outcome; None: the attempt does not count. Only the first end of one does."""
        if attempt.end():
            self._judge(attempt, outcome, unsure=unsure)

    def lost(self, attempt: Attempt, error: BaseException) -> None:
        """Take an attempt that an error outside its actor has stopped."""
        self.ended(attempt, failed(error, clock.now_ns()))

    def overran(self, attempt: Attempt) -> None:
        """Take an attempt on a thread that has been given up."""
        elapsed = round((time.monotonic() - (attempt.started or 0.0)) * 1e9)
        error = overdue(attempt.message)
        self._judge(attempt, failed(error, clock.now_ns() - elapsed))

    def of_atomic(self, attempt: Attempt, found: Written | Undone) -> None:
        """Take what became of an attempt of an atomic actor; it has ended."""
        if isinstance(found, Undone):
            self._judge(attempt, found.outcome, unsure=found.unsure)
            return
        spent = _spent_us(found.outcome)
        self._desk.put(self._group(attempt), found.end, spent, lost=found.lost)

    def settled(self, attempt: Attempt, outcome: Outcome, lost: frozenset[int]) -> None:
        """Take a success that was settled elsewhere, unless its lease was lost there."""
        if attempt.end():
            end = self._verdict(attempt, outcome)
            self._desk.put(self._group(attempt), end, _spent_us(outcome), lost=lost)

    def crashed(self, attempt: Attempt, died: RepidError, *, unsure: bool = False) -> None:
        """Take an attempt that has killed the process that ran it alone."""
        if attempt.end():
            end = crashed(attempt.message, died, self._desk.bench())
            self._desk.put(self._group(attempt), end, 0.0, unsure=unsure)

    def unfit(self, attempt: Attempt, why: str) -> None:
        """Take an attempt that no other process can run.

        The worker runs a suspect itself. An actor that is to run elsewhere has failed: on a thread
        nothing would be as it was asked for.
        """
        if self._actors[attempt.message.key.topic].run_in_process:
            self.lost(attempt, ConfigurationError(f"{why}: run_in_process=True needs that."))
            return
        logger.warning("%s; the worker runs its suspects itself.", why)
        self._group(attempt).submit([attempt])

    def no_process(self, attempt: Attempt) -> None:
        """Take an attempt for which no process could be started, which says nothing about it."""
        if not self._actors[attempt.message.key.topic].run_in_process:
            self._group(attempt).submit([attempt])
        elif attempt.end():
            run_at = self._desk.bench().now + _NO_PROCESS_PAUSE_US
            end = hand_back(attempt.message, run_at=run_at)
            self._desk.put(self._group(attempt), end, 0.0)

    def _judge(self, attempt: Attempt, outcome: Outcome | None, *, unsure: bool = False) -> None:
        if outcome is None:
            end, spent = hand_back(attempt.message), 0.0
        else:
            end, spent = self._verdict(attempt, outcome), _spent_us(outcome)
        self._desk.put(self._group(attempt), end, spent, unsure=unsure)

    def _verdict(self, attempt: Attempt, outcome: Outcome) -> Settlement:
        message, bench = attempt.message, self._desk.bench()
        actor, asked = self._actors[message.key.topic], attempt.cancel_asked
        try:
            return decide(
                message,
                outcome,
                actor.retry_policy,
                bench,
                cancel_asked=asked,
                secrets=actor.secrets,
                retryable=actor.retryable,
            )
        except Exception as error:  # an end is never lost, whatever is wrong with it
            logger.exception("The end of job %s cannot be judged.", printable(message.key.id_))
            return replace(refuse(message, error, bench), processed=True)

    def _group(self, attempt: Attempt) -> Group:
        return self._groups[attempt.message.key.topic]


def _spent_us(outcome: Outcome) -> float:
    return (outcome.finished_when - outcome.started_when) / 1000
