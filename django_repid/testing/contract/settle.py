"""What `settle` promises: the end of a claim, whole or not at all, and only once."""

import threading
from dataclasses import replace
from datetime import timedelta

from django_repid.core import settlement
from django_repid.core.host import host
from django_repid.core.message import MessageCategory, MessageState, RoutingKey, StoredMessage
from django_repid.core.settlement import Failure
from django_repid.testing.contract.kit import (
    HOUR,
    SECOND,
    Stage,
    StageFixture,
    ack,
    bury,
    ids,
    new,
    record,
    retry,
)


def _with_lease(message: StoredMessage, lease: int) -> StoredMessage:
    key = message.key
    return replace(
        message, key=RoutingKey(key.topic, key.queue, key.priority, key.id_, key.pk, lease)
    )


class SettleContract(StageFixture):
    """Rows, results and what they free are one."""

    def test_an_ack_removes_the_message_and_stores_the_result(self, stage: Stage) -> None:
        stage.enqueue(new(result_id="r1"))
        message = stage.claim_one()
        now = stage.broker.now_us()

        lost = stage.settle(ack(message, record("r1", "[1]", ttl=timedelta(hours=2), now=now)))

        assert lost == frozenset()
        assert stage.broker.seize(message.key.id_, list(MessageState)) is None
        result = stage.result("r1")
        assert result is not None
        assert (result.data, result.success, result.exception) == ("[1]", True, None)
        assert result.ttl == timedelta(hours=2)
        assert result.started_when == now * 1000
        assert result.finished_when == now * 1000 + 5

    def test_a_batch_of_every_kind(self, stage: Stage) -> None:
        stage.enqueue(*[new(id_=f"m{n}") for n in range(6)])
        messages = {message.key.id_: message for message in stage.claim()}
        now = stage.broker.now_us()

        lost = stage.settle(
            ack(messages["m0"], record("r0", now=now)),
            retry(messages["m1"], run_at=now + HOUR),
            bury(messages["m2"], at=now, result=record("r2", "no", success=False, now=now)),
            settlement.again(messages["m3"], run_at=messages["m3"].run_at, tries=0),
            ack(messages["m4"]),
            bury(messages["m5"], at=now),
        )

        assert lost == frozenset()
        assert ids(stage.claim()) == ["m3"]
        assert ids(stage.broker.browse("default", MessageCategory.DELAYED)) == ["m1"]
        assert ids(stage.broker.browse("default", MessageCategory.DEAD)) == ["m2", "m5"]
        failed = stage.result("r2")
        assert failed is not None
        assert (failed.success, failed.exception, failed.data) == (False, "ValueError", "no")

    def test_a_lost_lease_writes_nothing(self, stage: Stage) -> None:
        stage.enqueue(new(result_id="r1"), new())
        first, other = stage.claim()
        zombie = _with_lease(first, first.key.lease - 1)
        now = stage.broker.now_us()

        lost = stage.settle(ack(zombie, record("r1", now=now)), ack(other))

        assert lost == {first.key.pk}
        assert stage.result("r1") is None
        assert stage.settle(ack(first, record("r1", now=now))) == frozenset()
        assert stage.result("r1") is not None

    def test_lost_leases_of_every_kind_are_named_and_the_others_stand(self, stage: Stage) -> None:
        stage.enqueue(*[new(id_=f"m{n}") for n in range(4)])
        m = {message.key.id_: message for message in stage.claim()}
        gone = _with_lease(m["m0"], m["m0"].key.lease - 1)
        failed = _with_lease(m["m1"], m["m1"].key.lease - 1)
        now = stage.broker.now_us()

        lost = stage.settle(
            ack(gone, record("r0", now=now)),
            bury(failed, at=now, result=record("r1", "no", success=False, now=now)),
            ack(m["m2"], record("r2", now=now)),
            bury(m["m3"], at=now, result=record("r3", "no", success=False, now=now)),
        )

        assert lost == {gone.key.pk, failed.key.pk}
        assert [stage.result(f"r{n}") is not None for n in range(4)] == [False, False, True, True]
        assert ids(stage.broker.browse("default", MessageCategory.DEAD)) == ["m3"]

    def test_a_settled_message_cannot_be_settled_again(self, stage: Stage) -> None:
        stage.enqueue(new())
        message = stage.claim_one()
        stage.settle(ack(message))

        assert stage.settle(ack(message)) == {message.key.pk}

    def test_an_attempt_that_was_given_up_changes_nothing_before_the_next_claim(
        self, stage: Stage
    ) -> None:
        """After a timeout the message is ready under the same lease: state is part of the fence."""
        stage.enqueue(new(result_id="r1"))
        message = stage.claim_one()
        now = stage.broker.now_us()
        stage.settle(retry(message, run_at=now - 1))

        assert stage.settle(ack(message, record("r1", now=now))) == {message.key.pk}
        assert stage.result("r1") is None
        assert ids(stage.claim()) == [message.key.id_]

    def test_an_id_that_was_given_out_again_is_not_the_same_message(self, stage: Stage) -> None:
        stage.enqueue(new(id_="one"))
        old = stage.claim_one()
        stage.settle(ack(old))
        stage.enqueue(new(id_="one"))
        fresh = stage.claim_one()

        assert stage.settle(bury(old, at=stage.broker.now_us())) == {old.key.pk}
        assert stage.settle(ack(fresh)) == frozenset()

    def test_two_results_under_one_id_leave_the_last(self, stage: Stage) -> None:
        stage.enqueue(new(), new(), new(result_id="same"))
        one, two, three = stage.claim()
        now = stage.broker.now_us()

        lost = stage.settle(
            ack(one, record("same", "1", now=now)),
            ack(two, record("same", "2", now=now)),
            ack(three, record("same", "3", now=now)),
        )

        assert lost == frozenset()
        result = stage.result("same")
        assert result is not None
        assert result.data == "3"

    def test_of_two_results_under_one_id_the_one_that_ended_last_stays(self, stage: Stage) -> None:
        stage.enqueue(new(), new())
        one, two = stage.claim()
        now = stage.broker.now_us()

        stage.settle(
            ack(one, record("same", "later", now=now)),
            ack(two, record("same", "earlier", now=now - SECOND)),
        )

        result = stage.result("same")
        assert result is not None
        assert result.data == "later"

    def test_also_if_only_one_of_the_two_is_a_success(self, stage: Stage) -> None:
        stage.enqueue(new(), new(), new())
        one, two, three = stage.claim()
        now = stage.broker.now_us()

        stage.settle(
            bury(one, at=now, result=record("same", "later", success=False, now=now)),
            ack(two, record("same", "earlier", now=now - SECOND)),
            ack(three),
        )

        result = stage.result("same")
        assert result is not None
        assert result.data == "later"

    def test_a_result_overwrites_the_one_before(self, stage: Stage) -> None:
        for data in ("1", "2"):
            stage.enqueue(new())
            now = stage.broker.now_us()
            stage.settle(ack(stage.claim_one(), record("same", data, now=now)))

        result = stage.result("same")
        assert result is not None
        assert result.data == "2"

    def test_a_dead_message_says_why_and_when(self, stage: Stage) -> None:
        stage.enqueue(new())
        at = stage.broker.now_us()
        stage.settle(bury(stage.claim_one(), at=at, reason="ValueError: no"))

        (dead,) = stage.broker.browse("default", MessageCategory.DEAD)

        assert dead.dead_reason == "ValueError: no"
        assert dead.run_at == at
        assert dead.tries == 1
        assert stage.claim() == []

    def test_a_result_frees_what_waits_for_its_bucket(self, stage: Stage) -> None:
        stage.enqueue(new("up", result_id="chain"))
        stage.enqueue(new("down", payload=None, args_id="chain"))
        stage.enqueue(new("down", payload=None, args_id="elsewhere"))
        later = stage.broker.now_us() + HOUR
        waiting = stage.claim(topics=["down"])
        stage.settle(
            *[settlement.again(m, run_at=later, tries=0, waits_for=m.args_id) for m in waiting]
        )
        assert stage.claim(topics=["down"]) == []

        up = stage.claim_one(topics=["up"])
        stage.settle(ack(up, record("chain", '{"n":1}', now=stage.broker.now_us())))
        freed = stage.claim_one(topics=["down"])

        assert freed.args_id == "chain"
        assert freed.waits_for is None
        assert freed.tries == 0
        assert stage.connection.arguments([freed])["chain"].data == '{"n":1}'

    def test_free_makes_due_what_waits_for_a_bucket_elsewhere(self, stage: Stage) -> None:
        stage.enqueue(new(payload=None, args_id="there"))
        later = stage.broker.now_us() + HOUR
        message = stage.claim_one()
        stage.settle(settlement.again(message, run_at=later, tries=0, waits_for="there"))

        stage.broker.free(["there", "nowhere"])

        assert len(stage.claim()) == 1

    def test_a_failure_is_kept_beside_a_retry(self, stage: Stage) -> None:
        stage.enqueue(new())
        message = stage.claim_one()
        failure = Failure(
            exception="ValueError",
            text="no",
            traceback="Traceback …",
            fingerprint="f" * 16,
            worker="someone",
            at=stage.broker.now_us(),
            duration_us=17,
        )

        lost = stage.settle(retry(message, run_at=stage.broker.now_us() - 1, failure=failure))

        assert lost == frozenset()
        assert stage.claim_one().tries == 1

    def test_hundreds_at_once(self, stage: Stage) -> None:
        stage.enqueue(*[new() for _ in range(1100)])
        messages = stage.claim(1100)
        now = stage.broker.now_us()

        lost = stage.settle(*[ack(m, record(m.key.id_, now=now)) for m in messages])

        assert lost == frozenset()
        assert stage.claim() == []
        assert stage.result(messages[-1].key.id_) is not None

    def test_workers_that_settle_crosswise_get_in_nobodys_way(self, stage: Stage) -> None:
        """Real threads on real connections: one pair of buckets, in either order, for each job."""
        rounds, problems = 40, []
        stage.enqueue(*[new() for _ in range(rounds * 4)])
        start = threading.Barrier(2)

        def work(place: int) -> None:
            try:
                with host().thread_scope():
                    start.wait(20)
                    for number in range(rounds):
                        names = [f"a{number}", f"b{number}"][:: 1 if place else -1]
                        ends = [
                            ack(message, record(name, str(place), now=stage.broker.now_us()))
                            for message, name in zip(stage.claim(2), names, strict=False)
                        ]
                        assert stage.settle(*ends) == frozenset()
            except BaseException as error:  # noqa: BLE001 - told to the test
                problems.append(error)

        threads = [threading.Thread(target=work, args=[n]) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert problems == []
        assert stage.result("a0") is not None
        assert stage.result(f"b{rounds - 1}") is not None
