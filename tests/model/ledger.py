"""What a store must hold, kept in plain Python: the model."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields

from django_repid.core.bucket import BucketRecord
from django_repid.core.message import (
    Enqueued,
    MessageCategory,
    MessageState,
    NewMessage,
    OnDuplicate,
    StoredMessage,
)
from django_repid.core.settlement import Settlement
from tests.model.stores import SECOND

READY, RUNNING, DEAD = MessageState

_SEIZER_IS_DEAD_US = 60 * SECOND


@dataclass(kw_only=True)
class Row:
    """One job. `payload` is unlike any other's, and so says which one it is."""

    id_: str
    topic: str
    queue: str
    priority: int
    payload: str | None
    run_at: int
    due_at: int
    state: MessageState = READY
    lease: int = 0
    worker_id: int | None = None
    claimed_at: int | None = None
    tries: int = 0
    cancel_asked: bool = False
    waits_for: str | None = None
    dead_reason: str = ""

    @classmethod
    def seen(cls, message: StoredMessage) -> "Row":
        """Return a stored message as a row of this ledger."""
        key = message.key
        places = {field.name for field in fields(cls)}
        of_key = {name: getattr(key, name) for name in places if hasattr(key, name)}
        rest = {name: getattr(message, name) for name in places - of_key.keys()}
        return cls(**of_key, **rest)

    def release(self) -> None:
        """Take the job from whoever runs it."""
        self.worker_id = self.claimed_at = None


class Ledger:
    """Jobs by their keys, and what became of those that are gone."""

    def __init__(self, *, counts_beats: bool, frees_seized: bool) -> None:
        self._counts_beats, self._frees_seized = counts_beats, frees_seized
        self.rows: dict[int, Row] = {}
        self.keys: set[int] = set()
        self.workers: dict[int, int] = {}
        self.results: dict[str, str] = {}
        self.acknowledged: set[str] = set()
        self.endings: Counter[str] = Counter()

    def find(self, id_: str) -> tuple[int, Row] | None:
        """Return the job under an id, with its key."""
        return next(((pk, row) for pk, row in self.rows.items() if row.id_ == id_), None)

    def count(self, state: MessageState) -> int:
        """Return how many jobs are in a state."""
        return sum(row.state is state for row in self.rows.values())

    def holds(self, message: StoredMessage) -> bool:
        """Whether an attempt still has the right to settle its message."""
        row = self.rows.get(message.key.pk or 0)
        return row is not None and (row.state, row.lease) == (RUNNING, message.key.lease)

    # ---- enqueue

    def refuses(self, messages: Iterable[NewMessage]) -> bool:
        """Whether one of these raises; no id is twice among those that may."""
        return any(m.on_duplicate is OnDuplicate.RAISE and self._standing(m) for m in messages)

    def _standing(self, message: NewMessage) -> tuple[int, Row] | None:
        found = self.find(message.key.id_)
        if found is None or found[1].state is DEAD:
            return None
        replaced = message.on_duplicate is OnDuplicate.REPLACE and found[1].state is READY
        return None if replaced else found

    def enqueue(self, message: NewMessage, answer: Enqueued, now: int) -> None:
        """Write a message, and see that the store has answered so."""
        pk = answer.key.pk or 0
        if (standing := self._standing(message)) is not None:
            assert (answer.duplicate, pk) == (True, standing[0])
            return
        assert answer.duplicate is False
        lease = 0
        if (old := self.find(message.key.id_)) is not None:
            assert pk == old[0], "a message that is overwritten keeps its key"
            lease = old[1].lease
            self._end(pk)
        else:
            assert pk not in self.keys, "a key was used again"
            self.keys.add(pk)
        assert message.payload is not None
        self.acknowledged.add(message.payload)
        run_at = now if message.run_at is None else message.run_at
        key = message.key
        self.rows[pk] = Row(
            id_=key.id_, topic=key.topic, queue=key.queue, priority=key.priority, lease=lease,
            payload=message.payload, run_at=run_at, due_at=run_at,
        )  # fmt: skip

    # ---- claims and their ends

    def take(self, pk: int, worker_id: int | None, now: int) -> None:
        """Give a job to an attempt."""
        row = self.rows[pk]
        row.state, row.lease = RUNNING, row.lease + 1
        row.worker_id, row.claimed_at = worker_id, now

    def settle(self, ends: Sequence[Settlement], now: int) -> frozenset[int]:
        """Write the ends of those who hold their lease; return the keys of the others."""
        held = [end for end in ends if self.holds(end.message)]
        for end in held:
            self._write(end)
        records = [end.result for end in held if end.result is not None]
        self.store(sorted(records, key=lambda record: record.finished_ns or 0), now)
        return frozenset(end.message.key.pk or 0 for end in ends if end not in held)

    def _write(self, end: Settlement) -> None:
        pk = end.message.key.pk or 0
        if end.state is None:
            self._end(pk)
            return
        row = self.rows[pk]
        row.state, row.run_at, row.due_at, row.tries = end.state, end.run_at, end.due_at, end.tries
        row.waits_for, row.dead_reason = end.waits_for, end.dead_reason
        row.cancel_asked = row.cancel_asked and not end.uncancel
        row.release()

    def store(self, records: Sequence[BucketRecord], now: int) -> None:
        """Write results; whatever waits for one is due."""
        for record in records:
            self.results[record.id_] = record.data
        self.free([record.id_ for record in records], now)

    def free(self, bucket_ids: Collection[str], now: int) -> None:
        """Make due what waits for these buckets."""
        for row in self.rows.values():
            if row.state is READY and row.waits_for in bucket_ids:
                row.run_at, row.waits_for = now, None

    def _end(self, pk: int) -> None:
        payload = self.rows.pop(pk).payload
        assert payload is not None
        self.endings[payload] += 1

    # ---- workers

    def beat(self, worker_id: int) -> bool:
        """Count a beat; False from a worker that is not known."""
        if worker_id in self.workers:
            self.workers[worker_id] += self._counts_beats
        return worker_id in self.workers

    def rescue(self, worker_id: int, beat: int) -> list[int]:
        """Forget a worker whose counter stands there; return the keys of what it ran."""
        if self.workers.get(worker_id) != beat:
            return []
        del self.workers[worker_id]
        return self._free_running(lambda row: row.worker_id == worker_id)

    def rescue_orphans(self, now: int) -> list[int]:
        """Free what is run by nobody; return the keys."""

        def orphaned(row: Row) -> bool:
            if row.worker_id is not None:
                return row.worker_id not in self.workers
            return self._frees_seized and (row.claimed_at or 0) < now - _SEIZER_IS_DEAD_US

        return self._free_running(orphaned)

    def _free_running(self, orphaned) -> list[int]:
        keys = [pk for pk, row in self.rows.items() if row.state is RUNNING and orphaned(row)]
        for pk in keys:
            self.rows[pk].state = READY
            self.rows[pk].release()
        return keys

    # ---- people

    def prunable(self, dead_before: int) -> set[int]:
        """Return the keys of dead letters that are old enough to go."""
        rows = self.rows.items()
        return {pk for pk, row in rows if row.state is DEAD and row.run_at < dead_before}

    def cancel(self, pk: int, result_id: str | None, now: int) -> None:
        """Remove a job that waits; its result says so."""
        self._end(pk)
        if result_id is not None:
            self.results[result_id] = "The job was cancelled."
            self.free([result_id], now)

    @staticmethod
    def category(row: Row, now: int) -> MessageCategory | None:
        """Return what a job is browsed as."""
        ready = MessageCategory.NORMAL if row.run_at <= now else MessageCategory.DELAYED
        return {READY: ready, DEAD: MessageCategory.DEAD}.get(row.state)

    def prune(self, keys: Iterable[int]) -> None:
        """Remove dead letters."""
        for pk in keys:
            self._end(pk)
