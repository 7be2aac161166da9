"""Messages in a table."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections, transaction

from django_repid.brokers.database import rows
from django_repid.brokers.database.access import alias_for, guarded, transaction_on
from django_repid.brokers.database.bucket_broker import DatabaseBucketBroker, bucket_values
from django_repid.brokers.database.enqueue import write
from django_repid.brokers.database.handling import DatabaseHandling
from django_repid.brokers.database.statements import Head, Statements
from django_repid.brokers.database.vendors import statements_for
from django_repid.core import clock
from django_repid.core.codec import NewerFormat
from django_repid.core.errors import BrokerUnavailable
from django_repid.core.message import (
    Enqueued,
    MessageState,
    NewMessage,
    StoredMessage,
)
from django_repid.core.protocols import BucketBroker, Claim, ClaimRequest
from django_repid.core.settlement import Settlement
from django_repid.models import Message, Queue

logger = logging.getLogger("django_repid.worker")

#: For how long a claim trusts what it knows of the heads while every claim comes back full. A
#: claim that comes back short looks again at once, so an idle worker never waits for this.
HEADS_SECONDS = 0.25

#: For how long a message that only newer workers can read is left to them.
_NEWER_FORMAT_PAUSE_US = 60_000_000

#: Messages that one statement locks.
_SETTLE_CHUNK = 500


@dataclass(frozen=True, slots=True)
class _Look:
    """The heads as they were found, the database's time then, and when that was here."""

    heads: Sequence[Head]
    now: int
    at: float

    def time(self) -> int:
        return self.now + round((time.monotonic() - self.at) * 1_000_000)


class DatabaseMessageBroker(DatabaseHandling):
    """Messages in the table of one database alias.

    Args:
        database: an alias of DATABASES; None: where the router writes `Message`.
        commit_with: an alias whose transactions an enqueue waits for, where the messages live on
            another one. The message is written when that transaction commits; a crash between the
            two commits loses it.

    """

    blocking = True
    rings = False

    def __init__(self, database: str | None = None, commit_with: str | None = None) -> None:
        super().__init__()
        self._database = database
        self.commit_with = commit_with
        #: Added to the database's time, in microseconds: how tests travel.
        self.offset_us = 0
        self._look: _Look | None = None
        self._turn = 0

    @property
    def alias(self) -> str:
        """The database alias that its rows are written to."""
        return alias_for(self._database, Message)

    @property
    def courtesy_seconds(self) -> float:
        """See `MessageBroker.courtesy_seconds`.

        SQLite has one writer. Beside a worker that writes without a pause a view's INSERT waited
        up to 1.5 s (measured); with one millisecond between its transactions, 4 ms.
        """
        return 0.001 if connections[self.alias].vendor == "sqlite" else 0.0

    @property
    def _statements(self) -> Statements:
        return statements_for(connections[self.alias], self.offset_us)

    @guarded
    def now_us(self) -> int:
        """See `MessageBroker.now_us`."""
        return self._statements.read_now(connections[self.alias])

    def stores(self, buckets: BucketBroker) -> bool:
        """See `MessageBroker.stores`: buckets on the same alias."""
        return isinstance(buckets, DatabaseBucketBroker) and buckets.alias == self.alias

    def enqueue(
        self, messages: Sequence[NewMessage], args: BucketBroker | None = None
    ) -> list[Enqueued]:
        """See `MessageBroker.enqueue`."""
        other = self.commit_with
        if other is None or other == self.alias or not connections[other].in_atomic_block:
            return self._write(messages, store_args=args is not None)
        answers = [Enqueued(key=m.key, duplicate=None, enqueued_at=None) for m in messages]

        def on_commit() -> None:
            written = self._write(messages, store_args=args is not None)
            for answer, now_known in zip(answers, written, strict=True):
                answer.complete(now_known)

        transaction.on_commit(on_commit, using=other)
        return answers

    @guarded
    def _write(self, messages: Sequence[NewMessage], *, store_args: bool) -> list[Enqueued]:
        return write(self.alias, self._statements, messages, store_args=store_args)

    def claim(self, request: ClaimRequest) -> Claim:
        """See `MessageBroker.claim`.

        Not guarded as a whole: what its first part has taken must be returned, whatever becomes
        of the second.
        """
        look, known = self._look, True
        if look is None or time.monotonic() - look.at > HEADS_SECONDS:
            look, known = self._find_heads(), False
        taken = self._take(request, look, request.limit)
        try:
            if known and len(taken) < request.limit:
                look = self._find_heads()
                taken += self._take(request, look, request.limit - len(taken))
        except BrokerUnavailable:
            if not taken:
                raise
        # Never behind what the database has just said, however long this thread was held up.
        claimed_at = rows.MESSAGE_COLUMNS.index("claimed_at")
        now = max([look.time(), *(row[claimed_at] for row in taken)])
        later = [head.run_at for head in _wanted(request, look.heads) if head.run_at > now]
        messages = sorted(self._readable(taken, now), key=_rank)
        others = {
            head.topic: head.queue
            for head in look.heads
            if head.topic not in request.topics and request.serves(head.queue)
        }
        return Claim(messages=messages, now=now, next_due=min(later, default=None), others=others)

    def _readable(self, taken: Sequence[Sequence[Any]], now: int) -> list[StoredMessage]:
        """Return the messages that this version can read; put the others off for newer workers."""
        messages: list[StoredMessage] = []
        unreadable: list[int] = []
        for row in taken:
            try:
                messages.append(rows.message(row))
            except NewerFormat as error:
                logger.warning("Message %s is left to newer workers: %s", row[1], error)
                unreadable.append(row[0])
            except Exception:
                logger.exception("Message %s cannot be read; it is put off.", row[1])
                unreadable.append(row[0])
        if unreadable:
            self._put_off(unreadable, now)
        return messages

    def _put_off(self, keys: Sequence[int], now: int) -> None:
        try:
            self._messages.filter(pk__in=keys).update(
                state=MessageState.READY,
                worker_id=None,
                claimed_at=None,
                run_at=now + _NEWER_FORMAT_PAUSE_US,
            )
        except DatabaseError:
            logger.exception("Unreadable messages stay claimed by this worker.")

    @guarded
    def _find_heads(self) -> _Look:
        heads, now = self._statements.heads(connections[self.alias])
        # Taken after the answer, so that the database's time is never guessed ahead of it: a
        # retry without back-off would not be due yet.
        self._look = look = _Look(heads, now, time.monotonic())
        return look

    @guarded
    def _take(self, request: ClaimRequest, look: _Look, limit: int) -> list[Sequence[Any]]:
        now = look.time()
        due = [head for head in _wanted(request, look.heads) if head.run_at <= now]
        if not due:
            return []  # and nothing was written: idle workers only read
        connection = connections[self.alias]
        heads = self._in_turns(due)
        if connection.vendor == "postgresql":  # one statement, so no transaction around it
            return self._statements.take(connection, heads, limit, request.worker_id)[0]
        with transaction_on(self.alias):
            return self._statements.take(connection, heads, limit, request.worker_id)[0]

    def _in_turns(self, heads: list[Head]) -> list[Head]:
        """Let another queue come first each time, or a claim of one would starve the rest."""
        queues = sorted({head.queue for head in heads})
        self._turn += 1
        place = {queue: (n + self._turn) % len(queues) for n, queue in enumerate(queues)}
        return sorted(heads, key=lambda head: place[head.queue])

    @guarded
    def seize(self, id_: str, states: Collection[MessageState]) -> StoredMessage | None:
        """See `MessageBroker.seize`."""
        with transaction_on(self.alias):
            row = self._statements.seize(connections[self.alias], id_, states)
            return None if row is None else rows.message(row)

    @guarded
    def settle(
        self, settlements: Sequence[Settlement], results: BucketBroker | None = None
    ) -> frozenset[int]:
        """See `MessageBroker.settle`."""
        by_key = sorted(settlements, key=lambda end: end.message.key.pk or 0)
        own: list[Settlement] = []
        with transaction_on(self.alias):
            for start in range(0, len(by_key), _SETTLE_CHUNK):
                own += self._settle_rows(by_key[start : start + _SETTLE_CHUNK])
            self._settle_beside(own, store_results=results is not None)
        kept = {end.message.key.pk for end in own}
        return frozenset(end.message.key.pk or 0 for end in by_key) - kept

    def _settle_rows(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        """Write the messages' own rows; return the settlements whose lease still held."""
        connection, statements = connections[self.alias], self._statements
        held = statements.held(connection, [end.message.key.pk or 0 for end in settlements])
        own = [e for e in settlements if held.get(e.message.key.pk or 0) == e.message.key.lease]
        gone = [end.message.key.pk or 0 for end in own if end.state is None]
        changes = [(e.message.key.pk or 0, rows.update(e)) for e in own if e.state is not None]
        if gone:
            statements.remove(connection, gone)
        if changes:
            statements.change(connection, changes)
        return own

    def _settle_beside(self, own: Sequence[Settlement], *, store_results: bool) -> None:
        """Write results and failures, and free what waits for the results."""
        connection, statements = connections[self.alias], self._statements
        records = [end.result for end in own if end.result is not None]
        failures = [rows.failure(end) for end in own if end.failure is not None]
        if records and store_results:
            now = max(clock.to_us(record.bucket.timestamp) for record in records)
            statements.store_buckets(connection, bucket_values(records, now))
        if failures:
            statements.store_failures(connection, failures)
        if records and store_results:
            statements.free(connection, sorted({record.id_ for record in records}))

    @guarded
    def free(self, bucket_ids: Collection[str]) -> None:
        """See `MessageBroker.free`."""
        with transaction_on(self.alias):
            self._statements.free(connections[self.alias], sorted(bucket_ids))

    @guarded
    def pause(self, queue: str, *, by: str = "", reason: str = "") -> None:
        """See `MessageBroker.pause`."""
        Queue.objects.using(self.alias).update_or_create(
            name=queue,
            defaults={"paused_at": self.now_us(), "paused_by": by, "pause_reason": reason},
        )
        self._look = None

    @guarded
    def resume(self, queue: str) -> None:
        """See `MessageBroker.resume`."""
        Queue.objects.using(self.alias).filter(name=queue).update(
            paused_at=None, paused_by="", pause_reason=""
        )
        self._look = None

    @contextmanager
    def bell(self, ring: Callable[[], None]) -> Iterator[None]:
        """See `MessageBroker.bell`: the worker's polling finds what there is."""
        yield


def _wanted(request: ClaimRequest, heads: Sequence[Head]) -> list[Head]:
    return [
        head
        for head in heads
        if not head.paused and head.topic in request.topics and request.serves(head.queue)
    ]


def _rank(message: StoredMessage) -> tuple[int, int, int]:
    return -message.key.priority, message.run_at, message.key.pk or 0
