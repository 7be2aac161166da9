"""Claims, and the settlements that travel with them in one round trip or transaction."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from django_repid.brokers.database import rows, settle
from django_repid.brokers.database.access import guarded, transaction_on
from django_repid.brokers.database.handling import DatabaseHandling
from django_repid.brokers.database.heads import Head, Taking
from django_repid.brokers.database.statements import Statements
from django_repid.brokers.database.vendors import statements_for
from django_repid.core.claims import Claim, ClaimRequest, Want
from django_repid.core.codec import NewerFormat
from django_repid.core.errors import BrokerUnavailable
from django_repid.core.message import MessageState, StoredMessage
from django_repid.core.protocols import BucketBroker
from django_repid.core.serializer import printable
from django_repid.core.settlement import Settlement

logger = logging.getLogger("django_repid.worker")

#: For how long a claim trusts what it knows of the heads while every claim comes back full. A
#: claim that comes back short looks again at once, so an idle worker never waits for this.
HEADS_SECONDS = 0.25

#: The same, of a worker that is busy, for kinds of actors that have room and for which no due
#: message was known, while others are claimed. A look costs 0.2 to 2 ms (measured): this makes it a
#: few per cent of the time.
_BUSY_SECONDS = 0.05
#: A busy worker for which nothing at all is due looks again after so many times what a look takes:
#: jobs that come one by one were picked up after 20 to 40 ms else (measured at 300 jobs/s).
_LOOKS_APART = 20

#: For how long a message that only newer workers can read is left to them.
_NEWER_FORMAT_PAUSE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class _Look:
    """The heads as they were found, the database's time then, and when that was here.

    `took`: how many seconds it took to find them.
    """

    heads: Sequence[Head]
    now: int
    at: float
    took: float

    def time(self) -> int:
        return self.now + round((time.monotonic() - self.at) * 1_000_000)

    def wanted(self, request: ClaimRequest) -> list[Head]:
        return [
            head
            for head in self.heads
            if not head.paused and request.serves(head.queue) and request.asks_for(head.topic)
        ]

    def due(self, request: ClaimRequest) -> list[Head]:
        now = self.time()
        return [head for head in self.wanted(request) if head.run_at <= now]

    def is_outworn(self, request: ClaimRequest) -> bool:
        """Whether to look again before a claim."""
        age = time.monotonic() - self.at
        if age > HEADS_SECONDS:
            return True
        patience = min(self.took * _LOOKS_APART, _BUSY_SECONDS)
        return (not request.busy or age > patience) and not self.due(request)

    def is_due_again(self, left: ClaimRequest) -> bool:
        """Whether to look again for what a claim did not fill."""
        if not left.wants:
            return False
        # What had due messages has run dry; for the rest there may be some by now.
        age = time.monotonic() - self.at
        return not left.busy or age > _BUSY_SECONDS or bool(self.due(left))

    def next_due(self, request: ClaimRequest, now: int) -> int | None:
        later = (head.run_at for head in self.wanted(request) if head.run_at > now)
        return min(later, default=None)


class DatabaseClaiming(DatabaseHandling):
    """The part of a message broker that its worker's broker thread uses."""

    def __init__(self) -> None:
        super().__init__()
        self._look: _Look | None = None
        self._turn = 0

    @property
    def _statements(self) -> Statements:
        return statements_for(connections[self.alias])

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
        if look is None or look.is_outworn(request):
            look, is_old = self._find_heads(), False
        taken, lost = self._exchange(request, look, ends, results)
        left = _left(request, taken)
        cut_short = False
        try:
            if is_old and look.is_due_again(left):
                look = self._find_heads()
                taken = [*taken, *self._exchange(left, look, (), results)[0]]
        except Exception as error:
            if not taken and not ends:
                raise
            cut_short = True
            if not isinstance(error, BrokerUnavailable):
                logger.exception("A claim's second part failed; its first part stands.")
        # Never behind what the database has just said, however long this thread was held up.
        now = max([look.time(), *(row[rows.CLAIMED_AT] for row in taken)])
        messages = sorted(self._readable(taken, now), key=_rank)
        return Claim(
            messages=messages,
            now=now,
            next_due=look.next_due(request, now),
            others={
                head.topic: head.queue
                for head in look.heads
                if request.serves(head.queue) and not request.asks_for(head.topic)
            },
            lost=lost,
            cut_short=cut_short,
        )

    @guarded
    def settle(
        self, settlements: Sequence[Settlement], results: BucketBroker | None = None
    ) -> frozenset[int]:
        """See `MessageBroker.settle`."""
        return self._write_and_take(settlements, (), store_results=results is not None)[1]

    @guarded
    def _find_heads(self) -> _Look:
        began = time.monotonic()
        heads, now = self._statements.heads(connections[self.alias])
        # Taken after the answer, so that the database's time is never guessed ahead of it: a
        # retry without back-off would not be due yet.
        at = time.monotonic()
        self._look = look = _Look(heads, now, at, at - began)
        return look

    @guarded
    def _exchange(
        self,
        request: ClaimRequest,
        look: _Look,
        ends: Sequence[Settlement],
        results: BucketBroker | None,
    ) -> tuple[Sequence[Sequence[Any]], frozenset[int]]:
        """Settle `ends` and take due messages: both or neither."""
        due = self._in_turns(look.due(request))
        takings = [
            Taking(heads, want.limit, request.worker_id)
            for want in request.wants
            if (heads := [head for head in due if head.topic in want.topics])
        ]
        if not takings and not ends:
            return (), frozenset()  # and nothing was written: idle workers only read
        return self._write_and_take(ends, takings, store_results=results is not None)

    def _write_and_take(
        self, ends: Sequence[Settlement], takings: Sequence[Taking], *, store_results: bool
    ) -> tuple[Sequence[Sequence[Any]], frozenset[int]]:
        """Write settlements and take messages, in one transaction.

        Where one statement does both, the ends that it cannot write go before it: a few failures
        among many successes cost the successes little (a third of their rate, all written by
        several statements; measured beside suspects that die).
        """
        statements, connection = self._statements, connections[self.alias]
        quick, rest = statements.split(ends)
        if statements.exchanges and not rest:
            return statements.exchange(connection, quick, takings, store_results=store_results)
        taken: Sequence[Sequence[Any]] = ()
        more: frozenset[int] = frozenset()
        with transaction_on(self.alias):
            lost = settle.write(connection, statements, rest, store_results=store_results)
            if quick:
                taken, more = statements.exchange(
                    connection, quick, takings, store_results=store_results
                )
            elif takings:
                taken = [row for one in takings for row in statements.take(connection, one)]
        return taken, lost | more

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
                logger.warning(
                    "Message %s is left to newer workers: %s",
                    printable(row[rows.MESSAGE_ID]),
                    printable(str(error)),
                )
                unreadable.append(row[rows.PK])
            except Exception:
                job = printable(row[rows.MESSAGE_ID])
                logger.exception("Message %s cannot be read; it is put off.", job)
                unreadable.append(row[rows.PK])
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


def _left(request: ClaimRequest, taken: Sequence[Sequence[Any]]) -> ClaimRequest:
    """Return what of a request a claim did not fill."""
    counts = Counter(row[rows.TOPIC] for row in taken)
    wants = (
        Want(want.topics, want.limit - sum(counts[topic] for topic in want.topics))
        for want in request.wants
    )
    return replace(request, wants=[want for want in wants if want.limit > 0])


def _rank(message: StoredMessage) -> tuple[int, int, int]:
    return -message.key.priority, message.run_at, message.key.pk or 0
