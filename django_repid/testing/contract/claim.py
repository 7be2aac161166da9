"""What `claim` promises."""

import threading

import pytest

from django_repid.core.host import host
from django_repid.core.message import MessageState, StoredMessage
from django_repid.testing.contract.kit import HOUR, Stage, StageFixture, ack, ids, new, retry


class ClaimContract(StageFixture):
    """Each due message is given to one claim, the most urgent first."""

    def test_a_claim_raises_the_lease_and_marks_the_message_running(self, stage: Stage) -> None:
        stage.enqueue(new())

        message = stage.claim_one()

        assert message.state is MessageState.RUNNING
        assert message.key.lease == 1
        assert message.worker_id == stage.worker_id
        assert message.claimed_at is not None
        assert message.claimed_at >= message.enqueued_at

    def test_nothing_is_claimed_twice(self, stage: Stage) -> None:
        stage.enqueue(*[new() for _ in range(10)])

        first, second = stage.claim(6), stage.claim(6)

        assert len(first) == 6
        assert len(second) == 4
        assert not set(ids(first)) & set(ids(second))

    def test_no_more_than_asked_for(self, stage: Stage) -> None:
        stage.enqueue(*[new() for _ in range(5)])

        assert len(stage.claim(2)) == 2

    def test_priority_is_strict_and_then_the_oldest_due_is_first(self, stage: Stage) -> None:
        now = stage.broker.now_us()
        stage.enqueue(
            new(id_="low-old", priority=0, run_at=now - 4 * HOUR),
            new(id_="high-new", priority=9, run_at=now - HOUR),
            new(id_="high-old", priority=9, run_at=now - 2 * HOUR),
            new(id_="odd", priority=-7, run_at=now - 9 * HOUR),
            new(id_="medium", priority=5, run_at=now - 3 * HOUR),
        )

        found = [stage.claim(1)[0].key.id_ for _ in range(5)]

        assert found == ["high-old", "high-new", "medium", "low-old", "odd"]

    def test_a_new_priority_is_seen_at_once_by_a_claim_that_has_room(self, stage: Stage) -> None:
        stage.enqueue(new(priority=5))
        assert len(stage.claim()) == 1

        stage.enqueue(new(priority=77))

        assert len(stage.claim()) == 1

    def test_equal_messages_come_in_the_order_of_their_enqueue(self, stage: Stage) -> None:
        run_at = stage.broker.now_us() - HOUR
        stage.enqueue(*[new(id_=f"m{n}", run_at=run_at) for n in range(20)])

        assert ids(stage.claim(20)) == [f"m{n}" for n in range(20)]

    def test_only_the_topics_that_were_asked_for(self, stage: Stage) -> None:
        stage.enqueue(new("a"), new("b"), new("c"))

        claim = stage.claim_all(topics=["a", "b"])

        assert sorted(m.key.topic for m in claim.messages) == ["a", "b"]
        assert dict(claim.others) == {"c": "default"}

    def test_no_topics_no_messages(self, stage: Stage) -> None:
        stage.enqueue(new())

        assert stage.claim(topics=[]) == []

    @pytest.mark.parametrize(
        ("queues", "excluded", "expected"),
        [
            (None, (), {"a", "b", "c"}),
            (["a", "b"], (), {"a", "b"}),
            (None, ["a"], {"b", "c"}),
            (["a", "b"], ["a"], {"b"}),
        ],
    )
    def test_only_the_queues_that_are_served(
        self,
        stage: Stage,
        queues: list[str] | None,
        excluded: list[str],
        expected: set[str],
    ) -> None:
        stage.enqueue(*[new(queue=queue) for queue in ("a", "b", "c")])

        claimed = stage.claim(queues=queues, excluded=excluded)

        assert {message.key.queue for message in claimed} == expected

    def test_queues_take_turns(self, stage: Stage) -> None:
        run_at = stage.broker.now_us() - HOUR
        stage.enqueue(
            *[new(queue="loud", priority=9, run_at=run_at - n) for n in range(40)],
            *[new(queue="quiet", priority=0, run_at=run_at) for _ in range(4)],
        )

        batch = stage.claim(8)

        assert [message.key.queue for message in batch].count("quiet") == 4

    def test_one_place_goes_to_another_queue_each_time(self, stage: Stage) -> None:
        stage.enqueue(*[new(queue=queue) for queue in ("a", "b", "c") for _ in range(10)])

        served = [stage.claim(1)[0].key.queue for _ in range(9)]

        assert {served.count(queue) for queue in ("a", "b", "c")} == {3}

    def test_a_paused_queue_gives_nothing_until_it_is_resumed(self, stage: Stage) -> None:
        stage.enqueue(new(queue="mail"), new(queue="rest"))
        stage.broker.pause("mail", by="me", reason="the provider is down")

        assert [m.key.queue for m in stage.claim()] == ["rest"]

        stage.broker.resume("mail")

        assert [m.key.queue for m in stage.claim()] == ["mail"]

    def test_the_next_due_time_is_that_of_what_it_would_take(self, stage: Stage) -> None:
        now = stage.broker.now_us()
        stage.enqueue(
            new("other", run_at=now + HOUR),
            new("work", run_at=now + 3 * HOUR),
            new("work", priority=1, run_at=now + 2 * HOUR),
        )

        assert stage.claim_all().next_due == now + 2 * HOUR

    def test_a_retried_message_comes_back_under_a_higher_lease(self, stage: Stage) -> None:
        stage.enqueue(new())
        first = stage.claim_one()
        stage.settle(retry(first, run_at=stage.broker.now_us() - 1))

        second = stage.claim_one()

        assert second.key.lease == first.key.lease + 1
        assert second.tries == 1
        assert second.parameters.retries.already_tried == 1
        assert second.due_at == first.due_at

    def test_workers_side_by_side_share_the_messages_out(self, stage: Stage) -> None:
        """Real threads on real connections: nothing twice, nothing left."""
        count, workers = 400, 4
        stage.enqueue(*[new() for _ in range(count)])
        taken: list[list[StoredMessage]] = [[] for _ in range(workers)]
        problems: list[BaseException] = []

        def work(place: int) -> None:
            try:
                with host().thread_scope():
                    empty = 0
                    while empty < 20:
                        batch = stage.claim(7)
                        empty = 0 if batch else empty + 1
                        if batch:
                            stage.settle(*[ack(message) for message in batch])
                        taken[place] += batch
            except BaseException as error:  # noqa: BLE001 - told to the test
                problems.append(error)

        threads = [threading.Thread(target=work, args=[n]) for n in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert problems == []
        every = [message.key.id_ for part in taken for message in part]
        assert len(every) == len(set(every)) == count
