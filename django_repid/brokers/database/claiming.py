"""Claims, and the settlements that travel with them in one round trip or transaction."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from django_repid.brokers.database import rows, settle
from django_repid.brokers.database.access import guarded, transaction_on
from django_repid.brokers.database.handling import DatabaseHandling
from django_repid.brokers.database.statements import Head, Statements, Taking
from django_repid.brokers.database.vendors import statements_for
from django_repid.core.codec import NewerFormat
from django_repid.core.errors import BrokerUnavailable
from django_repid.core.message import MessageState, StoredMessage
from django_repid.core.protocols import BucketBroker, Claim, ClaimRequest
from django_repid.core.settlement import Settlement

logger = logging.getLogger("django_repid.worker")

#: For how long a claim trusts what it knows of the heads while every claim comes back full. A
#: claim that comes back short looks again at once, so an idle worker never waits for this.
HEADS_SECONDS = 0.25

#: For how long a message that only newer workers can read is left to them.
_NEWER_FORMAT_PAUSE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class _Look:
    """The heads as they were found, the database's time then, and when that was here."""

    heads: Sequence[Head]
    now: int
    at: float

    def time(self) -> int:
        return self.now + round((time.monotonic() - self.at) * 1_000_000)


class DatabaseClaiming(DatabaseHandling):
    """The part of a message broker that its worker's broker thread uses."""

    def __init__(self) -> None:
        super().__init__()
        #: Added to the database's time, in microseconds: how tests travel.
        self.offset_us = 0
        self._look: _Look | None = None
        self._turn = 0

    @property
    def _statements(self) -> Statements:
        return statements_for(connections[self.alias], self.offset_us)

    def claim(
        self,
        request: ClaimRequest,
        ends: Sequence[Settlement] = (),
        results: BucketBroker | None = None,
    ) -> Claim:
        """See `MessageBroker.claim`.

        Not guarded as a whole: what its first part has written must be returned, whatever becomes
        of the second.
        """
        look, is_old = self._look, True
        if look is None or time.monotonic() - look.at > HEADS_SECONDS or not _due(request, look):
            look, is_old = self._find_heads(), False
        taken, lost = self._exchange(request, look, request.limit, ends, results)
        try:
            if is_old and len(taken) < request.limit:
                look = self._find_heads()
                left = request.limit - len(taken)
                taken = [*taken, *self._exchange(request, look, left, (), results)[0]]
        except BrokerUnavailable:
            if not taken and not ends:
                raise
        # Never behind what the database has just said, however long this thread was held up.
        now = max([look.time(), *(row[_CLAIMED_AT] for row in taken)])
        messages = sorted(self._readable(taken, now), key=_rank)
        later = [head.run_at for head in _wanted(request, look) if head.run_at > now]
        others = {
            head.topic: head.queue
            for head in look.heads
            if head.topic not in request.topics and request.serves(head.queue)
        }
        return Claim(
            messages=messages,
            now=now,
            next_due=min(later, default=None),
            others=others,
            lost=lost,
        )

    @guarded
    def settle(
        self, settlements: Sequence[Settlement], results: BucketBroker | None = None
    ) -> frozenset[int]:
        """See `MessageBroker.settle`."""
        statements, connection = self._statements, connections[self.alias]
        if statements.at_once(settlements):
            store = results is not None
            return statements.exchange(connection, settlements, None, store_results=store)[1]
        with transaction_on(self.alias):
            return settle.write(
                connection, statements, settlements, store_results=results is not None
            )

    @guarded
    def _find_heads(self) -> _Look:
        heads, now = self._statements.heads(connections[self.alias])
        # Taken after the answer, so that the database's time is never guessed ahead of it: a
        # retry without back-off would not be due yet.
        self._look = look = _Look(heads, now, time.monotonic())
        return look

    @guarded
    def _exchange(
        self,
        request: ClaimRequest,
        look: _Look,
        limit: int,
        ends: Sequence[Settlement],
        results: BucketBroker | None,
    ) -> tuple[Sequence[Sequence[Any]], frozenset[int]]:
        """Settle `ends` and take due messages: both or neither."""
        heads = self._in_turns(_due(request, look))
        if not heads and not ends:
            return (), frozenset()  # and nothing was written: idle workers only read
        statements, connection = self._statements, connections[self.alias]
        store = results is not None
        taking = Taking(heads, limit, request.worker_id) if heads else None
        if statements.at_once(ends):
            return statements.exchange(connection, ends, taking, store_results=store)
        with transaction_on(self.alias):
            lost = settle.write(connection, statements, ends, store_results=store)
            taken = () if taking is None else statements.take(connection, taking)
        return taken, lost

    def _in_turns(self, heads: list[Head]) -> list[Head]:
        """Let another queue come first each time, or a claim of one would starve the rest."""
        queues = sorted({head.queue for head in heads})
        self._turn += 1
        place = {queue: (n + self._turn) % len(queues) for n, queue in enumerate(queues)}
        return sorted(heads, key=lambda head: place[head.queue])

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


_CLAIMED_AT = rows.MESSAGE_COLUMNS.index("claimed_at")


def _wanted(request: ClaimRequest, look: _Look) -> list[Head]:
    return [
        head
        for head in look.heads
        if not head.paused and head.topic in request.topics and request.serves(head.queue)
    ]


def _due(request: ClaimRequest, look: _Look) -> list[Head]:
    now = look.time()
    return [head for head in _wanted(request, look) if head.run_at <= now]


def _rank(message: StoredMessage) -> tuple[int, int, int]:
    return -message.key.priority, message.run_at, message.key.pk or 0
