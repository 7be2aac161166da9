"""What brokers promise of new terms for a recurring message: when they take the old ones' place."""

from dataclasses import replace
from typing import Any

from django_repid.core import clock, follow, settlement
from django_repid.core.codec import Spec
from django_repid.core.message import MessageState, NewMessage, StoredMessage
from django_repid.core.schedule import Schedule
from django_repid.core.settlement import Settlement
from django_repid.testing.contract.kit import (
    HOUR,
    SECOND,
    Stage,
    StageFixture,
    ack,
    new,
    record,
    retry,
)

HOURLY = Schedule(every=HOUR)


def recurring(
    tick: int, *, again: Schedule = HOURLY, id_: str | None = "tick", **more: Any
) -> NewMessage:
    """Make a recurring message whose first occurrence is at `tick`."""
    message = new(id_=id_, run_at=tick, tick=tick, **more)
    return replace(message, spec=Spec.write(clock.now_us(), result_id="r1", again=again))


def ended(message: StoredMessage, now: int, data: str = '"done"') -> Settlement:
    """End an occurrence well: the next one follows."""
    return settlement.recurring(ack(message, record("r1", data, now=now)), after=now)


class RenewalContract(StageFixture):
    """New terms leave an occurrence alone that is under way, and whoever comes last wins."""

    def _due(self, stage: Stage, **more: Any) -> StoredMessage:
        stage.enqueue(recurring(stage.broker.now_us() - 10 * SECOND, **more))
        return stage.claim_one()

    def _only(self, stage: Stage) -> StoredMessage:
        (found,) = stage.broker.find(["tick"])
        return found

    def test_the_same_schedule_keeps_its_occurrence_under_new_terms(self, stage: Stage) -> None:
        tick = stage.broker.now_us() - SECOND  # missed, and not to be lost
        stage.enqueue(recurring(tick, payload='{"n": 1}'))

        (answer,) = stage.enqueue(
            recurring(tick + HOUR, payload='{"n": 2}', queue="mail", priority=9)
        )

        assert answer.duplicate is False
        message = stage.claim_one()
        assert (message.tick, message.payload) == (tick, '{"n": 2}')
        assert (message.key.queue, message.key.priority) == ("mail", 9)

    def test_another_schedule_begins_with_its_own_first_occurrence(self, stage: Stage) -> None:
        now = stage.broker.now_us()
        stage.enqueue(recurring(now - SECOND))

        stage.enqueue(recurring(now + 5 * SECOND, again=Schedule(every=5 * SECOND)))

        message = self._only(stage)
        assert message.tick == message.run_at == now + 5 * SECOND
        assert stage.claim() == []

    def test_new_terms_leave_a_running_occurrence_alone_and_hold_from_the_next(
        self, stage: Stage
    ) -> None:
        message = self._due(stage, payload='{"n": 1}')

        (answer,) = stage.enqueue(
            recurring(stage.broker.now_us() + HOUR, payload='{"n": 2}', topic="other")
        )
        stage.settle(retry(message, run_at=message.run_at))
        again = stage.claim_one()
        stage.settle(ended(again, stage.broker.now_us()))

        assert answer.duplicate is False
        assert (again.key.topic, again.payload) == ("work", '{"n": 1}')
        following = self._only(stage)
        assert (following.key.topic, following.payload) == ("other", '{"n": 2}')
        assert following.tick == (message.tick or 0) + HOUR
        assert following.tries == 0

    def test_another_schedule_for_one_that_runs_begins_when_it_has_ended(
        self, stage: Stage
    ) -> None:
        message = self._due(stage)
        first = stage.broker.now_us() + 7 * SECOND
        stage.enqueue(recurring(first, again=Schedule(every=7 * SECOND)))

        stage.settle(ended(message, stage.broker.now_us()))

        following = self._only(stage)
        assert following.tick == following.run_at == following.due_at == first
        assert following.spec.again == Schedule(every=7 * SECOND)

    def test_whoever_comes_last_wins_of_a_cancel_and_new_terms(self, stage: Stage) -> None:
        message = self._due(stage)
        later = stage.broker.now_us() + HOUR
        stage.broker.ask_cancel("tick")
        stage.enqueue(recurring(later))
        stage.settle(ack(message))
        assert self._only(stage).state is MessageState.READY
        assert not self._only(stage).cancel_asked

        stage.enqueue(recurring(later - 2 * HOUR, again=Schedule(every=2 * HOUR)))
        message = stage.claim_one()
        stage.enqueue(recurring(later))
        stage.broker.ask_cancel("tick")
        stage.settle(ended(message, stage.broker.now_us()))
        assert stage.broker.find(["tick"]) == []

    def test_a_cancel_between_two_tries_ends_it_with_the_new_terms_that_came_before(
        self, stage: Stage
    ) -> None:
        message = self._due(stage)
        stage.enqueue(recurring(stage.broker.now_us() + HOUR))
        stage.settle(retry(message, run_at=stage.broker.now_us() + HOUR))

        assert follow.cancel(stage.connection, "tick")

        assert stage.broker.find(["tick"]) == []

    def test_new_terms_between_two_tries_hold_from_the_next_occurrence(self, stage: Stage) -> None:
        message = self._due(stage, payload='{"n": 1}')
        stage.settle(retry(message, run_at=message.run_at))

        later = stage.broker.now_us() + 7 * SECOND
        stage.enqueue(recurring(later, payload='{"n": 2}', again=Schedule(every=7 * SECOND)))

        again = stage.claim_one()
        assert (again.tick, again.tries, again.payload) == (message.tick, 1, '{"n": 1}')
        stage.settle(ended(again, stage.broker.now_us()))
        following = self._only(stage)
        assert (following.tick, following.payload) == (later, '{"n": 2}')

    def test_new_terms_leave_alone_what_its_worker_has_died_of(self, stage: Stage) -> None:
        message = self._due(stage, payload='{"n": 1}')
        assert stage.broker.rescue(stage.worker_id, 0) == 1

        stage.enqueue(recurring(stage.broker.now_us() + HOUR, payload='{"n": 2}'))

        again = stage.claim_one()
        assert (again.tick, again.crashes, again.payload) == (message.tick, 1, '{"n": 1}')

    def test_new_terms_go_with_the_job_that_is_replaced(self, stage: Stage) -> None:
        message = self._due(stage)
        stage.enqueue(recurring(stage.broker.now_us() + HOUR))
        stage.settle(retry(message, run_at=stage.broker.now_us() + HOUR))

        stage.enqueue(new(id_="tick", on_duplicate="replace"))
        stage.settle(ack(stage.claim_one()))

        assert stage.broker.find(["tick"]) == []

    def test_arguments_of_new_terms_that_wait_for_their_turn_are_referred_to(
        self, stage: Stage
    ) -> None:
        self._due(stage)

        stage.enqueue(recurring(stage.broker.now_us() + HOUR, args_id="theirs", payload=None))

        assert stage.broker.referred(["theirs", "nobodys"]) == {"theirs"}

    def test_they_are_referred_to_between_two_tries_too(self, stage: Stage) -> None:
        message = self._due(stage)
        stage.enqueue(recurring(stage.broker.now_us() + HOUR, args_id="theirs", payload=None))

        stage.settle(retry(message, run_at=stage.broker.now_us() + HOUR))

        assert stage.broker.referred(["theirs", "nobodys"]) == {"theirs"}
