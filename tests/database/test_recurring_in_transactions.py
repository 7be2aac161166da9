"""Recurring jobs beside transactions that began before: new terms, cancels, and the same ids."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections, transaction

from django_repid import Connection, DatabaseBucketBroker, DatabaseMessageBroker
from django_repid.core.message import MessageState, StoredMessage
from django_repid.core.schedule import Schedule
from django_repid.models import Message
from django_repid.testing.contract.kit import HOUR, SECOND, Stage, retry
from django_repid.testing.contract.renewal import ended, recurring

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

LONG = 30.0
DAILY = Schedule(every=24 * HOUR)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage(
        Connection(DatabaseMessageBroker(), None, DatabaseBucketBroker(use_result_bucket=True))
    )
    yield stage
    stage.close()


def elsewhere(*calls: Callable[[], Any]) -> list[Exception]:
    """Make each call on a thread and a connection of its own, at once; return what they raised."""
    raised: list[Exception] = []
    together = threading.Barrier(len(calls))

    def work(call: Callable[[], Any]) -> None:
        try:
            together.wait(LONG)
            call()
        except Exception as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()
    return raised


def due(stage: Stage) -> StoredMessage:
    stage.enqueue(recurring(stage.broker.now_us() - SECOND, payload='{"n": 1}'))
    return stage.claim_one()


def only(stage: Stage) -> StoredMessage:
    (found,) = stage.broker.find(["tick"])
    return found


def test_workers_that_start_together_write_the_same_ids_whatever_their_order(stage: Stage) -> None:
    names = [f"tick-{n}" for n in range(20)]

    def write(mine: list[str]) -> Callable[[], object]:
        later = stage.broker.now_us() + HOUR
        return lambda: stage.enqueue(*[recurring(later, id_=name) for name in mine])

    assert elsewhere(*[write(names), write(names[::-1])] * 3) == []

    assert sorted(m.key.id_ for m in stage.broker.find(names)) == sorted(names)


def test_transactions_that_write_the_same_ids_in_another_order_do_not_lock_each_other_out(
    stage: Stage,
) -> None:
    names = [f"tick-{n}" for n in range(20)]
    later = stage.broker.now_us() + HOUR
    stage.enqueue(*[recurring(later, id_=name) for name in names])

    def write(mine: list[str]) -> Callable[[], object]:
        def several() -> None:
            for _ in range(10):
                with transaction.atomic():  # nobody repeats what a deadlock undoes
                    stage.enqueue(*[recurring(later, id_=name) for name in mine])

        return several

    assert elsewhere(*[write(names), write(names[::-1])] * 2) == []


def test_renewals_settlements_and_cancels_side_by_side_lose_and_double_nothing(
    stage: Stage,
) -> None:
    names = [f"tick-{n}" for n in range(6)]
    early = stage.broker.now_us() - HOUR
    stage.enqueue(*[recurring(early, id_=name, again=Schedule(every=SECOND)) for name in names])
    ran: list[tuple[str, int | None, int]] = []

    def renew(offset: int) -> None:
        for n in range(30):
            later = stage.broker.now_us() + HOUR
            again = Schedule(every=SECOND * (1 + (n + offset) % 3))
            stage.enqueue(*[recurring(later - HOUR, id_=name, again=again) for name in names])

    def work() -> None:
        for n in range(40):
            for message in stage.claim(limit=3):
                ran.append((message.key.id_, message.tick, message.key.lease))
                now = stage.broker.now_us()
                end = ended(message, now)
                if n % 3 == 0:
                    end = retry(message, run_at=now)
                assert stage.settle(end) == frozenset()

    assert elsewhere(lambda: renew(0), lambda: renew(1), work, work) == []

    assert len(ran) == len({(id_, lease) for id_, _, lease in ran})
    found = stage.broker.find(names)
    assert sorted(m.key.id_ for m in found) == names
    assert {m.state for m in found} == {MessageState.READY}


if connection.vendor == "mysql":  # PostgreSQL raises a serialization failure instead

    @pytest.fixture
    def repeatable_read() -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield
        connection.close()

    @pytest.mark.usefixtures("repeatable_read")
    def test_an_atomic_actor_s_end_sees_new_terms_that_came_while_it_ran(stage: Stage) -> None:
        message = due(stage)
        terms = recurring(stage.broker.now_us() + HOUR, payload='{"n": 2}')

        with transaction.atomic():
            assert Message.objects.count() == 1  # what it sees from now on
            assert elsewhere(lambda: stage.enqueue(terms)) == []
            assert stage.settle(ended(message, stage.broker.now_us())) == frozenset()

        assert only(stage).payload == '{"n": 2}'
        assert Message.objects.get().renewal is None

    @pytest.mark.usefixtures("repeatable_read")
    def test_an_atomic_actor_s_end_sees_a_cancel_that_came_while_it_ran(stage: Stage) -> None:
        message = due(stage)

        with transaction.atomic():
            assert Message.objects.count() == 1
            assert elsewhere(lambda: stage.broker.ask_cancel("tick")) == []
            stage.settle(ended(message, stage.broker.now_us()))

        assert stage.broker.find(["tick"]) == []

    @pytest.mark.usefixtures("repeatable_read")
    def test_another_schedule_takes_its_place_though_it_ran_when_the_transaction_began(
        stage: Stage,
    ) -> None:
        message = due(stage)
        first = stage.broker.now_us() + HOUR

        with transaction.atomic():
            assert Message.objects.filter(state=MessageState.RUNNING).count() == 1
            assert elsewhere(lambda: stage.settle(ended(message, stage.broker.now_us()))) == []
            (answer,) = stage.enqueue(recurring(first, again=DAILY))

        assert answer.duplicate is False
        assert (only(stage).tick, only(stage).spec.again) == (first, DAILY)
        assert only(stage).key == message.key
