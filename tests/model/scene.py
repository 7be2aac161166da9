"""The scene that the state machine plays on: who is there, and how each step is checked."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from django_repid.core import settlement
from django_repid.core.bucket import BucketRecord
from django_repid.core.connection import Connection
from django_repid.core.message import MessageState, NewMessage, StoredMessage
from django_repid.core.settlement import Settlement
from django_repid.core.verdict import hand_back
from django_repid.testing.contract.kit import ack, bury, new, record, retry, worker_info
from tests.model.ledger import Ledger, Row
from tests.model.stores import HOUR, LOOK_US, SECOND, StillClock, Store

READY, RUNNING, DEAD = MessageState
QUEUES, TOPICS, IDS, BUCKETS = ("q1", "q2"), ("a", "b"), ("x", "y", "z"), ("r1", "r2")

#: How an attempt may end. A job that has a result id leaves its result with an ack or a burial.
KINDS = ("ack", "bury", "retry", "retry at once", "bury", "wait", "hand back")

PAUSES = st.sampled_from([1, LOOK_US // 2, SECOND, 61 * SECOND, HOUR, 30 * HOUR])
TERMS = st.fixed_dictionaries(
    {
        "topic": st.sampled_from(TOPICS),
        "queue": st.sampled_from(QUEUES),
        "priority": st.sampled_from([0, 5, 5, 9]),
        "after": st.sampled_from([None, None, -HOUR, -1, 0, 1, SECOND, HOUR]),
        "id_": st.sampled_from([None, None, *IDS]),
        "result_id": st.sampled_from([None, *BUCKETS]),
    }
)
POLICIES = st.sampled_from(["skip", "raise", "replace"])
BATCHES = st.lists(TERMS, min_size=1, max_size=6, unique_by=lambda terms: terms["id_"] or id(terms))
REQUESTS = st.fixed_dictionaries(
    {
        "wants": st.sampled_from(
            [
                [(TOPICS, 9)],
                [(TOPICS, 1)],
                [(TOPICS, 2)],
                [(TOPICS, 3)],
                [(["a"], 3)],
                [(["b"], 1), (["a"], 1)],
                [],
            ]
        ),
        "queues": st.sampled_from([None, None, ["q1"], ["q1", "q2"], []]),
        "excluded": st.sampled_from([(), (), ["q2"]]),
        "busy": st.booleans(),
    }
)


class Scene(RuleBasedStateMachine):
    """A store, its ledger, and every attempt that was ever given out."""

    def __init__(self, store: Store, still: StillClock) -> None:
        super().__init__()
        self.store, self.still = store, still
        store.open()
        self.ledger = Ledger(counts_beats=store.counts_beats, frees_seized=store.frees_seized)
        #: Also those that have ended and those that lost their lease: zombies settle those.
        self.attempts: list[StoredMessage] = []
        self.registered: list[int] = []
        #: The process that each worker lives in.
        self.home: dict[int, Connection] = {}
        self.paused: dict[str, int] = {}
        #: The highest lease that each row has had.
        self.leases: dict[int, int] = {}
        self.count = 0

    @property
    def now(self) -> int:
        return self.still.now

    @property
    def anywhere(self) -> Connection:
        """One process after the other."""
        self.count += 1
        return self.store.connections[self.count % len(self.store.connections)]

    def holding(self) -> list[StoredMessage]:
        return [message for message in self.attempts if self.ledger.holds(message)]

    def stale(self) -> list[StoredMessage]:
        return [message for message in self.attempts if not self.ledger.holds(message)]

    @initialize()
    def some_workers_come(self) -> None:
        for _ in range(2):
            self.register()

    def register(self) -> int:
        connection = self.anywhere
        worker_id = connection.message_broker.register(worker_info())
        assert worker_id not in self.registered, "the id of a worker was used again"
        self.registered.append(worker_id)
        self.home[worker_id] = connection
        self.ledger.workers[worker_id] = 0
        return worker_id

    def message(self, *, policy: str, after: int | None, id_: str | None, **terms) -> NewMessage:
        self.count += 1
        return new(
            id_=id_,
            on_duplicate=None if id_ is None else policy,
            run_at=None if after is None else self.now + after,
            payload=f"job {self.count}",
            **terms,
        )

    def took(self, message: StoredMessage) -> None:
        """Note that a message was given to an attempt."""
        self.ledger.take(message.key.pk or 0, message.worker_id, self.now)
        self.attempts = [*self.stale()[-20:], *self.holding(), message]

    def end(self, message: StoredMessage, kind: str) -> Settlement:
        """Make the end of an attempt."""
        if kind == "ack":
            return ack(message, self.result(message))
        if kind == "bury":
            return bury(message, at=self.now, result=self.result(message))
        if kind == "hand back":
            return hand_back(message)
        if kind == "wait":
            later, bucket = self.now + HOUR, BUCKETS[message.key.lease % 2]
            return settlement.again(message, run_at=later, tries=message.tries, waits_for=bucket)
        return retry(message, run_at=self.now + (0 if kind == "retry at once" else HOUR))

    def result(self, message: StoredMessage) -> BucketRecord | None:
        """Make a result that no other is like, and that ended later than those before."""
        if message.spec.result_id is None:
            return None
        self.count += 1
        made = record(message.spec.result_id, f'"{self.count}"', now=self.now)
        return replace(made, finished_ns=(made.finished_ns or 0) + self.count)

    def settle(self, ends: Sequence[Settlement]) -> frozenset[int]:
        """Settle on the store and in the ledger: they must agree on who had lost the lease."""
        lost = self.anywhere.settle(ends)
        assert lost == self.ledger.settle(ends, self.now)
        return lost

    def crashes(self) -> dict[int, int]:
        return {message.key.pk or 0: message.crashes for message in self.store.rows()}

    @invariant()
    def the_store_is_what_the_ledger_says(self) -> None:
        stored = {message.key.pk or 0: Row.seen(message) for message in self.store.rows()}

        assert stored == self.ledger.rows
        assert self.store.results() == self.ledger.results
        self._no_lease_goes_back(stored)

    def _no_lease_goes_back(self, stored: dict[int, Row]) -> None:
        for pk, row in stored.items():
            assert row.lease >= self.leases.get(pk, 0)
            self.leases[pk] = row.lease

    @invariant()
    def no_job_is_lost_or_ends_twice(self) -> None:
        there = {row.payload for row in self.ledger.rows.values()}
        ended = {payload for payload, times in self.ledger.endings.items() if times == 1}

        assert len(ended) == len(self.ledger.endings), "a job ended twice"
        assert not there & ended
        assert there | ended == self.ledger.acknowledged

    @invariant()
    def no_job_is_held_by_two_attempts(self) -> None:
        held = [message.key.pk for message in self.holding()]

        assert len(held) == len(set(held))
