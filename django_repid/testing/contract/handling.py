"""What single messages can be asked for by name, and how a queue is looked through."""

from django_repid.core import settlement
from django_repid.core.message import MessageCategory, MessageState
from django_repid.testing.contract.kit import HOUR, Stage, StageFixture, ack, bury, ids, new, retry

_DAY = 24 * HOUR


class HandlingContract(StageFixture):
    """Seize, cancel, browse, prune."""

    def test_a_waiting_message_can_be_seized_and_settled(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"))

        seized = stage.broker.seize("one", [MessageState.READY])

        assert seized is not None
        assert seized.state is MessageState.RUNNING
        assert seized.worker_id is None
        assert stage.claim() == []
        assert stage.settle(ack(seized)) == frozenset()

    def test_only_in_one_of_the_states_that_were_named(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"))

        assert stage.broker.seize("one", [MessageState.DEAD]) is None
        assert stage.broker.seize("nobody", list(MessageState)) is None
        assert len(stage.claim()) == 1

    def test_seizing_takes_the_lease_from_a_running_attempt(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"))
        running = stage.claim_one()

        seized = stage.broker.seize("one", [MessageState.RUNNING])

        assert seized is not None
        assert stage.settle(ack(running)) == {running.key.pk}

    def test_a_dead_message_can_start_over(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"))
        stage.settle(bury(stage.claim_one(), at=stage.broker.now_us()))
        seized = stage.broker.seize("one", [MessageState.DEAD])
        assert seized is not None
        at = stage.broker.now_us()

        stage.settle(settlement.anew(seized, at=at))
        again = stage.claim_one()

        assert (again.tries, again.crashes, again.dead_reason) == (0, 0, "")
        assert (again.run_at, again.due_at) == (at, at)

    def test_a_running_message_can_be_asked_to_stop(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"), new(id_="two"))
        stage.claim()

        assert stage.broker.ask_cancel("one") is True

        beat = stage.broker.beat(stage.worker_id)
        assert beat.known
        assert len(beat.cancelled) == 1

    def test_only_a_running_message_can_be_asked_to_stop(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"))

        assert stage.broker.ask_cancel("one") is False
        assert stage.broker.ask_cancel("nobody") is False
        assert stage.claim_one().cancel_asked is False

    def test_the_wish_to_stop_outlives_a_retry(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"))
        message = stage.claim_one()
        stage.broker.ask_cancel("one")
        stage.settle(retry(message, run_at=stage.broker.now_us() - 1))

        assert stage.claim_one().cancel_asked is True

    def test_a_message_that_starts_over_is_not_to_be_stopped_any_more(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"))
        message = stage.claim_one()
        stage.broker.ask_cancel("one")
        stage.settle(bury(message, at=stage.broker.now_us()))
        seized = stage.broker.seize("one", [MessageState.DEAD])
        assert seized is not None

        stage.settle(settlement.anew(seized, at=stage.broker.now_us()))

        assert stage.claim_one().cancel_asked is False

    def test_browsing_claims_nothing_and_goes_page_by_page(self, stage: Stage) -> None:
        stage.enqueue(*[new(id_=f"m{n}") for n in range(5)], new("other", id_="o"))
        now = stage.broker.now_us()
        stage.settle(*[bury(message, at=now) for message in stage.claim(topics=["work", "other"])])

        first = stage.broker.browse("default", MessageCategory.DEAD, topics=["work"], limit=3)
        rest = stage.broker.browse(
            "default", MessageCategory.DEAD, topics=["work"], limit=3, after=first[-1].key.pk or 0
        )

        assert ids(first) == ["m0", "m1", "m2"]
        assert ids(rest) == ["m3", "m4"]
        assert {message.state for message in first} == {MessageState.DEAD}

    def test_categories_and_queues_are_kept_apart(self, stage: Stage) -> None:
        now = stage.broker.now_us()
        stage.enqueue(
            new(id_="due"),
            new(id_="later", run_at=now + HOUR),
            new(id_="elsewhere", queue="q2"),
        )

        assert ids(stage.broker.browse("default", MessageCategory.NORMAL)) == ["due"]
        assert ids(stage.broker.browse("default", MessageCategory.DELAYED)) == ["later"]
        assert ids(stage.broker.browse("default", MessageCategory.DEAD)) == []
        assert ids(stage.broker.browse("q2", MessageCategory.NORMAL)) == ["elsewhere"]

    def test_pruning_removes_what_died_before_and_no_more(self, stage: Stage) -> None:
        stage.enqueue(*[new(id_=f"m{n}") for n in range(4)])
        now = stage.broker.now_us()
        old, older, young, waiting = stage.claim()
        stage.settle(
            bury(old, at=now - 2 * _DAY),
            bury(older, at=now - 3 * _DAY),
            bury(young, at=now),
            retry(waiting, run_at=now - 5 * _DAY),
        )

        counted = stage.broker.prune(now - _DAY, 0, dry_run=True)
        pruned = stage.broker.prune(now - _DAY, 0)

        assert counted["dead jobs"] == pruned["dead jobs"] == 2
        assert ids(stage.broker.browse("default", MessageCategory.DEAD)) == ["m2"]
        assert ids(stage.claim()) == ["m3"]
        assert stage.broker.prune(now - _DAY, 0)["dead jobs"] == 0

    def test_pruning_goes_in_steps(self, stage: Stage) -> None:
        stage.enqueue(*[new() for _ in range(5)])
        now = stage.broker.now_us()
        stage.settle(*[bury(message, at=now - _DAY) for message in stage.claim()])

        steps = [stage.broker.prune(now, 0, 2)["dead jobs"] for _ in range(4)]

        assert steps == [2, 2, 1, 0]

    def test_a_flush_removes_what_waits_or_is_dead_in_one_queue(self, stage: Stage) -> None:
        now = stage.broker.now_us()
        stage.enqueue(new(id_="dead"))
        stage.settle(bury(stage.claim_one(), at=now))
        stage.enqueue(new(id_="runs"))
        running = stage.claim_one()
        stage.enqueue(
            new(id_="due"),
            new("other", id_="later", run_at=now + HOUR),
            new(id_="elsewhere", queue="q2"),
        )

        assert stage.broker.flush("default") == 3

        assert stage.broker.flush("default") == 0
        assert ids(stage.broker.find(["dead", "due", "later"])) == []
        assert ids(stage.claim()) == ["elsewhere"]
        assert stage.settle(ack(running)) == frozenset()

    def test_a_flush_goes_in_steps(self, stage: Stage) -> None:
        now = stage.broker.now_us()
        stage.enqueue(*[new() for _ in range(2)])
        stage.settle(*[bury(message, at=now) for message in stage.claim()])
        stage.enqueue(*[new() for _ in range(3)])

        assert [stage.broker.flush("default", 2) for _ in range(4)] == [2, 2, 1, 0]

    def test_referred_says_which_args_buckets_are_needed(self, stage: Stage) -> None:
        stage.enqueue(new(payload=None, args_id="used"))

        assert stage.broker.referred(["used", "unused"]) == {"used"}
