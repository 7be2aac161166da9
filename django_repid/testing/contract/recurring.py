"""What brokers promise of recurring messages: one row each, re-armed when an occurrence ends."""

from dataclasses import replace

import pytest

from django_repid.core import settlement
from django_repid.core.errors import DuplicateJob
from django_repid.core.message import MessageCategory, MessageState
from django_repid.core.schedule import Schedule
from django_repid.testing.contract.kit import (
    HOUR,
    SECOND,
    Stage,
    ack,
    bury,
    ids,
    new,
    record,
    retry,
)
from django_repid.testing.contract.renewal import HOURLY, RenewalContract, ended, recurring


class RecurringContract(RenewalContract):
    """One row per recurring job, in whatever way its occurrences end."""

    def test_an_occurrence_that_ends_is_followed_by_the_next_one(self, stage: Stage) -> None:
        message = self._due(stage)
        first = message.tick
        assert first is not None

        assert stage.settle(ended(message, stage.broker.now_us())) == frozenset()

        following = self._only(stage)
        assert following.state is MessageState.READY
        assert following.tick == following.run_at == following.due_at == first + HOUR
        assert (following.tries, following.worker_id) == (0, None)
        assert stage.claim() == []
        result = stage.result("r1")
        assert result is not None
        assert result.data == '"done"'

    def test_the_next_occurrence_overwrites_the_result(self, stage: Stage) -> None:
        message = self._due(stage, again=Schedule(every=SECOND))
        now = stage.broker.now_us()
        stage.settle(replace(ended(message, now, '"one"'), run_at=now - SECOND))

        stage.settle(ended(stage.claim_one(), stage.broker.now_us(), '"two"'))

        result = stage.result("r1")
        assert result is not None
        assert result.data == '"two"'

    def test_a_stale_attempt_does_not_rearm(self, stage: Stage) -> None:
        message = self._due(stage)
        stage.settle(settlement.again(message, run_at=message.run_at, tries=0))
        taken = stage.claim_one()

        lost = stage.settle(ended(message, stage.broker.now_us()))

        assert lost == {message.key.pk}
        assert self._only(stage).key.lease == taken.key.lease
        assert self._only(stage).state is MessageState.RUNNING

    def test_a_retry_keeps_the_occurrence(self, stage: Stage) -> None:
        message = self._due(stage)

        stage.settle(retry(message, run_at=message.run_at))

        again = stage.claim_one()
        assert (again.tick, again.due_at, again.tries) == (message.tick, message.due_at, 1)

    def test_one_that_was_asked_to_stop_while_it_ran_does_not_come_again(
        self, stage: Stage
    ) -> None:
        message = self._due(stage)
        assert stage.broker.ask_cancel("tick")

        stage.settle(ended(message, stage.broker.now_us()))

        assert stage.broker.find(["tick"]) == []
        assert stage.result("r1") is not None

    def test_a_batch_with_one_that_recurs(self, stage: Stage) -> None:
        stage.enqueue(new(id_="a"), new(id_="b", result_id="r2"))
        stage.enqueue(recurring(stage.broker.now_us() - SECOND))
        taken = {message.key.id_: message for message in stage.claim()}
        now = stage.broker.now_us()

        lost = stage.settle(
            ack(taken["a"]), ended(taken["tick"], now), ack(taken["b"], record("r2", now=now))
        )

        assert lost == frozenset()
        assert ids(stage.broker.find(["a", "b", "tick"])) == ["tick"]
        assert stage.result("r2") is not None

    def test_it_can_be_refused_as_a_duplicate(self, stage: Stage) -> None:
        stage.enqueue(recurring(stage.broker.now_us()))

        with pytest.raises(DuplicateJob):
            stage.enqueue(recurring(stage.broker.now_us(), on_duplicate="raise"))

    def test_it_leaves_one_alone_that_runs_and_does_not_recur(self, stage: Stage) -> None:
        stage.enqueue(new(id_="tick"))
        message = stage.claim_one()

        (answer,) = stage.enqueue(recurring(stage.broker.now_us()))

        assert answer.duplicate is True
        assert stage.settle(ack(message)) == frozenset()
        assert stage.broker.find(["tick"]) == []

    def test_it_replaces_one_that_waits_and_does_not_recur(self, stage: Stage) -> None:
        stage.enqueue(new(id_="tick"))

        (answer,) = stage.enqueue(recurring(stage.broker.now_us() + HOUR))

        assert answer.duplicate is False
        assert self._only(stage).spec.again == HOURLY

    def test_a_dead_one_is_replaced_unless_it_is_only_declared_again(self, stage: Stage) -> None:
        declared = replace(HOURLY, declared=True)
        message = self._due(stage, again=declared)
        now = stage.broker.now_us()
        stage.settle(bury(message, at=now))

        (same,) = stage.enqueue(recurring(now + HOUR, again=declared))
        assert same.duplicate is True
        assert ids(stage.broker.browse("default", MessageCategory.DEAD)) == ["tick"]

        other = replace(declared, every=2 * HOUR)
        (answer,) = stage.enqueue(recurring(now + 2 * HOUR, again=other))
        assert answer.duplicate is False
        assert self._only(stage).state is MessageState.READY

    def test_a_quarantined_one_stays_so_and_takes_new_terms_along(self, stage: Stage) -> None:
        message = self._due(stage, payload='{"n": 1}')
        stage.enqueue(recurring(stage.broker.now_us() + HOUR, payload='{"n": 2}'))

        stage.settle(bury(message, at=stage.broker.now_us()))

        dead = self._only(stage)
        assert (dead.state, dead.payload) == (MessageState.DEAD, '{"n": 2}')

    def test_without_an_id_each_enqueue_is_a_job_of_its_own(self, stage: Stage) -> None:
        tick = stage.broker.now_us() - SECOND
        stage.enqueue(recurring(tick, id_=None), recurring(tick, id_=None))

        assert len(stage.claim()) == 2
