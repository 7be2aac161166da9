"""Workers, people and janitors at one store, in any order that Hypothesis thinks of.

After each step every row and every result of the store is compared with those of a model.
"""

import sys
from itertools import product

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from django_repid.core import settlement
from django_repid.core.follow import cancel
from django_repid.core.message import MessageCategory
from django_repid.testing.contract.kit import ack
from tests.model.scene import BUCKETS, DEAD, PAUSES, QUEUES, READY, RUNNING, TOPICS
from tests.model.stores import HOUR, DatabaseStore, MemoryStore, StillClock, Store
from tests.model.workers import Workers, one


class Everybody(Workers):
    """What people do besides, and time."""

    @rule(span=PAUSES)
    def time_passes(self, span: int) -> None:
        self.still.now += span

    def _any_id(self, data) -> str:
        rows = sorted(self.ledger.rows)
        place = data.draw(st.integers(0, len(rows)))
        return self.ledger.rows[rows[place]].id_ if place < len(rows) else "nobody"

    @precondition(lambda self: self.ledger.rows)
    @rule(data=st.data())
    def cancel(self, data) -> None:
        id_ = self._any_id(data)
        pk, row = self.ledger.find(id_) or (0, None)
        result_ids = {m.key.pk: m.spec.result_id for m in self.store.rows()}

        done = cancel(self.anywhere, id_)

        assert done is (row is not None and row.state is not DEAD)
        if row is not None and row.state is RUNNING:
            row.cancel_asked = True
        elif done:
            self.ledger.cancel(pk, result_ids[pk], self.now)

    @precondition(lambda self: self.ledger.rows)
    @rule(data=st.data(), states=st.sets(st.sampled_from([READY, RUNNING, DEAD])))
    def seize(self, data, states) -> None:
        """Whoever seizes a message may settle it later, or die before."""
        id_ = self._any_id(data)
        pk, row = self.ledger.find(id_) or (0, None)

        seized = self.anywhere.message_broker.seize(id_, states)

        assert (seized is not None) is (row is not None and row.state in states)
        if seized is not None:
            assert seized.key.pk == pk
            self.took(seized)

    @precondition(lambda self: self.ledger.count(DEAD))
    @rule(data=st.data())
    def reschedule_a_dead_letter(self, data) -> None:
        rows = self.ledger.rows.items()
        pk = one(data, sorted(pk for pk, row in rows if row.state is DEAD))
        seized = self.anywhere.message_broker.seize(self.ledger.rows[pk].id_, [DEAD])
        assert seized is not None
        self.took(seized)

        self.settle([settlement.anew(seized, at=self.now)])

        (again,) = (m for m in self.store.rows() if m.key.pk == pk)
        assert (again.tries, again.crashes, again.cancel_asked) == (0, 0, False)

    @precondition(lambda self: self.holding())
    @rule(data=st.data())
    def cancel_what_then_fails(self, data) -> None:
        message = one(data, self.holding())
        assert self.anywhere.message_broker.ask_cancel(message.key.id_)
        self.ledger.rows[message.key.pk or 0].cancel_asked = True

        self.settle([self.end(message, "bury")])

    @precondition(lambda self: self.ledger.count(DEAD))
    @rule(age=st.sampled_from([-1, 0, HOUR]), limit=st.sampled_from([1, 500]))
    def prune(self, age: int, limit: int) -> None:
        broker, before = self.anywhere.message_broker, self.now - age
        for moment in (self.now, before):
            count = broker.prune(moment, 0, dry_run=True)["dead jobs"]
            assert count == len(self.ledger.prunable(moment))
        old = self.ledger.prunable(before)

        pruned = broker.prune(before, 0, limit)["dead jobs"]

        gone = self.ledger.rows.keys() - {message.key.pk for message in self.store.rows()}
        assert gone <= old
        assert pruned == len(gone) == min(limit, len(old))
        self.ledger.prune(gone)

    @precondition(lambda self: any(row.waits_for for row in self.ledger.rows.values()))
    @rule(bucket=st.sampled_from(BUCKETS))
    def free_what_waits_for_a_bucket(self, bucket: str) -> None:
        self.anywhere.message_broker.free([bucket, "nowhere"])

        self.ledger.free([bucket], self.now)

    @precondition(lambda self: not self.paused)
    @rule(queue=st.sampled_from(QUEUES))
    def pause(self, queue: str) -> None:
        self.anywhere.message_broker.pause(queue)

        self.paused.setdefault(queue, self.now)

    @precondition(lambda self: self.paused)
    @rule(data=st.data())
    def resume(self, data) -> None:
        queue = one(data, sorted(self.paused))

        self.anywhere.message_broker.resume(queue)

        del self.paused[queue]

    @rule()
    def look_through(self) -> None:
        for queue, category in product(QUEUES, MessageCategory):
            found = self.anywhere.message_broker.browse(queue, category)

            assert [message.key.pk for message in found] == [
                pk
                for pk, row in sorted(self.ledger.rows.items())
                if row.queue == queue and self.ledger.category(row, self.now) is category
            ]

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:  # no step has failed
            self._come_to_an_end()
        for worker_id, connection in self.home.items():
            connection.message_broker.deregister(worker_id)

    def _come_to_an_end(self) -> None:
        """Whatever has happened, each job that is not dead can still be run to its end."""
        for queue in list(self.paused):
            self.store.connections[0].message_broker.resume(queue)
        self.paused.clear()
        if not self.store.frees_seized:
            seized = [message for message in self.holding() if message.worker_id is None]
            self.settle([self.end(message, "hand back") for message in seized])
        for worker_id in list(self.ledger.workers):
            self.home[worker_id].message_broker.deregister(worker_id)
        self.ledger.workers.clear()
        self.still.now += 48 * HOUR
        self.rescue_orphans()
        worker_id = self.register()
        self._claim(worker_id, {"wants": [(TOPICS, 1000)]})
        self.settle([ack(message) for message in self.holding()])
        self.the_store_is_what_the_ledger_says()
        self.no_job_is_lost_or_ends_twice()
        assert {message.state for message in self.store.rows()} <= {DEAD}


#: Runs repeat each other, so that a red one says something about the change that it is for.
#: Nothing here waits, so that there is no deadline; much is refused by preconditions, by intent.
_EXAMPLES = settings(
    derandomize=True,
    database=None,
    deadline=None,
    stateful_step_count=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def _play(store: Store, still: StillClock, max_examples: int) -> None:
    few = settings(_EXAMPLES, max_examples=max_examples)

    def factory() -> Everybody:
        return Everybody(store, still)

    # Whatever makes a machine will do, though its annotation says a class.
    run_state_machine_as_test(factory, settings=few)  # type: ignore[arg-type]  # see above


def test_a_store_in_memory_does_what_the_model_does(still: StillClock) -> None:
    _play(MemoryStore(), still, max_examples=50)


@pytest.mark.django_db(transaction=True)
def test_a_database_does_what_the_model_does(still: StillClock) -> None:
    _play(DatabaseStore(), still, max_examples=20)


@pytest.mark.harsh
def test_a_store_in_memory_does_what_the_model_does_for_long(still: StillClock) -> None:
    _play(MemoryStore(), still, max_examples=400)


@pytest.mark.harsh
@pytest.mark.django_db(transaction=True)
def test_a_database_does_what_the_model_does_for_long(still: StillClock) -> None:
    _play(DatabaseStore(), still, max_examples=160)
