"""Messages in this process."""

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from django_repid.brokers.memory import records
from django_repid.brokers.memory.bucket_broker import InMemoryBucketBroker
from django_repid.brokers.memory.handling import InMemoryHandling
from django_repid.brokers.memory.roster import Roster
from django_repid.core import clock, settlement
from django_repid.core.bucket import BucketRecord, args_record
from django_repid.core.claims import Beat, Claim, ClaimRequest, Peer, WorkerInfo
from django_repid.core.errors import DuplicateJob
from django_repid.core.message import (
    Enqueued,
    MessageState,
    NewMessage,
    OnDuplicate,
    StoredMessage,
)
from django_repid.core.protocols import BucketBroker
from django_repid.core.settlement import Settlement


class InMemoryMessageBroker(InMemoryHandling):
    """Messages in this process; they are gone when it ends.

    A claim looks at every ready message: meant for tests and small scripts, not for backlogs.
    """

    blocking = False
    rings = True
    courtesy_seconds = 0.0
    is_transactional = False

    def __init__(self) -> None:
        super().__init__()
        self._pks = itertools.count(1)
        self._roster = Roster()
        self._turn = 0

    def now_us(self) -> int:
        """See `MessageBroker.now_us`."""
        return clock.now_us()

    def stores(self, buckets: BucketBroker) -> bool:
        """See `MessageBroker.stores`: buckets in memory are written under this broker's lock."""
        return isinstance(buckets, InMemoryBucketBroker)

    def enqueue(
        self, messages: Sequence[NewMessage], args: BucketBroker | None = None
    ) -> list[Enqueued]:
        """See `MessageBroker.enqueue`."""
        with self._lock:
            # Only a batch in which something may be refused needs a way back.
            may_refuse = any(m.on_duplicate is OnDuplicate.RAISE for m in messages)
            before = (dict(self._messages), dict(self._pk_by_id)) if may_refuse else ({}, {})
            try:
                answers = [self._enqueue_one(message) for message in messages]
            except DuplicateJob:
                self._messages, self._pk_by_id = before
                raise
            for message, answer in zip(messages, answers, strict=True):
                record = None if answer.duplicate else args_record(message)
                if args is not None and record is not None:
                    args.store([record])
                    if not record.generated:
                        self.free([record.id_])
        self._ring()
        return answers

    def _enqueue_one(self, message: NewMessage) -> Enqueued:
        now = clock.now_us()
        if message.renews and (renewed := self._renew(message, now)) is not None:
            return renewed
        standing = self._standing(message)
        if standing is not None and message.on_duplicate is OnDuplicate.RAISE:
            raise DuplicateJob.of(message.key.id_)
        if standing is not None:
            return Enqueued(
                key=standing.key, duplicate=True, enqueued_at=now, standing=standing.spec
            )
        old = self._by_id(message.key.id_)
        pk = next(self._pks) if old is None else old.key.pk
        key = replace(message.key, pk=pk, lease=0 if old is None else old.key.lease)
        self._renewals.pop(pk or 0, None)
        self._put(records.fresh(message, key, now))
        return Enqueued(key=key, duplicate=False, enqueued_at=now)

    def _renew(self, message: NewMessage, now: int) -> Enqueued | None:
        """Give a recurring message new terms; None if a new message is to be written instead."""
        standing = self._by_id(message.key.id_)
        if standing is None or standing.spec.again is None:
            return None
        same = settlement.same_schedule(standing.spec, message.spec)
        self._renewals.pop(standing.key.pk or 0, None)
        if settlement.under_way(standing):
            self._renewals[standing.key.pk or 0] = message
        elif standing.state is MessageState.READY and same:
            self._put(records.on_new_terms(standing, message, now))
        elif standing.state is MessageState.DEAD and same and standing.spec.again.declared:
            return Enqueued(
                key=standing.key, duplicate=True, enqueued_at=now, standing=standing.spec
            )
        else:
            return None
        key = replace(message.key, pk=standing.key.pk, lease=standing.key.lease)
        return Enqueued(key=key, duplicate=False, enqueued_at=now)

    def _standing(self, message: NewMessage) -> StoredMessage | None:
        """Return the message that stands in the way of a new one, if any does."""
        standing = self._by_id(message.key.id_)
        if standing is None or standing.state is MessageState.DEAD:
            return None
        replaceable = message.on_duplicate is OnDuplicate.REPLACE or message.renews
        return None if replaceable and standing.state is MessageState.READY else standing

    def claim(
        self,
        request: ClaimRequest,
        ends: Sequence[Settlement] = (),
        results: BucketBroker | None = None,
    ) -> Claim:
        """See `MessageBroker.claim`."""
        with self._lock:
            lost = self.settle(ends, results) if ends else frozenset()
            now = clock.now_us()
            ready = [
                message
                for message in self._messages.values()
                if message.state is MessageState.READY
                and request.serves(message.key.queue)
                and message.key.queue not in self._paused
            ]
            self._turn += 1
            claimed: list[StoredMessage] = []
            for want in request.wants:
                due = [m for m in ready if m.run_at <= now and m.key.topic in want.topics]
                chosen = records.in_turns(due, self._turn)[: want.limit]
                claimed += [self._put(records.taken(m, request.worker_id, now)) for m in chosen]
                taken = {message.key.pk for message in chosen}
                ready = [message for message in ready if message.key.pk not in taken]
        later = (m.run_at for m in ready if m.run_at > now and request.asks_for(m.key.topic))
        return Claim(
            messages=claimed,
            now=now,
            next_due=min(later, default=None),
            others={m.key.topic: m.key.queue for m in ready if not request.asks_for(m.key.topic)},
            lost=lost,
        )

    def seize(self, id_: str, states: Collection[MessageState]) -> StoredMessage | None:
        """See `MessageBroker.seize`."""
        with self._lock:
            message = self._by_id(id_)
            if message is None or message.state not in states:
                return None
            return self._put(records.taken(message, None, clock.now_us()))

    def ask_cancel(self, id_: str) -> bool:
        """See `MessageBroker.ask_cancel`."""
        with self._lock:
            message = self._by_id(id_)
            if message is None or message.state is not MessageState.RUNNING:
                return False
            self._put(replace(message, cancel_asked=True))
            self._renewals.pop(message.key.pk or 0, None)
            return True

    def settle(
        self, settlements: Sequence[Settlement], results: BucketBroker | None = None
    ) -> frozenset[int]:
        """See `MessageBroker.settle`."""
        lost = set()
        stored: list[BucketRecord] = []
        with self._lock:
            for end in settlements:
                key = end.message.key
                held = self._messages.get(key.pk or 0)
                if held is None or (held.state, held.key.lease) != (
                    MessageState.RUNNING,
                    key.lease,
                ):
                    lost.add(key.pk or 0)
                    continue
                self._write_end(held, end)
                if end.result is not None:
                    stored.append(end.result)
            if results is not None and stored:
                results.store(sorted(stored, key=lambda record: record.finished_ns or 0))
                self.free([record.id_ for record in stored])
        self._ring()
        return frozenset(lost)

    def _write_end(self, held: StoredMessage, end: Settlement) -> None:
        over = end.recurs or end.state in (None, MessageState.DEAD)
        renewal = self._renewals.pop(held.key.pk or 0, None) if over else None
        if renewal is not None:
            end = settlement.renewed(end, renewal.spec, renewal.tick or 0)
            held = records.on_new_terms(held, renewal, clock.now_us())
        elif end.recurs and held.cancel_asked:
            end = settlement.stopped(end)
        if end.state is None:
            self._drop(held)
        else:
            self._put(records.settled(held, end))

    def free(self, bucket_ids: Collection[str]) -> None:
        """See `MessageBroker.free`."""
        with self._lock:
            now = clock.now_us()
            for message in list(self._messages.values()):
                if message.state is MessageState.READY and message.waits_for in bucket_ids:
                    self._put(replace(message, run_at=now, waits_for=None))
        self._ring()

    def register(self, info: WorkerInfo) -> int:
        """See `MessageBroker.register`."""
        with self._lock:
            return self._roster.add(info)

    def beat(self, worker_id: int) -> Beat:
        """See `MessageBroker.beat`."""
        with self._lock:
            known = self._roster.beat(worker_id)
            mine = (m for m in self._messages.values() if m.worker_id == worker_id)
            asked = frozenset(m.key.pk or 0 for m in mine if m.cancel_asked)
            return Beat(known=known, cancelled=asked)

    def drain(self, worker_id: int) -> None:
        """See `MessageBroker.drain`."""
        with self._lock:
            self._roster.drain(worker_id)

    def deregister(self, worker_id: int) -> None:
        """See `MessageBroker.deregister`."""
        with self._lock:
            self._roster.remove(worker_id)

    def peers(self, worker_id: int) -> list[Peer]:
        """See `MessageBroker.peers`."""
        with self._lock:
            return self._roster.others(worker_id)

    def rescue(self, worker_id: int, beat: int) -> int:
        """See `MessageBroker.rescue`."""
        with self._lock:
            if not self._roster.remove(worker_id, beat):
                return 0
            return self._free_running(lambda message: message.worker_id == worker_id)

    def rescue_orphans(self) -> int:
        """See `MessageBroker.rescue_orphans`."""
        with self._lock:
            known = {None, *self._roster.ids()}
            return self._free_running(lambda message: message.worker_id not in known)

    def _free_running(self, orphaned: Callable[[StoredMessage], bool]) -> int:
        orphans = [
            message
            for message in self._messages.values()
            if message.state is MessageState.RUNNING and orphaned(message)
        ]
        for message in orphans:
            self._put(records.rescued(message, len(orphans)))
        self._ring()
        return len(orphans)

    def give_back(self, worker_id: int, in_hand: Collection[int]) -> int:
        """See `MessageBroker.give_back`."""
        with self._lock:
            lost = [
                message
                for pk, message in self._messages.items()
                if message.worker_id == worker_id and pk not in in_hand
            ]
            for message in lost:
                self._put(records.given_back(message))
        self._ring()
        return len(lost)

    def atomically(self) -> AbstractContextManager[None]:
        """See `MessageBroker.atomically`: there is no such thing here."""
        raise NotImplementedError

    def own_session(self) -> AbstractContextManager[None]:
        """See `MessageBroker.own_session`: nobody has to wait here."""
        return nullcontext()

    @contextmanager
    def bell(self, ring: Callable[[], None]) -> Iterator[None]:
        """See `MessageBroker.bell`."""
        self._bells.append(ring)
        try:
            yield
        finally:
            self._bells.remove(ring)
