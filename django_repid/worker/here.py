"""Jobs run on the calling thread: on its database connection, and inside its transaction.

For tests, and for `EAGER`. What follows from an attempt is decided and written as in a worker, with
the same fences, results, failures and further tries. What a thread cannot do is not done: a timeout
is noticed once a sync actor has come to its end, and actors that are to run in a process run here.
"""

import asyncio
from collections.abc import Collection, Generator, Mapping, Sequence

from asgiref.sync import AsyncToSync, async_to_sync

from django_repid.core import clock
from django_repid.core.actor import Actor
from django_repid.core.claims import ClaimRequest, Want
from django_repid.core.connection import Connection
from django_repid.core.eager import decide
from django_repid.core.host import host
from django_repid.core.message import Enqueued, MessageState, StoredMessage
from django_repid.core.outcome import Bench, Outcome
from django_repid.core.settlement import Settlement
from django_repid.core.verdict import examine
from django_repid.worker.atomic import AtomicRunner, Written
from django_repid.worker.attempt import Attempt
from django_repid.worker.executor import Executor, failed, overdue
from django_repid.worker.leaps import leaps
from django_repid.worker.settler import Settler

_NAME = "here"
#: No worker has this id. One message is claimed at a time, and settled before the next.
_NOBODY = 0


class Here:
    """Runs jobs of a connection one after another."""

    def __init__(self, connection: Connection, actors: Mapping[str, Actor]) -> None:
        self._connection = connection
        self._actors = dict(actors)
        options = connection.options
        self._executor = Executor(self._actors, connection.middleware, options.payload_limit_bytes)
        self._run_atomic = AtomicRunner(connection, self._executor)
        self._settler = Settler(connection)
        self._wait_us = round(options.args_wait_seconds * 1_000_000)

    def due(
        self, queues: Collection[str] | None = None, *, until: int | None = None
    ) -> Generator[tuple[Settlement, Outcome | None]]:
        """Run what is due, also what becomes due meanwhile; yield each end, and what the actor did.

        `until`: travel on to everything that becomes due up to then, in microseconds.
        """
        broker = self._connection.message_broker
        want = Want(sorted(self._actors), 1)
        while self._actors:
            claim = broker.claim(ClaimRequest(worker_id=_NOBODY, wants=[want], queues=queues))
            for message in claim.messages:
                yield self.run(message)
            if claim.messages:
                continue
            if until is None or claim.next_due is None or claim.next_due > until:
                break
            clock.travel(clock.ahead_us() + max(claim.next_due - broker.now_us(), 1))
        if until is not None:
            clock.travel(clock.ahead_us() + max(until - broker.now_us(), 0))

    def at_once(self, written: Sequence[Enqueued]) -> None:
        """Run those of the messages that have just been written, are due, and known here."""
        broker = self._connection.message_broker
        ids = [one.key.id_ for one in written if one.duplicate is False]
        for found in broker.find(ids):
            if found.key.topic not in self._actors or found.run_at > broker.now_us():
                continue
            seized = broker.seize(found.key.id_, [MessageState.READY])
            if seized is not None:
                self.run(seized)

    def run(self, message: StoredMessage) -> tuple[Settlement, Outcome | None]:
        """Run a claimed message to its end, and settle it; None: the actor was not run."""
        buckets = self._connection.arguments([message])
        found = examine(message, buckets, self._bench(), self._wait_us)
        if isinstance(found, Settlement):
            return self._settle(found), None
        self._settler.announce_claimed([Attempt(found)])
        actor = self._actors[found.key.topic]
        if actor.atomic:
            return self._attempt_atomic(found, actor)
        with host().contained():
            run = self._on_a_loop if actor.is_async else self._executor.sync
            outcome = run(found)
        spent = outcome.finished_when - outcome.started_when
        if outcome.done and spent > found.spec.timeout * 1000:
            outcome = failed(overdue(found), outcome.started_when)
        return self._settle(self._verdict(found, actor, outcome)), outcome

    def _attempt_atomic(
        self, message: StoredMessage, actor: Actor
    ) -> tuple[Settlement, Outcome | None]:
        attempt = Attempt(message)
        found = self._run_atomic(attempt, self._bench)
        if isinstance(found, Written):
            self._settler.written([found.end], found.lost)
            return found.end, None
        assert found is not None  # noqa: S101 - nobody else can have ended it
        return self._settle(self._verdict(message, actor, found.outcome)), found.outcome

    def _on_a_loop(self, message: StoredMessage) -> Outcome:
        if not clock.leaping():
            return async_to_sync(self._coroutine)(message)
        # A caller's own loop has other things to do than to leap.
        return AsyncToSync(self._leaping, force_new_loop=True)(message)

    async def _leaping(self, message: StoredMessage) -> Outcome:
        with leaps():
            return await self._coroutine(message)

    async def _coroutine(self, message: StoredMessage) -> Outcome:
        started = clock.now_ns()
        try:
            async with asyncio.timeout(message.spec.timeout / 1_000_000):
                return await self._executor.coroutine(message)
        except TimeoutError:  # only its own: what the actor raises is an outcome
            return failed(overdue(message), started)

    def _verdict(self, message: StoredMessage, actor: Actor, outcome: Outcome) -> Settlement:
        return decide(
            message,
            outcome,
            actor.retry_policy,
            self._bench(),
            secrets=actor.secrets,
            retryable=actor.retryable,
        )

    def _settle(self, end: Settlement) -> Settlement:
        self._settler.pending.append(end)
        self._settler.settle()
        return end

    def _bench(self) -> Bench:
        now = self._connection.message_broker.now_us()
        return Bench(
            worker=_NAME, now=now, traceback_limit=self._connection.options.traceback_limit_bytes
        )
