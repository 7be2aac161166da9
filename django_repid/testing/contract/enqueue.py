"""What `enqueue` promises."""

from datetime import timedelta

import pytest

from django_repid.core.errors import DuplicateJob
from django_repid.core.message import MessageCategory, MessageState
from django_repid.testing.contract.kit import HOUR, Stage, StageFixture, ack, bury, ids, new


class EnqueueContract(StageFixture):
    """Messages come in once, whole, and as they were asked for."""

    def test_what_was_enqueued_is_what_is_claimed(self, stage: Stage) -> None:
        message = new("work", queue="mail", priority=-3, payload='{"a":1}', headers={"tenant": "x"})

        (answer,) = stage.enqueue(message)
        claimed = stage.claim_one()

        assert answer.duplicate is False
        assert answer.key.pk == claimed.key.pk
        assert (claimed.key.topic, claimed.key.queue, claimed.key.priority, claimed.key.id_) == (
            "work",
            "mail",
            -3,
            message.key.id_,
        )
        assert claimed.payload == '{"a":1}'
        assert dict(claimed.headers) == {"tenant": "x"}
        assert claimed.parameters.execution_timeout == timedelta(minutes=10)
        assert claimed.enqueued_at == answer.enqueued_at == claimed.due_at == claimed.run_at

    def test_many_messages_are_written_in_their_order(self, stage: Stage) -> None:
        messages = [new() for _ in range(1234)]

        answers = stage.enqueue(*messages)
        claimed = stage.claim(2000)

        assert [answer.key.id_ for answer in answers] == [m.key.id_ for m in messages]
        assert ids(claimed) == [m.key.id_ for m in messages]

    def test_nothing_is_enqueued_by_an_empty_list(self, stage: Stage) -> None:
        assert stage.enqueue() == []
        assert stage.claim() == []

    def test_a_deferred_message_waits_for_its_time(self, stage: Stage) -> None:
        run_at = stage.broker.now_us() + HOUR
        stage.enqueue(new(run_at=run_at))

        claim = stage.claim_all()

        assert claim.messages == []
        assert claim.next_due == run_at

    def test_ids_differ_by_case(self, stage: Stage) -> None:
        answers = stage.enqueue(new(id_="Abc"), new(id_="abc"))

        assert [answer.duplicate for answer in answers] == [False, False]
        assert len(stage.claim()) == 2

    @pytest.mark.parametrize("running", [False, True])
    def test_a_duplicate_is_skipped_and_told_what_stands(
        self, stage: Stage, *, running: bool
    ) -> None:
        (first,) = stage.enqueue(new(id_="one", payload='{"n":1}', result_id="first"))
        if running:
            stage.claim_one()

        (second,) = stage.enqueue(new(id_="one", payload='{"n":2}', result_id="second"))

        assert second.duplicate is True
        assert second.key.pk == first.key.pk
        assert second.standing is not None
        assert second.standing.result_id == "first"
        if not running:
            assert stage.claim_one().payload == '{"n":1}'

    def test_a_duplicate_within_one_batch_is_one_too(self, stage: Stage) -> None:
        answers = stage.enqueue(
            new(id_="one", payload='{"n":1}'), new(id_="one", payload='{"n":2}')
        )

        assert [answer.duplicate for answer in answers] == [False, True]
        assert stage.claim_one().payload == '{"n":1}'

    def test_raise_refuses_the_whole_batch(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"))

        with pytest.raises(DuplicateJob, match="one"):
            stage.enqueue(
                new(id_="two", on_duplicate="raise"), new(id_="one", on_duplicate="raise")
            )

        assert ids(stage.claim()) == ["one"]

    def test_raise_refuses_a_batch_that_has_an_id_twice(self, stage: Stage) -> None:
        batch = [new(id_=id_, on_duplicate="raise") for id_ in ("one", "two", "one")]

        with pytest.raises(DuplicateJob, match="one"):
            stage.enqueue(*batch)

        assert stage.claim() == []

    def test_replace_overwrites_one_that_waits_and_keeps_its_key(self, stage: Stage) -> None:
        (first,) = stage.enqueue(new(id_="one", payload='{"n":1}', priority=1))

        (second,) = stage.enqueue(
            new("other", id_="one", queue="q2", payload='{"n":2}', on_duplicate="replace")
        )
        claimed = stage.claim_one(topics=["other"])

        assert second.duplicate is False
        assert second.key.pk == first.key.pk
        assert (claimed.payload, claimed.key.queue, claimed.key.priority) == ('{"n":2}', "q2", 5)
        assert stage.claim() == []

    def test_replace_beside_a_running_one_is_skip(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one", payload='{"n":1}'))
        running = stage.claim_one()

        (answer,) = stage.enqueue(new(id_="one", payload='{"n":2}', on_duplicate="replace"))

        assert answer.duplicate is True
        assert stage.settle(ack(running)) == frozenset()
        assert stage.claim() == []

    def test_replace_takes_back_a_retry_with_its_tries(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"))
        message = stage.claim_one()
        end = bury(message, at=stage.broker.now_us())
        stage.settle(end)

        stage.enqueue(new(id_="one", on_duplicate="replace"))
        again = stage.claim_one()

        assert again.tries == 0
        assert again.dead_reason == ""

    @pytest.mark.parametrize("on_duplicate", ["skip", "raise", "replace"])
    def test_a_dead_message_never_blocks(self, stage: Stage, on_duplicate: str) -> None:
        stage.enqueue(new(id_="one"))
        dead = stage.claim_one()
        stage.settle(bury(dead, at=stage.broker.now_us()))

        (answer,) = stage.enqueue(new(id_="one", payload='{"n":2}', on_duplicate=on_duplicate))
        claimed = stage.claim_one()

        assert answer.duplicate is False
        assert claimed.payload == '{"n":2}'
        assert claimed.state is MessageState.RUNNING
        assert claimed.key.lease > dead.key.lease
        assert stage.broker.browse("default", MessageCategory.DEAD) == []

    def test_an_id_is_free_again_after_its_end(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"))
        stage.settle(ack(stage.claim_one()))

        (answer,) = stage.enqueue(new(id_="one"))

        assert answer.duplicate is False
        assert ids(stage.claim()) == ["one"]

    def test_arguments_are_stored_with_the_message(self, stage: Stage) -> None:
        stage.enqueue(
            new(payload=None, args='{"n":1}', args_id="args", args_ttl=HOUR, args_generated=True)
        )

        message = stage.claim_one()
        found = stage.connection.arguments([message])

        assert (message.args_id, message.args_generated, message.payload) == ("args", True, None)
        assert found["args"].data == '{"n":1}'
        assert found["args"].ttl == timedelta(hours=1)

    def test_a_skipped_duplicate_leaves_the_args_bucket_as_it_is(self, stage: Stage) -> None:
        first = new(id_="one", payload=None, args='{"n":1}', args_id="args")
        second = new(id_="one", payload=None, args='{"n":2}', args_id="args")

        stage.enqueue(first)
        stage.enqueue(second)

        assert stage.connection.arguments([stage.claim_one()])["args"].data == '{"n":1}'
